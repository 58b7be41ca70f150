/**
 * Everything a clean clone needs before `npm run demo`, `npm test` and the others can work: pnpm at a pinned version,
 * the packages, the Kafka client's native addon, and the build. Plain JavaScript without dependencies; asks nothing;
 * does only what is not done yet. Writes to standard error, so that standard output stays for the command behind it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tools = join(root, '.tools');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const pnpmVersion = manifest.packageManager.replace('pnpm@', '');
const pnpm = join(tools, 'node_modules', 'pnpm', 'bin', 'pnpm.cjs');
const addon = '@confluentinc/kafka-javascript';

/** What the addon's build from source needs, by package manager. */
const buildNeeds = {
  apt: 'g++ make python3 libssl-dev libcurl4-openssl-dev zlib1g-dev libzstd-dev libsasl2-dev liblz4-dev',
  apk: 'g++ make python3 bash openssl-dev curl-dev zlib-dev zstd-dev cyrus-sasl-dev lz4-dev',
  dnf: 'gcc-c++ make python3 openssl-devel libcurl-devel zlib-devel libzstd-devel cyrus-sasl-devel lz4-devel',
  brew: 'openssl@3 curl zlib zstd cyrus-sasl lz4   (and: xcode-select --install)',
};

function say(line) {
  process.stderr.write(`keylane: ${line}\n`);
}

function stop(message) {
  process.stderr.write(`\nkeylane: ${message}\n`);
  process.exit(1);
}

/** Runs a command with a progress line; its output is shown only when it fails. Resolves with whether it succeeded. */
function step(title, command, args, { env = {}, cwd = root, mayFail = false, hint = '', limitMs = 1_800_000 } = {}) {
  return new Promise((resolve) => {
    const started = Date.now();
    const seconds = () => Math.round((Date.now() - started) / 1000);
    const lines = [];
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on(
        'data',
        (data) => lines.push(...String(data).split('\n').filter(Boolean)) > 400 && lines.splice(0, 200),
      );
    }
    const live = process.stderr.isTTY;
    if (!live) say(`${title} …`);
    const progress = setInterval(
      () => {
        if (live)
          process.stderr.write(`\r\x1b[2Kkeylane: ${title} … ${seconds()} s   ${(lines.at(-1) ?? '').slice(0, 60)}`);
        else say(`${title} … ${seconds()} s`);
      },
      live ? 1_000 : 20_000,
    );
    const limit = setTimeout(() => child.kill(), limitMs);
    child.on('error', (error) => lines.push(error.message));
    child.on('close', (code) => {
      clearInterval(progress);
      clearTimeout(limit);
      if (live) process.stderr.write('\r\x1b[2K');
      if (code === 0) say(`${title}: done in ${seconds()} s`);
      else if (!mayFail) stop(`${title} failed:\n\n${lines.slice(-40).join('\n')}\n${hint}`);
      resolve(code === 0);
    });
  });
}

async function ensurePnpm() {
  const installed = join(tools, 'node_modules', 'pnpm', 'package.json');
  if (existsSync(installed) && JSON.parse(readFileSync(installed, 'utf8')).version === pnpmVersion) return;
  mkdirSync(tools, { recursive: true });
  writeFileSync(join(tools, 'package.json'), '{ "private": true }\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  await step(`getting pnpm ${pnpmVersion}`, npm, [
    'install',
    '--prefix',
    tools,
    '--no-audit',
    '--no-fund',
    `pnpm@${pnpmVersion}`,
  ]);
}

/** Installs when the lock file, a manifest or Node's ABI changed since the last time. */
async function ensurePackages() {
  const stamp = join(tools, 'installed');
  const manifests = ['packages', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(root, folder, name, 'package.json')),
  );
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'bench/package.json'].map((name) =>
    join(root, name),
  );
  const hash = createHash('sha256').update(process.versions.modules);
  for (const file of [...files, ...manifests]) if (existsSync(file)) hash.update(readFileSync(file));
  const wanted = hash.digest('hex');
  const complete = existsSync(join(root, 'node_modules', '.modules.yaml'));
  if (complete && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  await step('installing packages', process.execPath, [pnpm, 'install', '--frozen-lockfile', '--ignore-scripts']);
  writeFileSync(stamp, wanted);
}

/** The addon: as it is, from our cache, prebuilt, or built from source; the first of these that loads. */
async function ensureAddon() {
  const require = createRequire(join(root, 'packages', 'keylane', 'package.json'));
  const folder = dirname(dirname(require.resolve(addon)));
  const loads = () => {
    try {
      execFileSync(process.execPath, ['-e', `require(${JSON.stringify(folder)})`], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  if (loads()) return;

  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const libc = process.report?.getReport().header.glibcVersionRuntime === undefined ? 'other' : 'glibc';
  const kind = [version, process.versions.modules, process.platform, process.arch, libc].join('-');
  const cached = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'keylane', `addon-${kind}`);
  const build = join(folder, 'build');
  if (existsSync(cached)) {
    rmSync(build, { recursive: true, force: true });
    cpSync(cached, build, { recursive: true, verbatimSymlinks: true });
    if (loads()) return say(`took the Kafka client's addon from ${cached}`);
    rmSync(build, { recursive: true, force: true });
  }

  const preGyp = createRequire(join(folder, 'package.json')).resolve('@mapbox/node-pre-gyp/bin/node-pre-gyp');
  const fetched = await step("fetching the Kafka client's prebuilt addon", process.execPath, [preGyp, 'install'], {
    cwd: folder,
    mayFail: true,
    limitMs: 300_000,
  });
  if (fetched && loads()) return;
  say('the prebuilt addon cannot be had here, so it is built from source');
  await ensureBuildTools();
  // Static linking, the default, would download each of its dependencies; headers come with most installations of Node.
  const prefix = join(dirname(process.execPath), '..');
  const headers = existsSync(join(prefix, 'include', 'node', 'node.h')) ? { npm_config_nodedir: prefix } : {};
  const nodeGyp = join(tools, 'node_modules', 'pnpm', 'dist', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  await step(
    "building the Kafka client's addon (one to three minutes, once)",
    process.execPath,
    [preGyp, 'install', '--build-from-source'],
    {
      cwd: folder,
      env: { CKJS_LINKING: 'dynamic', npm_config_node_gyp: nodeGyp, ...headers },
      hint: `\n${buildHint(buildNeeds.apt)}`,
    },
  );
  if (!loads()) stop(`the addon was built but does not load: node -e "require('${folder}')" says why`);
  keep(build, cached);
}

/** Keeps what the addon needs at run time, for the next clone on this machine. */
function keep(build, cached) {
  const draft = `${cached}.${process.pid}`;
  for (const part of ['Release/confluent-kafka-javascript.node', 'deps']) {
    if (existsSync(join(build, part)))
      cpSync(join(build, part), join(draft, part), { recursive: true, verbatimSymlinks: true });
  }
  rmSync(cached, { recursive: true, force: true });
  renameSync(draft, cached);
}

/** Installs what the build needs where this may be done without asking; otherwise says what to install. */
async function ensureBuildTools() {
  // Elsewhere it may all be there; if not, the failing build gives the same hint.
  if (!existsSync('/usr/bin/apt-get')) return;
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholder
  const format = '-f=${db:Status-Status}';
  const missing = buildNeeds.apt.split(' ').filter((name) => {
    try {
      return execFileSync('dpkg-query', ['-W', format, name], { encoding: 'utf8', stdio: 'pipe' }) !== 'installed';
    } catch {
      return true;
    }
  });
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) stop(buildHint(missing.join(' ')));
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await step("updating Debian's package lists", 'apt-get', ['update', '-q'], { env });
  await step(
    `installing ${missing.join(' ')}`,
    'apt-get',
    ['install', '-y', '-q', '--no-install-recommends', ...missing],
    { env },
  );
}

function buildHint(apt) {
  return (
    "the Kafka client's addon must be built from source here, which needs a compiler and some libraries.\n" +
    'Install them and run the command again:\n\n' +
    `  Debian, Ubuntu   sudo apt-get install ${apt}\n` +
    `  Alpine           apk add ${buildNeeds.apk}\n` +
    `  Fedora, RHEL     sudo dnf install ${buildNeeds.dnf}\n` +
    `  macOS            brew install ${buildNeeds.brew}\n`
  );
}

async function build() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '--build', join(root, 'tsconfig.json')];
  if (existsSync(join(root, 'packages', 'keylane', 'dist', 'index.js'))) {
    try {
      return void execFileSync(process.execPath, args, { stdio: 'pipe' });
    } catch (error) {
      stop(`the build failed:\n\n${error.stdout}`);
    }
  }
  await step('building', process.execPath, args);
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  stop(`Node ${process.versions.node} is too old: 20.19 or later is needed (https://nodejs.org/en/download)`);
}
await ensurePnpm();
await ensurePackages();
await ensureAddon();
await build();

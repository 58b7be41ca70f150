/**
 * The peer in Java, Confluent Parallel Consumer: built by Maven when it is first wanted, and again when its sources
 * have changed.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { whyNoJava } from '../../scripts/java.ts';
import type { OffsetPattern } from '../workload/offset-patterns.ts';
import type { Bench } from './bench.ts';

const run = promisify(execFile);
const PROJECT = fileURLToPath(new URL('../peers/parallel-consumer/', import.meta.url));
const TARGET = join(PROJECT, 'target');
/** Holds the hash of the sources that were built. */
const BUILT = join(TARGET, 'sources.sha256');

type Say = (line: string) => void;
const sayOnStandardError: Say = (line) => process.stderr.write(`${line}\n`);

/** Why the peer in Java is left out, to be read after its name, or `undefined` where it can run. */
export async function whyNoJavaPeer({ java }: Pick<Bench, 'java'>): Promise<string | undefined> {
  return java ? whyNoJava(await isBuilt()) : 'was not wanted';
}

/** The peer's command, to which its job is added. Builds it where it must; `say` is told of that. */
export function javaPeer(say: Say = sayOnStandardError): Promise<readonly [command: string, ...args: string[]]> {
  return commandOf('keylane.bench.ParallelConsumerPeer', say);
}

/** What Parallel Consumer would commit for a pattern. */
export interface CodecSize {
  /** Bytes of its smallest encoding. */
  readonly smallest: number;
  /** Characters of the commit's metadata that they take, in base 64. */
  readonly characters: number;
  readonly encoding: string;
}

/** How large Parallel Consumer's own offset maps are, by the pattern's name. */
export async function codecSizes(
  patterns: readonly OffsetPattern[],
  say: Say = sayOnStandardError,
): Promise<Record<string, CodecSize>> {
  const [command, ...args] = await commandOf('keylane.bench.CodecSizes', say);
  const directory = await mkdtemp(join(tmpdir(), 'keylane-bench-'));
  try {
    const file = join(directory, 'patterns.json');
    await writeFile(file, JSON.stringify(patterns));
    const { stdout } = await run(command, [...args, file]);
    return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Record<string, CodecSize>;
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function commandOf(mainClass: string, say: Say): Promise<readonly [command: string, ...args: string[]]> {
  await build(say);
  const classPath = [join(TARGET, 'classes'), join(TARGET, 'libs', '*')].join(delimiter);
  return ['java', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', classPath, mainClass];
}

async function build(say: Say): Promise<void> {
  if (await isBuilt()) return;
  say('building the peer in Java with Maven (once)');
  await rm(TARGET, { recursive: true, force: true });
  const goals = ['compile', 'dependency:copy-dependencies', '-DincludeScope=runtime'];
  await run('mvn', ['-q', '-B', ...goals, `-DoutputDirectory=${join(TARGET, 'libs')}`], { cwd: PROJECT }).catch(
    ({ stdout }: { stdout: string }) => {
      throw new Error(`Maven could not build the peer in Java (--no-java leaves it out):\n${stdout}`);
    },
  );
  await writeFile(BUILT, await hashOfSources());
}

async function isBuilt(): Promise<boolean> {
  const built = await readFile(BUILT, 'utf8').catch(() => undefined);
  return built === (await hashOfSources());
}

async function hashOfSources(): Promise<string> {
  const sources = await readdir(join(PROJECT, 'src'), { recursive: true, withFileTypes: true });
  const files = sources.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const hash = createHash('sha256');
  for (const file of [join(PROJECT, 'pom.xml'), ...files.sort()]) hash.update(await readFile(file));
  return hash.digest('hex');
}

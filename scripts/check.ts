/**
 * Every check that is no test: `npm run check`. Runs them one after the other, says what each found, and fails if one
 * did.
 */
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

const CHECKS: readonly (readonly [name: string, command: string, args: readonly string[], cwd?: string])[] = [
  ['format and lint (biome)', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['types (tsc)', bin('tsc'), ['-p', 'tsconfig.check.json']],
  ['unused code and dependencies (knip)', bin('knip'), []],
  ...['keylane', 'testing', 'cli'].flatMap((name) => {
    const folder = join(root, 'packages', name);
    return [
      [`package ${name} (publint)`, bin('publint'), ['--strict'], folder],
      [`types of package ${name} (attw)`, bin('attw'), ['--pack', '--profile', 'esm-only'], folder],
    ] as const;
  }),
];

// publint packs with pnpm, which the bootstrap put here.
const env = {
  ...process.env,
  PATH: [join(root, '.tools', 'node_modules', '.bin'), process.env['PATH']].join(delimiter),
};

let failed = 0;
for (const [name, command, args, cwd = root] of CHECKS) {
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env });
  const passed = status === 0;
  if (!passed) {
    failed += 1;
    console.log(`${stdout ?? ''}${stderr ?? ''}`);
  }
  console.log(`${passed ? 'passed' : 'FAILED'}  ${name} (${((Date.now() - started) / 1_000).toFixed(1)} s)`);
}
console.log(`${CHECKS.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

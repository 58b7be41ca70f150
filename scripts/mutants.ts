/**
 * Breaks Keylane on purpose, one guarantee at a time, and checks that the simulator notices.
 *
 *     npm run mutants              all of them
 *     npm run mutants -- NAME      one
 *
 * A mutant is a copy of the library with a few words replaced; `mutants/` has them all. One that survives means a
 * guarantee nobody checks.
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ASSIGNMENT } from './mutants/assignment.ts';
import { BREAKER } from './mutants/breaker.ts';
import { CLOSE } from './mutants/close.ts';
import { FAILURES } from './mutants/failures.ts';
import { FLOW } from './mutants/flow.ts';
import type { Mutant } from './mutants/mutant.ts';
import { OFFSETS } from './mutants/offsets.ts';

const packages = join(dirname(fileURLToPath(import.meta.url)), '..', 'packages');
const MUTANTS: readonly Mutant[] = [...OFFSETS, ...ASSIGNMENT, ...FLOW, ...CLOSE, ...BREAKER, ...FAILURES];
const SEEDS = 8_000;
/** A mutant may turn in circles; that is noticed as well. */
const HANGS_MS = 300_000;

/** What the simulator said: the seed and its first violation, or `undefined` where it saw nothing. */
async function violationOf({ name, changes, firstSeed = 1 }: Mutant): Promise<string | undefined> {
  const copy = join(packages, `.mutant-${name}`);
  await rm(copy, { recursive: true, force: true });
  try {
    await mkdir(copy, { recursive: true });
    for (const part of ['src', 'sim']) await cp(join(packages, 'keylane', part), join(copy, part), { recursive: true });
    await symlink(join(packages, 'keylane', 'node_modules'), join(copy, 'node_modules'), 'dir');
    for (const [file, find, replace] of changes) {
      const path = join(copy, 'src', file);
      const source = await readFile(path, 'utf8');
      if (source.split(find).length !== 2)
        throw new Error(`mutant ${name}: '${find}' is not once in ${file}; bring it up to date`);
      await writeFile(
        path,
        source.replace(find, () => replace),
      );
    }
    const arguments_ = ['--first', String(firstSeed), '--seeds', String(SEEDS), '--processes', '1', '--failures', '1'];
    const run = spawn(process.execPath, ['--import', 'tsx', join(copy, 'sim', 'run.ts'), ...arguments_], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: HANGS_MS,
    });
    let errors = '';
    run.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => run.on('close', resolve));
    if (code === null && run.killed) return 'it does not end';
    if (code !== 0 && code !== 3) throw new Error(`mutant ${name} does not even run (exit code ${code}): ${errors}`);
    if (code === 0) return undefined;
    const [, seed, violation] = /^seed (\d+) failed .*\n {2}- (.*)$/m.exec(errors) ?? [];
    return seed === undefined ? 'it does not say what' : `seed ${seed}: ${violation}`;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

const [only] = process.argv.slice(2);
const chosen = MUTANTS.filter(({ name }) => only === undefined || name === only);
if (chosen.length === 0)
  throw new Error(`there is no mutant '${only}'; there are ${MUTANTS.map(({ name }) => name).join(', ')}`);

const faults: string[] = [];
let survived = 0;
const waiting = [...chosen];
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const began = performance.now();
      try {
        const violation = await violationOf(mutant);
        const seconds = Math.round((performance.now() - began) / 1_000);
        if (violation === undefined) survived += 1;
        const seen = violation === undefined ? '' : `\n          seen as: ${violation.slice(0, 100)}`;
        console.log(
          `${violation === undefined ? 'SURVIVED' : 'caught  '}  ${mutant.name} (${mutant.breaks}), ${seconds} s${seen}`,
        );
      } catch (error) {
        faults.push((error as Error).message);
      }
    }
  }),
);
for (const fault of faults) console.error(fault);
console.log(
  `${chosen.length - survived - faults.length} mutants caught, ${survived} survived, ${faults.length} broken`,
);
process.exitCode = survived + faults.length === 0 ? 0 : 1;

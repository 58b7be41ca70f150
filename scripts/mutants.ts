/**
 * Breaks Keylane on purpose, one guarantee at a time, and checks that the simulator notices.
 *
 *     npm run mutants              all of them
 *     npm run mutants -- NAME      one
 *
 * A mutant is a copy of the library with a few words replaced. One that survives means a guarantee nobody checks.
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packages = join(dirname(fileURLToPath(import.meta.url)), '..', 'packages');
const SEEDS = 400;

interface Mutant {
  readonly name: string;
  /** Which promise it breaks. */
  readonly breaks: string;
  /** File below packages/keylane/src, the words to find (exactly once), and what to put there. */
  readonly changes: readonly (readonly [file: string, find: string, replace: string])[];
}

const MUTANTS: readonly Mutant[] = [
  {
    name: 'commit-one-too-early',
    breaks: 'commit never ahead',
    changes: [
      [
        'poller/offset-tracker.ts',
        'this.#offsets[this.#head & (this.#offsets.length - 1)];',
        '(this.#offsets[this.#head & (this.#offsets.length - 1)] as number) + 1;',
      ],
    ],
  },
  {
    name: 'contiguous-by-arithmetic',
    breaks: 'contiguity is in delivered order: offsets have holes',
    changes: [
      [
        'poller/offset-tracker.ts',
        'while (this.#head < this.#tail && this.#done[this.#head & mask] === 1) this.#head += 1;',
        'while (this.#head < this.#tail && this.#done[this.#head & mask] === 1 && (this.#head + 1 === this.#tail || this.#offsets[(this.#head + 1) & mask] === (this.#offsets[this.#head & mask] as number) + 1)) this.#head += 1;',
      ],
    ],
  },
  {
    name: 'two-segments-of-one-lane',
    breaks: 'one at a time per key',
    changes: [
      ['poller/lane.ts', "this.state = 'in-flight';", "this.state = 'idle';"],
      ['poller/lane.ts', "assert(this.state === 'in-flight', ", 'assert(true, '],
    ],
  },
  {
    name: 'failed-record-goes-last',
    breaks: 'key order over retries',
    changes: [
      [
        'poller/settle.ts',
        'delivery.attempt += 1;',
        'delivery.attempt += 1; if (lane.length > 1) { lane.inFlight = 1; lane.partition.inFlight += 1; lane.push(lane.shift()); }',
      ],
    ],
  },
  {
    name: 'commit-believed-when-sent',
    breaks: 'a commit counts only when the broker says so',
    changes: [
      [
        'poller/committer.ts',
        'this.#parts.client.commit(offsets);',
        'this.#parts.client.commit(offsets); for (const offset of offsets) this.#parts.store.confirm(offset);',
      ],
    ],
  },
  {
    name: 'budget-leaks-on-close',
    breaks: 'counters are balanced after a close',
    changes: [['poller/partition.ts', 'this.#shared.budget.remove(this.bufferedRecords, this.bufferedBytes);', '']],
  },
  {
    name: 'held-lanes-forgotten',
    breaks: 'a pause that ends goes on where it was',
    changes: [['poller/partition.ts', "if (this.state === 'active') this.#held.push(lane);", '']],
  },
  {
    name: 'full-partition-stays-paused',
    breaks: 'back-pressure ends when there is room',
    changes: [['poller/pauses.ts', 'this.#full.delete(partition);', 'continue;']],
  },
  {
    name: 'polling-stops-when-full',
    breaks: 'answers to commits are served while the buffer is full',
    changes: [['poller/poller.ts', 'pauses.stall();', 'if (this.#fullSince >= 0) return;']],
  },
];

/** Resolves with whether the simulator noticed. */
async function isCaught({ name, changes }: Mutant): Promise<boolean> {
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
    const run = spawn(process.execPath, ['--import', 'tsx', join(copy, 'sim', 'run.ts'), '--seeds', String(SEEDS)], {
      stdio: 'ignore',
    });
    const code = await new Promise<number | null>((resolve) => run.on('close', resolve));
    if (code !== 0 && code !== 3) throw new Error(`mutant ${name} does not even run (exit code ${code})`);
    return code === 3;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

const [only] = process.argv.slice(2);
const chosen = MUTANTS.filter(({ name }) => only === undefined || name === only);
if (chosen.length === 0)
  throw new Error(`there is no mutant '${only}'; there are ${MUTANTS.map(({ name }) => name).join(', ')}`);
let survived = 0;
for (const mutant of chosen) {
  const caught = await isCaught(mutant);
  if (!caught) survived += 1;
  console.log(`${caught ? 'caught  ' : 'SURVIVED'}  ${mutant.name} (${mutant.breaks})`);
}
console.log(`${chosen.length - survived} mutants caught, ${survived} survived`);
process.exitCode = survived === 0 ? 0 : 1;

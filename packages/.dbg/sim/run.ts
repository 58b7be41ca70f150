/**
 * Runs the simulator from the command line; see `--help`.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { type SeedsResult, seedsAlone, seedsInProcesses } from './seeds.ts';
import { simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    processes: { type: 'string', default: String(availableParallelism()) },
    failures: { type: 'string', default: '5' },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run sim -- [options]

  --seeds COUNT      run this many seeds (default 1000)
  --first N          beginning with this one (default 1)
  --seed N           run one seed only
  --processes COUNT  in so many processes (default: the CPUs there are)
  --failures COUNT   stop after so many seeds that failed (default 5)
  --trace            print everything that happened (with --seed)
  --json             print the result as JSON: {seeds, steps, failed, failures, ms}

The exit code is 3 where a seed failed.

Examples:
  npm run sim -- --seeds 10000
  npm run sim -- --seed 4711 --trace`);
  process.exit(0);
}

const first = Number(values.seed ?? values.first);
const seeds = values.seed === undefined ? Number(values.seeds) : 1;
const failuresMax = Number(values.failures);
const processes = Math.min(Number(values.processes), Math.ceil(seeds / 10));
for (const [name, value] of Object.entries({ first, seeds, processes, failuresMax }))
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${name} must be a whole number from 1`);

if (values.trace && values.seed !== undefined)
  for (const entry of (await simulate(first)).log) console.log(JSON.stringify(entry));

const startedAt = Date.now();
let shownAt = startedAt;
const onProgress = ({ seeds: done, failures }: SeedsResult) => {
  if (Date.now() - shownAt < 2_000) return;
  shownAt = Date.now();
  console.error(`${done} of ${seeds} seeds, ${failures.length} failed`);
};
const result = await (processes > 1 ? seedsInProcesses : seedsAlone)({
  first,
  seeds,
  processes,
  failuresMax,
  onProgress,
});
const failures = result.failures.map(({ seed, violations }) => ({
  ...{ seed, violations, replay: `npm run sim -- --seed ${seed} --trace` },
}));
for (const { seed, violations, replay } of failures) {
  console.error(`seed ${seed} failed (replay: ${replay})`);
  for (const violation of violations.slice(0, 5)) console.error(`  - ${violation}`);
}
const { seeds: done, steps } = result;
const ms = Date.now() - startedAt;
if (values.json) console.log(JSON.stringify({ seeds: done, steps, failed: failures.length, failures, ms }));
else console.log(`${done} seed(s), ${steps} steps, ${(ms / 1_000).toFixed(1)} s: ${failures.length} failed`);
// 3, so that a script can tell a broken promise from a broken program.
process.exitCode = failures.length === 0 ? 0 : 3;

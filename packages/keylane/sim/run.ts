/**
 * Runs the simulator from the command line; see `--help`.
 */
import { parseArgs } from 'node:util';
import { simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run sim -- [options]

  --seeds COUNT   run this many seeds (default 1000)
  --first N       beginning with this one (default 1)
  --seed N        run one seed only
  --trace         print everything that happened in it

Examples:
  npm run sim -- --seeds 10000
  npm run sim -- --seed 4711 --trace`);
  process.exit(0);
}

const first = Number(values.seed ?? values.first);
const count = values.seed === undefined ? Number(values.seeds) : 1;
let steps = 0;
let failed = 0;
let shownAt = Date.now();
for (let seed = first; seed < first + count; seed += 1) {
  const result = await simulate(seed);
  steps += result.steps;
  if (values.trace) for (const entry of result.log) console.log(JSON.stringify(entry));
  if (result.violations.length > 0) {
    failed += 1;
    console.error(`seed ${seed} failed (replay: npm run sim -- --seed ${seed} --trace)`);
    for (const violation of result.violations.slice(0, 5)) console.error(`  - ${violation}`);
    if (failed >= 5) break;
  }
  if (Date.now() - shownAt > 2_000) {
    shownAt = Date.now();
    console.error(`${seed - first + 1} of ${count} seeds, ${failed} failed`);
  }
}
console.log(`${count} seed(s), ${steps} steps: ${failed} failed`);
// 3, so that a script can tell a broken promise from a broken program.
process.exitCode = failed === 0 ? 0 : 3;

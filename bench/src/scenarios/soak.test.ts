import { expect, test } from 'vitest';
import { SOAK_BUFFERED_BYTES_MAX } from '../../workload/soak.ts';
import { tenthsOf } from './soak.ts';

const MIB = 2 ** 20;
/** A sample in the middle of each tenth of a hundred records. */
const samples = (rssMiB: readonly number[], bufferedBytes = 0) =>
  rssMiB.map((rss, tenth) => ({ completed: tenth * 10 + 5, rssBytes: rss * MIB, bufferedBytes }));

test('the most of the later tenths is held against the second, and the first warms up', () => {
  const { rows, ratios } = tenthsOf(samples([900, 100, 90, 95, 150, 90, 90, 90, 90, 90]), 100);
  expect(ratios['endOverWarm']).toBeCloseTo(1.5);
  expect(rows.map(({ values }) => values['rssMiB'])).toEqual([900, 100, 90, 95, 150, 90, 90, 90, 90, 90]);
});

test('what is held, against the budget', () => {
  const flat = Array.from({ length: 10 }, () => 100);
  expect(tenthsOf(samples(flat, SOAK_BUFFERED_BYTES_MAX * 1.2), 100).ratios['bufferedOverBudget']).toBeCloseTo(1.2);
});

test('a tenth of which nothing was heard is a run that was too short', () => {
  expect(() => tenthsOf(samples([1, 1, 1, 1]), 100)).toThrow('take more records');
});

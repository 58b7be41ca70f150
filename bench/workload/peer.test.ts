import { expect, test } from 'vitest';
import { latencyOf } from './peer.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

test('percentiles are values that were measured: the least that so large a share does not exceed', () => {
  const thousand = upTo(1_000).sort(() => 0.5 - Math.random());
  expect(latencyOf(thousand)).toEqual({ records: 1_000, p50: 500, p99: 990, p999: 999, most: 1_000 });
  expect(latencyOf(upTo(3))).toEqual({ records: 3, p50: 2, p99: 3, p999: 3, most: 3 });
  expect(latencyOf([7])).toEqual({ records: 1, p50: 7, p99: 7, p999: 7, most: 7 });
});

test('they sort as numbers', () => {
  expect(latencyOf([100, 9, 20, 3, 8]).p50).toBe(9);
});

test('without a record there is none', () => {
  expect(latencyOf([])).toEqual({ records: 0, p50: Number.NaN, p99: Number.NaN, p999: Number.NaN, most: Number.NaN });
});

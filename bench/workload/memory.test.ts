import { expect, test } from 'vitest';
import { growthOf, peaksOf, watchMemory } from './memory.ts';

const samples = (...rss: readonly number[]) =>
  rss.map((rssMiB, index) => ({ rssMiB, heapMiB: 10 - index, externalMiB: index }));

test('peaks are the most of each', () => {
  expect(peaksOf(samples(3, 9, 4))).toEqual({ rssMiB: 9, heapMiB: 10, externalMiB: 2 });
});

test.each([
  ['flat, whatever the first quarter was', [900, 1, 100, 100, 100, 500, 90, 100], 1],
  ['growing', [10, 20, 100, 100, 110, 120, 140, 150], 1.5],
  ['falling', [10, 20, 100, 80, 70, 60, 50, 40], 0.5],
])('growth: %s', (_, rss, growth) => {
  expect(growthOf(samples(...rss))).toBeCloseTo(growth);
});

test('the memory is watched until what is watched has ended', async () => {
  const watched = await watchMemory(60_000, Promise.resolve());
  expect(watched).toHaveLength(1);
  expect(watched[0]?.rssMiB).toBeGreaterThan(10);
});

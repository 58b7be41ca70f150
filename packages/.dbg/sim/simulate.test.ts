import { describe, expect, test } from 'vitest';
import { seedsAlone } from './seeds.ts';
import { simulate } from './simulate.ts';

const SEEDS = 500;

describe('the simulator', () => {
  test(`every promise holds in ${SEEDS} seeds`, async () => {
    const { failures, steps } = await seedsAlone({
      first: 1,
      seeds: SEEDS,
      failuresMax: 3,
      onProgress: () => undefined,
    });
    const shown = failures.map(
      ({ seed, violations }) => `seed ${seed}: ${violations[0]}\n  replay: npm run sim -- --seed ${seed} --trace`,
    );
    expect(shown.join('\n')).toBe('');
    expect(steps).toBeGreaterThan(SEEDS * 100);
  });

  test.each([1, 7, 42])('seed %i gives the same run every time', async (seed) => {
    const [first, second] = [await simulate(seed), await simulate(seed)];
    expect(first.log.length).toBeGreaterThan(0);
    expect(second).toEqual(first);
  });

  test('other seeds give other runs', async () => {
    const logs = await Promise.all([1, 2, 3].map(async (seed) => JSON.stringify((await simulate(seed)).log)));
    expect(new Set(logs).size).toBe(3);
  });
});

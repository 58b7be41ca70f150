import { describe, expect, test } from 'vitest';
import { simulate } from './simulate.ts';

const SEEDS = 1_000;

describe('the simulator', () => {
  test(`every promise holds in ${SEEDS} seeds`, async () => {
    const failures: string[] = [];
    for (let seed = 1; seed <= SEEDS && failures.length < 3; seed += 1) {
      const { violations } = await simulate(seed);
      if (violations.length === 0) continue;
      failures.push(`seed ${seed}: ${violations[0]}\n  replay: npm run sim -- --seed ${seed} --trace`);
    }
    expect(failures.join('\n')).toBe('');
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

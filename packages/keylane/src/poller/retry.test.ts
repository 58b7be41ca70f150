import { describe, expect, test } from 'vitest';
import { type RetryPolicy, retryDelayMs } from './retry.ts';

const POLICY: RetryPolicy = { attemptsMax: 10, delayMs: 200, delayMaxMs: 3_000, factor: 2, jitter: 'none' };

const never = (): number => {
  throw new Error('no chance without jitter');
};

describe('retryDelayMs', () => {
  test.each([
    { name: 'the first delay', policy: {}, attempt: 1, delay: 200 },
    { name: 'the second is a factor longer', policy: {}, attempt: 2, delay: 400 },
    { name: 'the fourth', policy: {}, attempt: 4, delay: 1_600 },
    { name: 'no longer than the longest', policy: {}, attempt: 5, delay: 3_000 },
    { name: 'the last attempt but one', policy: {}, attempt: 9, delay: 3_000 },
    { name: 'none after the last attempt', policy: {}, attempt: 10, delay: undefined },
    { name: 'none past the last attempt', policy: {}, attempt: 11, delay: undefined },
    { name: 'one attempt in all', policy: { attemptsMax: 1 }, attempt: 1, delay: undefined },
    { name: 'no delay at all', policy: { delayMs: 0 }, attempt: 3, delay: 0 },
    { name: 'a factor of one', policy: { factor: 1 }, attempt: 9, delay: 200 },
    { name: 'a power past all numbers', policy: { attemptsMax: 10_000 }, attempt: 9_000, delay: 3_000 },
    {
      name: 'no delay at all, at a power past all numbers',
      policy: { attemptsMax: 10_000, delayMs: 0 },
      attempt: 9_000,
      delay: 0,
    },
    { name: 'a first delay above the longest', policy: { delayMaxMs: 50 }, attempt: 1, delay: 50 },
  ])('$name', ({ policy, attempt, delay }) => {
    expect(retryDelayMs({ ...POLICY, ...policy }, attempt, never)).toBe(delay);
  });

  test.each([
    { random: 0, delay: 0 },
    { random: 0.25, delay: 100 },
    { random: 0.5, delay: 200 },
  ])('full jitter takes the share $random of the delay', ({ random, delay }) => {
    expect(retryDelayMs({ ...POLICY, jitter: 'full' }, 2, () => random)).toBe(delay);
  });

  test('jitter is a share of the cut delay, so it never waits longer than the longest', () => {
    expect(retryDelayMs({ ...POLICY, jitter: 'full' }, 9, () => 0.999)).toBeLessThan(POLICY.delayMaxMs);
  });
});

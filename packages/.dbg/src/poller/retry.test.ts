import { describe, expect, test } from 'vitest';
import { RESOLVED } from '../../sim/stations.ts';
import { type FailureStage, HandlerError } from '../errors.ts';
import { NonRetryableError } from '../wire/non-retryable.ts';
import { isRetryable, type RetryPolicy, retryDelayMs } from './retry.ts';

const POLICY: RetryPolicy = { ...RESOLVED.retry, delayMs: 200, delayMaxMs: 3_000, factor: 2, jitter: 'none' };

function failureOf(attempt: number, cause: Error = new Error('no'), stage: FailureStage = 'handle'): HandlerError {
  return new HandlerError({ topic: 't', partition: 0, offset: 7, attempt }, cause, stage);
}

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
    { name: 'no delay at all', policy: { delayMs: 0 }, attempt: 3, delay: 0 },
    { name: 'a factor of one', policy: { factor: 1 }, attempt: 9, delay: 200 },
    { name: 'a power past all numbers', policy: {}, attempt: 9_000, delay: 3_000 },
    {
      name: 'no delay at all, at a power past all numbers',
      policy: { delayMs: 0 },
      attempt: 9_000,
      delay: 0,
    },
    { name: 'a first delay above the longest', policy: { delayMaxMs: 50 }, attempt: 1, delay: 50 },
  ])('$name', ({ policy, attempt, delay }) => {
    expect(retryDelayMs({ ...POLICY, ...policy }, failureOf(attempt), never)).toBe(delay);
  });

  test.each([
    { random: 0, delay: 0 },
    { random: 0.25, delay: 100 },
    { random: 0.5, delay: 200 },
  ])('full jitter takes the share $random of the delay', ({ random, delay }) => {
    expect(retryDelayMs({ ...POLICY, jitter: 'full' }, failureOf(2), () => random)).toBe(delay);
  });

  test('jitter is a share of the cut delay, so it never waits longer than the longest', () => {
    expect(retryDelayMs({ ...POLICY, jitter: 'full' }, failureOf(9), () => 0.999)).toBeLessThan(POLICY.delayMaxMs);
  });

  test('a function of the error and the attempt is taken at its word', () => {
    const delayMs = ({ cause }: HandlerError, attempt: number) => (cause as Error).message.length * 1_000 * attempt;
    expect(retryDelayMs({ ...POLICY, delayMs, jitter: 'full' }, failureOf(3, new Error('four')), never)).toBe(12_000);
  });
});

describe('isRetryable', () => {
  const says = (retryable: unknown) => Object.assign(new Error('no'), { retryable });
  test.each([
    { name: 'an error that says nothing', error: failureOf(1), retryable: true },
    { name: 'a NonRetryableError', error: failureOf(1, new NonRetryableError('no')), retryable: false },
    { name: 'an error that says no', error: failureOf(1, says(false)), retryable: false },
    { name: 'an error that says yes', error: failureOf(1, says(true)), retryable: true },
    { name: 'an error that says something else', error: failureOf(1, says('no')), retryable: true },
    { name: 'a record nobody can decode', error: failureOf(1, new Error('no'), 'deserialize'), retryable: false },
    { name: 'one that may be decoded later', error: failureOf(1, says(true), 'deserialize'), retryable: true },
  ])('$name: $retryable', ({ error, retryable }) => {
    expect(isRetryable(POLICY, error)).toBe(retryable);
  });

  test.each([true, false])('the application has the last word: %s', (retryable) => {
    const policy = { ...POLICY, retryable: ({ stage }: HandlerError) => stage === 'handle' && retryable };
    expect(isRetryable(policy, failureOf(1, new NonRetryableError('no')))).toBe(retryable);
    expect(isRetryable(policy, failureOf(1, new Error('no'), 'deserialize'))).toBe(false);
  });
});

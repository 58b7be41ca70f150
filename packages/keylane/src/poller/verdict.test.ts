import { describe, expect, test } from 'vitest';
import { RESOLVED } from '../../sim/stations.ts';
import { HandlerError } from '../errors.ts';
import { NonRetryableError } from '../wire/non-retryable.ts';
import type { KafkaRecord } from '../wire/record.ts';
import { decide, type FailurePolicy, later, retry, type Verdict } from './verdict.ts';

const RECORD = { topic: 't', partition: 0, offset: 7 } as KafkaRecord;
const POLICY: FailurePolicy = {
  retry: { ...RESOLVED.retry, attemptsMax: 3, delayMs: 100, jitter: 'none' },
  onError: undefined,
  onExhausted: 'dead-letter',
  park: { topic: 'parked' },
};

function failure(attempt = 1, cause: Error = new Error('no')): HandlerError {
  return new HandlerError({ topic: 't', partition: 0, offset: 7, attempt }, cause);
}

function decided(policy: Partial<FailurePolicy>, error = failure()) {
  return decide({ ...POLICY, ...policy }, error, { record: RECORD, errors: [error] }, () => 0.5);
}

const again = (delayMs: number, isAttempt = true) => ({ action: 'retry', delayMs, isAttempt });

describe('decide, by the policy', () => {
  test.each([
    { name: 'the first failure', error: failure(1), decision: again(100) },
    { name: 'the second', error: failure(2), decision: again(200) },
    { name: 'the last attempt', error: failure(3), decision: { action: 'dead-letter' } },
    { name: 'none makes sense', error: failure(1, new NonRetryableError('no')), decision: { action: 'dead-letter' } },
  ])('$name', ({ error, decision }) => {
    expect(decided({}, error)).toEqual(decision);
  });

  test('onExhausted is asked with the record and the error', () => {
    const error = failure(3);
    const asked: unknown[] = [];
    const onExhausted = (...parts: unknown[]) => {
      asked.push(...parts);
      return 'skip' as const;
    };
    expect(decided({ onExhausted }, error)).toEqual({ action: 'skip' });
    expect(asked).toEqual([RECORD, error]);
  });
});

describe('decide, by onError', () => {
  test.each<{ verdict: Verdict | undefined; attempt: number; decision: unknown }>([
    { verdict: undefined, attempt: 1, decision: again(100) },
    { verdict: undefined, attempt: 3, decision: { action: 'dead-letter' } },
    { verdict: 'retry', attempt: 1, decision: again(100) },
    { verdict: 'retry', attempt: 3, decision: { action: 'dead-letter' } },
    { verdict: retry(7), attempt: 2, decision: again(7) },
    { verdict: retry(7), attempt: 3, decision: { action: 'dead-letter' } },
    { verdict: later(9), attempt: 1, decision: again(9, false) },
    { verdict: later(Number.POSITIVE_INFINITY), attempt: 1, decision: again(2 ** 31 - 1, false) },
    { verdict: retry(2 ** 31), attempt: 1, decision: again(2 ** 31 - 1) },
    { verdict: later(0), attempt: 3, decision: again(0, false) },
    { verdict: 'dead-letter', attempt: 1, decision: { action: 'dead-letter' } },
    { verdict: 'park', attempt: 1, decision: { action: 'park' } },
    { verdict: 'skip', attempt: 1, decision: { action: 'skip' } },
    { verdict: 'stop', attempt: 1, decision: { action: 'stop' } },
  ])('$verdict after attempt $attempt', ({ verdict, attempt, decision }) => {
    expect(decided({ onError: () => verdict }, failure(attempt))).toEqual(decision);
  });

  test('it may retry what says of itself that it need not be', () => {
    expect(decided({ onError: () => 'retry' }, failure(1, new NonRetryableError('no')))).toEqual(again(100));
  });
});

describe('decide, by functions that are at fault', () => {
  const throwing = () => {
    throw new Error('oops');
  };
  const policyRetry = (rest: object) => ({ retry: { ...POLICY.retry, ...rest } });
  test.each([
    { name: 'onError throws', policy: { onError: throwing }, attempt: 1 },
    { name: 'onError answers nonsense', policy: { onError: () => 'retire' as never }, attempt: 1 },
    { name: 'onError answers null', policy: { onError: () => null as never }, attempt: 1 },
    { name: 'onError answers a promise', policy: { onError: async () => 'skip' as const } as never, attempt: 1 },
    { name: 'park while nothing is parked', policy: { onError: (): Verdict => 'park', park: undefined }, attempt: 1 },
    { name: 'onExhausted throws', policy: { onExhausted: throwing }, attempt: 3 },
    { name: 'onExhausted answers nothing', policy: { onExhausted: () => undefined as never }, attempt: 3 },
    { name: 'retry.retryable throws', policy: policyRetry({ retryable: throwing }), attempt: 1 },
    { name: 'retry.delayMs throws', policy: policyRetry({ delayMs: throwing }), attempt: 1 },
    { name: 'retry.delayMs answers no number', policy: policyRetry({ delayMs: () => Number.NaN }), attempt: 1 },
    { name: 'a delay below zero', policy: { onError: () => later(-1) }, attempt: 1 },
  ])('$name: the error names the record', ({ policy, attempt }) => {
    expect(() => decided(policy, failure(attempt))).toThrow(/t\[0\]@7/);
    expect(() => decided(policy, failure(attempt))).toThrow(HandlerError);
  });
});

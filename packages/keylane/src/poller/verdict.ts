/**
 * What becomes of a record that failed: the application's word where it has one, else the retry policy, else what is to
 * be done with an exhausted record. Pure.
 */
import { answerError, asError, HandlerError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import type { KafkaRecord } from '../wire/record.ts';
import { isRetryable, retryDelayMs } from './retry.ts';

/** See {@link Disposal}. */
export const DISPOSALS = ['dead-letter', 'park', 'skip', 'stop'] as const;

/**
 * What is done with a record that will not be tried again.
 *
 * - `'dead-letter'`: it is produced to its dead-letter topic; once that is confirmed, it is complete.
 * - `'park'`: it is produced to its park topic, and the later records of its key follow it there, in order, until it
 * was
 *   replayed.
 * - `'skip'`: it is complete as it is; counted, and a `'skipped'` event.
 * - `'stop'`: the consumer fails, and commits nothing past it.
 */
export type Disposal = (typeof DISPOSALS)[number];

/** Another attempt after this many milliseconds, as long as `retry.attemptsMax` allows one. */
export interface RetryVerdict {
  readonly action: 'retry';
  readonly delayMs: number;
}

/** The record runs again after this many milliseconds, and that counts as no attempt. */
export interface LaterVerdict {
  readonly action: 'later';
  readonly delayMs: number;
}

/** What `onError` may answer: `'retry'` is by the retry policy. */
export type Verdict = Disposal | 'retry' | RetryVerdict | LaterVerdict;

/** Answers `onError`: another attempt after `delayMs` milliseconds, as long as `retry.attemptsMax` allows one. */
export function retry(delayMs: number): RetryVerdict {
  return { action: 'retry', delayMs };
}

/**
 * Answers `onError`: the record runs again after `delayMs` milliseconds, and this was no attempt. For what is nobody's
 * fault, such as a rate limit. Its key waits; there is no end to it but yours.
 */
export function later(delayMs: number): LaterVerdict {
  return { action: 'later', delayMs };
}

/** What `onError` gets beside the error. */
export interface FailureContext {
  readonly record: KafkaRecord;
  /** The record's last failures, the newest (this one) last; at most 5. */
  readonly errors: readonly HandlerError[];
}

/** 24.8 days. A timer for longer would be over at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export type FailurePolicy = Pick<ResolvedOptions, 'retry' | 'onError' | 'onExhausted' | 'park'>;

/** What is to be done. */
export type Decision =
  | { readonly action: 'retry'; readonly delayMs: number; readonly isAttempt: boolean }
  | { readonly action: Disposal };

/**
 * Decides over a failure.
 *
 * @param random in [0, 1)
 * @throws HandlerError where one of the application's functions throws or answers with what it may not
 */
export function decide(
  policy: FailurePolicy,
  error: HandlerError,
  context: FailureContext,
  random: () => number,
): Decision {
  const { retry: retryPolicy, onError, onExhausted } = policy;
  const ask = <T>(name: string, call: () => T): T => called(name, error, call);
  const again = (delayMs: number, isAttempt: boolean): Decision => {
    if (typeof delayMs === 'number' && delayMs >= 0)
      return { action: 'retry', delayMs: Math.min(delayMs, DELAY_MS_MAX), isAttempt };
    throw unusable('a delay', delayMs, error);
  };
  const verdict = onError && ask('onError', () => onError(error, context));
  const delayed = typeof verdict === 'object' && verdict !== null ? verdict : undefined;
  if (delayed?.action === 'later') return again(delayed.delayMs, false);
  const wantsRetry = verdict === 'retry' || delayed?.action === 'retry';
  if (verdict !== undefined && !wantsRetry)
    return { action: disposal(policy, 'the answer of onError', verdict, error) };
  if (error.attempt < retryPolicy.attemptsMax) {
    if (delayed !== undefined) return again(delayed.delayMs, true);
    if (wantsRetry || ask('retry.retryable', () => isRetryable(retryPolicy, error)))
      return again(
        ask('retry.delayMs', () => retryDelayMs(retryPolicy, error, random)),
        true,
      );
  }
  if (typeof onExhausted === 'string') return { action: onExhausted };
  const answer = ask('onExhausted', () => onExhausted(context.record, error));
  return { action: disposal(policy, 'the answer of onExhausted', answer, error) };
}

/** Calls a function of the application that says what becomes of a failed record; its fault is the consumer's end. */
export function called<T>(name: string, error: HandlerError, call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw new HandlerError(error, asError(thrown), error.stage, `${name} threw for`);
  }
}

function disposal({ park }: FailurePolicy, name: string, answer: unknown, error: HandlerError): Disposal {
  if (answer === 'park' && park === undefined)
    throw unusable(name, "'park' while the option park is not set (park: {} for its defaults)", error);
  if ((DISPOSALS as readonly unknown[]).includes(answer)) return answer as Disposal;
  throw unusable(name, answer, error);
}

function unusable(what: string, answer: unknown, error: HandlerError): HandlerError {
  const given = typeof answer === 'object' ? JSON.stringify(answer) : String(answer);
  const text = `${what} must not be ${given}; it is one of ${DISPOSALS.join(', ')}, retry or later (not a promise)`;
  return new HandlerError(error, answerError(text), error.stage, 'what becomes of a failed record was not said for');
}

/**
 * When a failed record runs again. Pure.
 */
import type { HandlerError } from '../errors.ts';

/** How often and after which delays a failed record is tried again. */
export interface RetryPolicy {
  /** Attempts in all, the first one among them. Default 5. */
  readonly attemptsMax: number;
  /**
   * Delay before the second attempt, in milliseconds, from which the others follow; or a function of the failure and
   * its attempt (from 1), whose answer is taken as it is. Default 200.
   */
  readonly delayMs: number | ((error: HandlerError, attempt: number) => number);
  /** No delay is longer than this, in milliseconds. Default 30,000. */
  readonly delayMaxMs: number;
  /** Each delay is this many times the one before. Default 2. */
  readonly factor: number;
  /**
   * `full` takes a random share of the delay, so that records that failed together do not come back together. Default
   * `full`.
   */
  readonly jitter: 'full' | 'none';
  /**
   * Whether another attempt makes sense. Where it says `false` the record is exhausted at once. Default: it does, but
   * for a `NonRetryableError` and whatever else has a property `retryable` that is `false`. Not asked of records that
   * cannot be decoded: they are tried again only where their decoder's error has a `retryable` that is `true`.
   */
  readonly retryable: ((error: HandlerError) => boolean) | undefined;
  /**
   * Records that may wait behind failing keys without counting as buffered, so that a flood of failures does not stop
   * the healthy keys. Past it they count, and a warning (`ERR_FLOOD`) says so. In bytes they always count. Default:
   * `bufferedRecordsMax`.
   */
  readonly waitingRecordsMax: number;
}

/** Whether another attempt makes sense, by what the error says of itself and what the application says. */
export function isRetryable({ retryable }: Pick<RetryPolicy, 'retryable'>, error: HandlerError): boolean {
  const { cause, stage } = error;
  const says = cause instanceof Error && 'retryable' in cause ? cause.retryable : undefined;
  // What cannot be read today cannot be read tomorrow, unless its decoder knows better.
  if (stage === 'deserialize') return says === true;
  return retryable === undefined ? says !== false : retryable(error);
}

/**
 * The delay before the next attempt, in milliseconds.
 *
 * @param random in [0, 1)
 */
export function retryDelayMs(policy: RetryPolicy, error: HandlerError, random: () => number): number {
  const { delayMs, delayMaxMs, factor, jitter } = policy;
  const { attempt } = error;
  if (typeof delayMs === 'function') return delayMs(error, attempt);
  const delay = Math.min(delayMaxMs, delayMs * Math.min(Number.MAX_VALUE, factor ** (attempt - 1)));
  return jitter === 'full' ? delay * random() : delay;
}

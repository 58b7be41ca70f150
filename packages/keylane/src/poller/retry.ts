/**
 * When a failed record runs again. Pure.
 */

/** How often and after which delays a failed record is tried again. */
export interface RetryPolicy {
  /** Attempts in all, the first one among them. */
  readonly attemptsMax: number;
  /** Delay before the second attempt, in milliseconds. */
  readonly delayMs: number;
  /** No delay is longer than this, in milliseconds. */
  readonly delayMaxMs: number;
  /** Each delay is this many times the one before. */
  readonly factor: number;
  /** `full` takes a random share of the delay, so that records that failed together do not come back together. */
  readonly jitter: 'full' | 'none';
}

/**
 * The delay before the next attempt, in milliseconds; `undefined` when there is none left.
 *
 * @param attempt the attempt that failed, from 1
 * @param random in [0, 1)
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: () => number): number | undefined {
  if (attempt >= policy.attemptsMax) return undefined;
  const delay = Math.min(
    policy.delayMaxMs,
    policy.delayMs * Math.min(Number.MAX_VALUE, policy.factor ** (attempt - 1)),
  );
  return policy.jitter === 'full' ? delay * random() : delay;
}

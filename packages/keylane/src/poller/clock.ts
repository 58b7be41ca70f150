/**
 * Time, as a port: every station that waits or measures asks a Clock, so the simulator can run hours in milliseconds.
 */

/** A timer that can be stopped. */
export interface Timer {
  stop(): void;
}

export interface Clock {
  /** Milliseconds from an arbitrary start, never going back. */
  now(): number;
  /** Milliseconds since the epoch: the time of day, which may be set. */
  timeOfDay(): number;
  /** Runs `callback` once, `delayMs` from now, unless stopped. */
  after(delayMs: number, callback: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  timeOfDay: () => Date.now(),
  after(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs);
    return { stop: () => clearTimeout(timeout) };
  },
};

/** Awaits the work, for at most `timeoutMs`; rejects where it rejects in that time. */
export async function within(clock: Clock, timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: Timer | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = clock.after(timeoutMs, resolve);
  });
  await Promise.race([work, timeUp]).finally(() => timer?.stop());
}

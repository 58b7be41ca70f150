/**
 * Runs the steps of a close one after the other: each whatever became of the one before, and each with a limit. Runs on
 * the poller's thread.
 *
 * Invariant: no step can keep those behind it from running. What one throws is told at once; one that takes too long is
 * given up with a warning, and what becomes of it changes nothing any more.
 */
import { asError, CloseError, KafkaError, KeylaneError } from '../errors.ts';
import type { Clock, Timer } from './clock.ts';

export class CloseSteps {
  readonly #clock: Clock;
  readonly #onLate: (error: CloseError) => void;
  readonly #onFailed: (error: KeylaneError) => void;

  constructor(clock: Clock, onLate: (error: CloseError) => void, onFailed: (error: KeylaneError) => void) {
    this.#clock = clock;
    this.#onLate = onLate;
    this.#onFailed = onFailed;
  }

  /** Does what takes no time, or has limits of its own. */
  async run(step: () => void | Promise<void>): Promise<void> {
    try {
      await step();
    } catch (thrown) {
      this.#onFailed(failureOf(thrown));
    }
  }

  /** Does this and awaits it, for at most `limitMs`; `what` names it where to give it up is worth a warning. */
  async runWithin(limitMs: number, what: string | undefined, step: () => void | Promise<void>): Promise<void> {
    let timer: Timer | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = this.#clock.after(limitMs, () => {
        if (what !== undefined) this.#onLate(new CloseError(what, limitMs));
        resolve();
      });
    });
    await Promise.race([this.run(step), limit]);
    timer?.stop();
  }
}

function failureOf(thrown: unknown): KeylaneError {
  if (thrown instanceof KeylaneError) return thrown;
  const message = `closing failed: ${asError(thrown).message}. Everything else was closed all the same`;
  return new KafkaError('ERR_KAFKA', message, { kafkaCode: -1, cause: thrown });
}

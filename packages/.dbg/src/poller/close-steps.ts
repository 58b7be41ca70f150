/**
 * Runs the steps of a close one after the other: each whatever became of the one before, and each with a limit. Runs on
 * the poller's thread.
 *
 * Invariant: no step can keep those behind it from running. The first that throws is what the close fails with; one
 * that takes too long is given up with a warning, and what becomes of it changes nothing any more.
 */
import { asError, CloseError } from '../errors.ts';
import type { Clock, Timer } from './clock.ts';

export class CloseSteps {
  /** What was thrown first. */
  #failure: { readonly thrown: unknown } | undefined = undefined;
  readonly #clock: Clock;
  readonly #onLate: (error: CloseError) => void;

  constructor(clock: Clock, onLate: (error: CloseError) => void) {
    this.#clock = clock;
    this.#onLate = onLate;
  }

  /** Does what takes no time, or has limits of its own. */
  async run(step: () => void | Promise<void>): Promise<void> {
    try {
      await step();
    } catch (thrown) {
      this.#failure ??= { thrown };
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

  /** Throws what was thrown first. */
  finish(): void {
    if (this.#failure !== undefined) throw asError(this.#failure.thrown);
  }
}

/**
 * One process of the group, as far as time goes: it can be frozen, wholly or only its main thread, and killed. What
 * was due while it was frozen happens, in order, when it thaws; what is due after a kill never happens.
 */
import type { Clock, Timer } from '../src/poller/clock.ts';
import type { FakeClock } from './fake-clock.ts';

type Part = 'main' | 'threads';

export class FakeProcess {
  killed = false;
  /** Something ran in it since the last check of its books. */
  touched = false;
  /** Timers of the consumer itself that are pending. */
  pending = 0;
  /** The main thread's event loop, as the consumer sees it. */
  readonly main: Clock;
  /** The same for what is not the consumer's own: its client and what its threads tell. */
  readonly inbox: Clock;
  /** The handler threads. */
  readonly threads: Clock;
  readonly #world: FakeClock;
  readonly #frozen: Record<Part, boolean> = { main: false, threads: false };
  #waiting: { readonly part: Part; readonly run: () => void }[] = [];

  constructor(world: FakeClock) {
    this.#world = world;
    const clock = { now: () => world.now(), timeOfDay: () => world.timeOfDay() };
    this.inbox = { ...clock, after: (delayMs, callback) => this.#after('main', delayMs, callback) };
    this.threads = { ...clock, after: (delayMs, callback) => this.#after('threads', delayMs, callback) };
    this.main = { ...clock, after: (delayMs, callback) => this.#counted(delayMs, callback) };
  }

  get frozen(): boolean {
    return this.#frozen.main;
  }

  /** Stops the main thread, as a long computation would, or with `whole` everything, as SIGSTOP does. */
  freeze(whole: boolean): void {
    this.#frozen.main = true;
    this.#frozen.threads = whole;
  }

  thaw(): void {
    this.#frozen.main = false;
    this.#frozen.threads = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { part, run } of waiting) this.#world.after(0, () => this.#run(part, run));
  }

  #counted(delayMs: number, callback: () => void): Timer {
    this.pending += 1;
    let pending = true;
    const over = () => {
      if (pending) this.pending -= 1;
      pending = false;
    };
    const timer = this.#after('main', delayMs, () => {
      over();
      callback();
    });
    return {
      stop: () => {
        over();
        timer.stop();
      },
    };
  }

  #after(part: Part, delayMs: number, callback: () => void): Timer {
    let run: (() => void) | undefined = callback;
    const timer = this.#world.after(delayMs, () => this.#run(part, () => run?.()));
    return {
      stop: () => {
        run = undefined;
        timer.stop();
      },
    };
  }

  #run(part: Part, run: () => void): void {
    if (this.killed) return;
    if (this.#frozen[part]) {
      this.#waiting.push({ part, run });
      return;
    }
    this.touched = true;
    run();
  }
}

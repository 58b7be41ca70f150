/**
 * Ends threads whose handlers neither end nor heed their signal. Runs on the poller's thread, on a timer, and reads
 * what threads write into their slots: so it sees a `while (true)` in a thread that can tell nothing any more.
 *
 * Invariant: a thread is ended only for a run that was seen out of time in two looks or more, with the grace between
 * them as this event loop counted it. Time in which the poller (or the whole process) stood still counts as one look,
 * so it is never held against a thread: what the thread did meanwhile shows in the next one. Nor is time held against a
 * run in which another one kept their thread's event loop from turning: it could not have ended.
 */
import type { ResolvedOptions } from '../options.ts';
import { CHECK_MS } from '../wire/run.ts';
import type { RunningSlot, ThreadLook } from '../wire/slots.ts';

const LOOK_MS_MAX = 250;
/** Long enough that an event loop that turns shows it in every look. */
const LOOK_MS_MIN = 3 * CHECK_MS;

/** A thread that can be looked at, and ended. */
export interface WatchedThread {
  /** `undefined` where there is nothing to see: the thread is being ended, or opened. */
  look(now: number): ThreadLook | undefined;
  /** The thread is to end: these runs hung, or, where it cannot be told which, one of these. */
  endHung(runs: readonly RunningSlot[], areCertain: boolean): void;
}

interface Overdue extends RunningSlot {
  /** Since it was first seen out of time. */
  readonly overdueMs: number;
}

/** What the last look at a thread showed. */
interface Seen {
  readonly turns: number;
  readonly overdue: readonly Overdue[];
}

const NOTHING: Seen = { turns: 0, overdue: [] };

export class Watchdog {
  readonly #threads: readonly WatchedThread[];
  readonly #timeoutMs: number;
  readonly #graceMs: number;
  readonly #lookMs: number;
  #seen: readonly Seen[] = [];
  #lookedAt = 0;
  #timer: NodeJS.Timeout | undefined = undefined;

  constructor(
    threads: readonly WatchedThread[],
    { handlerTimeoutMs, handlerAbortGraceMs }: Pick<ResolvedOptions, 'handlerTimeoutMs' | 'handlerAbortGraceMs'>,
  ) {
    this.#threads = threads;
    this.#timeoutMs = handlerTimeoutMs;
    this.#graceMs = handlerAbortGraceMs;
    this.#lookMs = Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, handlerAbortGraceMs / 4));
  }

  start(): void {
    if (this.#timeoutMs === 0) return;
    this.#timer = setInterval(() => this.look(performance.now()), this.#lookMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Looks at every thread once. */
  look(now: number): void {
    const sinceMs = Math.min(now - this.#lookedAt, 2 * this.#lookMs);
    this.#lookedAt = now;
    this.#seen = this.#threads.map((thread, index) => this.#lookAt(thread, now, sinceMs, this.#seen[index] ?? NOTHING));
  }

  #lookAt(thread: WatchedThread, now: number, sinceMs: number, before: Seen): Seen {
    const look = thread.look(now);
    if (look === undefined) return NOTHING;
    const { turns, called, running } = look;
    const turned = turns !== before.turns;
    const overdue: Overdue[] = [];
    const hung: RunningSlot[] = [];
    for (const run of running) {
      if (run.runningMs < this.#timeoutMs) continue;
      const seen = before.overdue.find(({ slot, sequence }) => slot === run.slot && sequence === run.sequence);
      const isHeldUp = !turned && called !== undefined && called !== run.slot;
      const overdueMs = seen === undefined ? 0 : seen.overdueMs + (isHeldUp ? 0 : sinceMs);
      overdue.push({ ...run, overdueMs });
      if (seen !== undefined && !isHeldUp && overdueMs >= this.#graceMs) hung.push(run);
    }
    if (hung.length === 0) return { turns, overdue };
    // What holds the event loop up after its first wait cannot be told from what it holds up.
    const areCertain = turned || called !== undefined;
    thread.endHung(areCertain ? hung : running, areCertain);
    return NOTHING;
  }
}

/**
 * One run of a record by a handler: what the handler learns of it, and when its signal aborts. In handler threads, and
 * on the poller's thread for handler functions.
 *
 * Everything but the plain fields is made when it is asked for: most handlers take no notice, and a controller for each
 * record would cost more than the record.
 */
import type { Lease, Leases } from './leases.ts';
import type { KafkaRecord } from './record.ts';
import { fromWireError } from './wire-error.ts';

/** How often what runs is checked for its time and its partition. */
export const CHECK_MS = 50;

/** What all runs of a thread share. */
export interface RunSite<State> {
  readonly threadId: number;
  readonly state: State;
  readonly leases: Leases;
  /** Milliseconds; 0 for no limit. */
  readonly handlerTimeoutMs: number;
}

/** A record that is about to run. */
export interface DueRecord {
  readonly record: KafkaRecord;
  /** From 1. */
  readonly attempt: number;
  /** What the attempt before failed with; `undefined` where it has not failed yet. */
  readonly previousError: Error | undefined;
}

/** Implements `HandlerContext`; see worker/handler.ts for what each part means. */
export class Run<State = unknown> {
  readonly attempt: number;
  readonly threadId: number;
  readonly state: State;
  readonly raw: KafkaRecord;
  readonly previousError: Error | undefined;
  readonly #site: RunSite<State>;
  readonly #lease: Lease;
  readonly #startedAt: number;
  #controller: AbortController | undefined = undefined;

  /** @param startedAt this thread's `performance.now()` */
  constructor(site: RunSite<State>, due: DueRecord, lease: Lease, startedAt: number) {
    this.attempt = due.attempt;
    this.previousError = due.previousError;
    this.threadId = site.threadId;
    this.state = site.state;
    this.#site = site;
    this.raw = due.record;
    this.#lease = lease;
    this.#startedAt = startedAt;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    // A handler that only computes keeps the periodic check from running: it looks here instead.
    this.check(performance.now());
    return this.#controller.signal;
  }

  /** A function of its own, so that handlers may take it out of the context. */
  get owned(): () => boolean {
    return () => this.#site.leases.holds(this.#lease);
  }

  get deadline(): number {
    const { handlerTimeoutMs } = this.#site;
    if (handlerTimeoutMs === 0) return Number.POSITIVE_INFINITY;
    return Math.round(Date.now() + handlerTimeoutMs - (performance.now() - this.#startedAt));
  }

  /** Aborts the signal where there is a reason to. */
  check(now: number): void {
    const controller = this.#controller;
    if (controller === undefined || controller.signal.aborted) return;
    if (!this.#site.leases.holds(this.#lease)) controller.abort(this.#notOurs());
    else if (this.isOver(now)) controller.abort(this.#tooLong());
  }

  /** Whether it has run for longer than it may, by so many milliseconds. */
  isOver(now: number, byMs = 0): boolean {
    const { handlerTimeoutMs } = this.#site;
    return handlerTimeoutMs > 0 && now - this.#startedAt >= handlerTimeoutMs + byMs;
  }

  /** What it failed with, once it is over its time: its signal's reason, or that with what was thrown as the cause. */
  overtime(thrown: unknown): Error {
    return thrown !== undefined && thrown === this.#controller?.signal.reason
      ? (thrown as Error)
      : this.#tooLong(thrown);
  }

  #tooLong(thrown?: unknown): Error {
    const { handlerTimeoutMs } = this.#site;
    const text =
      `${this.#name()} ran for longer than handlerTimeoutMs = ${handlerTimeoutMs}. ` +
      'Raise handlerTimeoutMs if its work takes that long';
    const error = fromWireError({ name: 'TimeoutError', message: text, stack: '', code: 'ERR_HANDLER_TIMEOUT' });
    return thrown === undefined ? error : Object.assign(error, { cause: thrown });
  }

  #notOurs(): Error {
    const text =
      `the partition of ${this.#name()} is no longer ours: it was lost, or its drain ran out of time. ` +
      'The record will be delivered again, maybe elsewhere';
    return fromWireError({ name: 'AbortError', message: text, stack: '', code: 'ERR_PARTITION_NOT_OWNED' });
  }

  #name(): string {
    const { topic, partition, offset } = this.raw;
    return `${topic}[${partition}]@${offset}`;
  }
}

/** What runs in a thread, slot by slot; checked every so often, and only while something runs. */
export class Runs {
  readonly #running: (Run | undefined)[] = [];
  #timer: NodeJS.Timeout | undefined = undefined;
  readonly #check: (run: Run, now: number) => void;
  readonly #turned: () => void;

  /** @param turned is called with every check: the event loop turns */
  constructor(check: (run: Run, now: number) => void, turned: () => void = () => undefined) {
    this.#check = check;
    this.#turned = turned;
  }

  begin(slot: number, run: Run): void {
    this.#running[slot] = run;
    // Unreferenced: a thread, or a process, that has nothing else to do may end.
    this.#timer ??= setInterval(() => this.#checkAll(), CHECK_MS).unref();
  }

  end(slot: number): void {
    this.#running[slot] = undefined;
  }

  #checkAll(): void {
    const now = performance.now();
    let any = false;
    this.#turned();
    for (const run of this.#running) {
      if (run === undefined) continue;
      any = true;
      this.#check(run, now);
    }
    // Stopped by the check rather than by the last record's end, which comes thousands of times a second.
    if (any) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

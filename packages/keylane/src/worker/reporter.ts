/**
 * Gathers what became of records and tells the poller: once per turn of the event loop, or when the first of it is a
 * millisecond old, so that a CPU-bound handler reports progress before its frame ends. Runs in handler threads.
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { FailedRecord, Report } from '../wire/messages.ts';

const REPORT_AFTER_MS = 1;

export class Reporter {
  #completed: number[] = [];
  #failed: FailedRecord[] = [];
  #dropped: number[] = [];
  #serviceMs = 0;
  /** When the first of it happened. */
  #since = 0;
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();
  #scheduled: NodeJS.Immediate | undefined = undefined;
  readonly #send: (report: Report) => void;

  constructor(send: (report: Report) => void) {
    this.#send = send;
  }

  completed(laneId: number, serviceMs: number, now: number): void {
    const last = this.#completed.length - 2;
    if (last >= 0 && this.#completed[last] === laneId) (this.#completed[last + 1] as number) += 1;
    else this.#completed.push(laneId, 1);
    this.#settled(serviceMs, now);
  }

  /** A record failed, and with it those of its segment that now will not run. */
  failed(failure: FailedRecord, serviceMs: number, now: number): void {
    this.#failed.push(failure);
    this.#settled(serviceMs, now);
  }

  /** What is left of a segment will not run: its partition is no longer ours. */
  dropped(laneId: number, now: number): void {
    this.#dropped.push(laneId);
    this.#settled(0, now);
  }

  #settled(serviceMs: number, now: number): void {
    this.#serviceMs += serviceMs;
    if (this.#scheduled === undefined) {
      this.#since = now;
      this.#scheduled = setImmediate(() => this.#flush());
    } else if (now - this.#since >= REPORT_AFTER_MS) this.#flush();
  }

  #flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    const utilization = performance.eventLoopUtilization();
    const activeMs = utilization.active - this.#utilization.active;
    this.#utilization = utilization;
    this.#send({
      type: 'report',
      completed: this.#completed,
      failed: this.#failed,
      dropped: this.#dropped,
      serviceMs: this.#serviceMs,
      activeMs,
    });
    this.#completed = [];
    this.#failed = [];
    this.#dropped = [];
    this.#serviceMs = 0;
  }
}

/**
 * Gathers what became of records and tells the poller: once per turn of the event loop, or after a millisecond of
 * synchronous work, so that a CPU-bound handler reports progress before its frame ends. Runs in handler threads.
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { FailedRecord, Report } from '../wire/messages.ts';

const REPORT_AFTER_MS = 1;

export class Reporter {
  #completed: number[] = [];
  #failed: FailedRecord[] = [];
  #dropped: number[] = [];
  #serviceMs = 0;
  #busyMs = 0;
  #pending = 0;
  #busySince = 0;
  #reportedAt = 0;
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();
  #scheduled: NodeJS.Immediate | undefined = undefined;
  readonly #send: (report: Report) => void;

  constructor(send: (report: Report) => void) {
    this.#send = send;
  }

  /** That many records came in. */
  received(records: number, now: number): void {
    if (this.#pending === 0) this.#busySince = now;
    this.#pending += records;
  }

  completed(laneId: number, serviceMs: number, now: number): void {
    const last = this.#completed.length - 2;
    if (last >= 0 && this.#completed[last] === laneId) (this.#completed[last + 1] as number) += 1;
    else this.#completed.push(laneId, 1);
    this.#settled(1, serviceMs, now);
  }

  /** A record failed, and with it the `left` records of its segment that now will not run. */
  failed(failure: FailedRecord, left: number, serviceMs: number, now: number): void {
    this.#failed.push(failure);
    this.#settled(1 + left, serviceMs, now);
  }

  /** The `left` records of a segment will not run: their partition is no longer ours. */
  dropped(laneId: number, left: number, now: number): void {
    this.#dropped.push(laneId);
    this.#settled(left, 0, now);
  }

  #settled(records: number, serviceMs: number, now: number): void {
    this.#pending -= records;
    this.#serviceMs += serviceMs;
    if (this.#pending === 0) this.#busyMs += now - this.#busySince;
    if (now - this.#reportedAt >= REPORT_AFTER_MS) this.#flush(now);
    else this.#scheduled ??= setImmediate(() => this.#flush(performance.now()));
  }

  #flush(now: number): void {
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    this.#reportedAt = now;
    if (this.#pending > 0) {
      this.#busyMs += now - this.#busySince;
      this.#busySince = now;
    }
    const utilization = performance.eventLoopUtilization();
    const activeMs = utilization.active - this.#utilization.active;
    this.#utilization = utilization;
    this.#send({
      type: 'report',
      completed: Int32Array.from(this.#completed),
      failed: this.#failed,
      dropped: this.#dropped,
      busyMs: this.#busyMs,
      serviceMs: this.#serviceMs,
      activeMs,
    });
    this.#completed = [];
    this.#failed = [];
    this.#dropped = [];
    this.#serviceMs = 0;
    this.#busyMs = 0;
  }
}

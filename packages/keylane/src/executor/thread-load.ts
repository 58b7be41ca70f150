/**
 * How much work a thread has and how much more it should get. Pure; runs on the poller's thread.
 *
 * A thread is kept busy in its slots and about {@link AHEAD_MS} of work ahead, never more: what waits in a thread can
 * no longer go to another one, nor behind an older record. All follows from what the thread itself measured: no-op
 * handlers get thousands of records a frame, slow ones only what their slots take, and handlers that compute only as
 * many slots as their one CPU can keep busy.
 */
import type { ThreadLoadView } from './executor.ts';

/** Work to have waiting in a thread, in time: longer than a report and the next frame take to travel. */
const AHEAD_MS = 2;
/** The longest run of one lane in one segment, in time: long enough to hide the way back, short enough to stay fair. */
const SEGMENT_MS = 10;
/** So a thread has no more segments than its slots and this together. */
export const AHEAD_RECORDS_MAX = 2_048;
const SEGMENT_RECORDS_MAX = 256;
/** A first guess, before the first report: one record a segment. */
const SERVICE_MS_FIRST = SEGMENT_MS;
/** From here on it matters who is next; a whole window of quicker records is through before anyone would notice. */
const SLOW_MS = 1;
/** What a thread computes first is its compiler's as much as its handler's, and says little of what is to come. */
const COLD_MS = 100;

export class ThreadLoad implements ThreadLoadView {
  /** Segments given and not over. */
  lanes = 0;
  records = 0;
  /** False while all that is known of it is a guess. */
  measured = false;
  /** Milliseconds one record takes in its slot. */
  #serviceMs = SERVICE_MS_FIRST;
  /** Milliseconds of computing per record; far below its service time where the handler mostly waits. */
  #activeMs = 0;
  /** Milliseconds computed so far. */
  #computedMs = 0;
  /** False while there is no thread behind it. */
  #open = true;
  readonly #concurrency: number;
  readonly #aheadMs: number;

  // What follows from the above.

  /** More handlers at once than this would only wait for the thread's CPU. */
  slots = 0;
  #segmentRecords = 0;
  #aheadRecords = 0;

  /** @param aheadMs work to have waiting, in time; 0 where handing over takes none */
  constructor(concurrency: number, aheadMs: number = AHEAD_MS) {
    this.#concurrency = concurrency;
    this.#aheadMs = aheadMs;
    this.#reckon();
  }

  get freeSlots(): number {
    return Math.max(0, this.slots - this.lanes);
  }

  get hungry(): boolean {
    return this.lanes < this.slots || this.records < this.slots + this.#aheadRecords / 2;
  }

  get slow(): boolean {
    return this.#serviceMs >= SLOW_MS;
  }

  segmentRoom(): number {
    if (this.lanes < this.slots) return this.#segmentRecords;
    return Math.max(0, Math.min(this.#segmentRecords, this.slots + this.#aheadRecords - this.records));
  }

  add(records: number): void {
    this.lanes += 1;
    this.records += records;
  }

  /** Notes what a report says; see `Report` in wire/messages.ts for the durations. */
  observe(records: number, serviceMs: number, activeMs: number): void {
    if (records === 0) return;
    this.measured = true;
    // A report of many records says more than one of few, yet a slow handler's single records must count as well.
    const weight = Math.min(0.5, Math.max(0.1, records / 256));
    this.#serviceMs += (serviceMs / records - this.#serviceMs) * weight;
    this.#computedMs += activeMs;
    if (this.#computedMs > COLD_MS) this.#activeMs += (activeMs / records - this.#activeMs) * weight;
    this.#reckon();
  }

  /** The thread was lost, and with it everything given: nothing more until `reopen`. */
  close(): void {
    this.lanes = 0;
    this.records = 0;
    this.#open = false;
    this.#reckon();
  }

  reopen(): void {
    this.#open = true;
    this.#reckon();
  }

  #reckon(): void {
    this.slots = this.#usefulSlots();
    this.#segmentRecords = Math.max(1, Math.min(SEGMENT_RECORDS_MAX, Math.floor(SEGMENT_MS / this.#serviceMs)));
    // By what its slots could do, not by what they did: slots that stood empty are no reason to send less.
    this.#aheadRecords = Math.min(AHEAD_RECORDS_MAX, Math.floor((this.#aheadMs * this.slots) / this.#serviceMs));
  }

  #usefulSlots(): number {
    if (!this.#open) return 0;
    if (this.#activeMs === 0) return this.#concurrency;
    return Math.max(1, Math.min(this.#concurrency, Math.ceil(this.#serviceMs / this.#activeMs)));
  }
}

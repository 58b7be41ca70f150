/**
 * How much may be held between the client and the handlers. Runs on the poller's thread.
 *
 * Invariant: what it counts is what the open partitions hold; the simulator recounts it after every step. Pressure is
 * the answer to `room()`, asked before every consume; nothing is ever pushed back.
 */
import type { ResolvedOptions } from '../options.ts';
import { type ClientRecord, headerOf } from './client.ts';

/** What one record costs beside its own bytes: its objects here and its row in a frame. */
export const RECORD_OVERHEAD_BYTES = 200;

/** Assumed for the first records, until there are any to measure. */
const RECORD_BYTES_FIRST = 1_024;

/** Below this share of a full poll there is no asking: the buffer is all but full, and every call has its cost. */
const WORTH_ASKING = 1 / 8;

export type BudgetLimits = Pick<
  ResolvedOptions,
  'bufferedRecordsMax' | 'bufferedBytesMax' | 'recordsPerPollMax' | 'retry'
>;

export class Budget {
  records = 0;
  bytes = 0;
  /** Among the records: those behind keys whose first record waits for its next attempt. */
  waiting = 0;
  /** A slow mean of the records' sizes: the client is asked for a number of records, but the budget is in bytes too. */
  #recordBytes = RECORD_BYTES_FIRST;
  readonly #limits: BudgetLimits;

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  add(bytes: number): void {
    this.records += 1;
    this.bytes += bytes;
    this.#recordBytes += (bytes - this.#recordBytes) / 64;
  }

  remove(records: number, bytes: number): void {
    this.records -= records;
    this.bytes -= bytes;
  }

  /**
   * How many records may be asked for now; 0 when full, or so nearly full that asking is not worth it.
   *
   * @param expected records that arrived and are not registered yet
   */
  room(expected: number): number {
    const { bufferedRecordsMax, bufferedBytesMax, recordsPerPollMax } = this.#limits;
    const recordsLeft = bufferedRecordsMax - this.#counted - expected;
    const bytesLeft = bufferedBytesMax - this.bytes - expected * this.#recordBytes;
    const pollMax = Math.min(recordsPerPollMax, bufferedRecordsMax);
    if (bytesLeft <= 0 || recordsLeft < pollMax * WORTH_ASKING) return 0;
    // At least one while any byte is left: a record larger than what is left must still get through.
    return Math.min(recordsLeft, pollMax, Math.max(1, Math.floor(bytesLeft / this.#recordBytes)));
  }

  /** How many records of the mean size there is room for in all. */
  get capacity(): number {
    return Math.min(this.#limits.bufferedRecordsMax, this.#limits.bufferedBytesMax / this.#recordBytes);
  }

  /** True once enough is free to make it worth fetching again what a pause threw away. */
  get relieved(): boolean {
    return this.#counted <= this.#limits.bufferedRecordsMax / 2 && this.bytes <= this.#limits.bufferedBytesMax / 2;
  }

  /** Records that count against the limit: a flood of failing keys must not stop the healthy ones. */
  get #counted(): number {
    return this.records - Math.min(this.waiting, this.#limits.retry.waitingRecordsMax);
  }
}

/** What a record counts against the limit in bytes. */
export function bytesOf({ key, value, headers }: ClientRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES;
  if (key !== null) bytes += key.length;
  if (value !== null) bytes += value.length;
  if (headers === undefined) return bytes;
  for (const header of headers) {
    const [name, content] = headerOf(header);
    bytes += name.length + content.length;
  }
  return bytes;
}

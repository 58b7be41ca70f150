/**
 * What became of each record, in memory that all threads of a process share: so that lost, duplicated and out-of-order
 * records are counted beside every speed. A record is out of order when its handler begins before the one before it of
 * the same key has ended.
 *
 * It costs a no-op handler about a tenth of a microsecond, the same for every peer.
 */
import { dueMsOf, indexOf, keyOf, monotonicMs, sequenceOf } from './record.ts';

/** Floats by record: due, began, ended, key. */
const TIMES = 4;
const COUNTERS = 4;
const DUPLICATED = 0;
const OUT_OF_ORDER = 1;
const RUNNING = 2;
const RUNNING_MAX = 3;

export interface LedgerSize {
  readonly records: number;
  readonly keys: number;
  /** Whether it also notes when each record was due, began and ended, and how many ran at once. */
  readonly times: boolean;
}

export interface LedgerMemory extends LedgerSize {
  readonly buffer: SharedArrayBuffer;
}

/** What it came to. */
export interface Counts {
  readonly completed: number;
  /** Never completed. */
  readonly lost: number;
  /** Handled again after they had completed. */
  readonly duplicated: number;
  readonly outOfOrder: number;
}

export class Ledger {
  readonly memory: LedgerMemory;
  readonly #counters: Int32Array;
  /** By key: records that ended. */
  readonly #ended: Int32Array;
  /** By record: how often it ended. */
  readonly #seen: Uint8Array;
  readonly #times: Float64Array;

  /** @param source how large, or the memory of a ledger of another thread */
  constructor(source: LedgerSize | LedgerMemory) {
    const { records, keys, times } = source;
    const timesAt = 0;
    const countersAt = timesAt + (times ? records * TIMES * 8 : 0);
    const endedAt = countersAt + COUNTERS * 4;
    const seenAt = endedAt + keys * 4;
    const buffer = 'buffer' in source ? source.buffer : new SharedArrayBuffer(seenAt + records);
    this.memory = { records, keys, times, buffer };
    this.#times = new Float64Array(buffer, timesAt, times ? records * TIMES : 0);
    this.#counters = new Int32Array(buffer, countersAt, COUNTERS);
    this.#ended = new Int32Array(buffer, endedAt, keys);
    this.#seen = new Uint8Array(buffer, seenAt, records);
  }

  begin(value: Buffer): void {
    const sequence = sequenceOf(value);
    if (sequence > Atomics.load(this.#ended, keyOf(value))) Atomics.add(this.#counters, OUT_OF_ORDER, 1);
    if (!this.memory.times) return;
    const at = indexOf(value) * TIMES;
    this.#times[at] = dueMsOf(value);
    this.#times[at + 1] = monotonicMs();
    this.#times[at + 3] = keyOf(value);
    const running = Atomics.add(this.#counters, RUNNING, 1) + 1;
    if (running > Atomics.load(this.#counters, RUNNING_MAX)) Atomics.store(this.#counters, RUNNING_MAX, running);
  }

  end(value: Buffer): void {
    const index = indexOf(value);
    if (this.memory.times) {
      this.#times[index * TIMES + 2] = monotonicMs();
      Atomics.sub(this.#counters, RUNNING, 1);
    }
    if (Atomics.add(this.#seen, index, 1) > 0) Atomics.add(this.#counters, DUPLICATED, 1);
    else Atomics.store(this.#ended, keyOf(value), sequenceOf(value) + 1);
  }

  counts(): Counts {
    const completed = this.completedBelow(this.memory.records);
    return {
      completed,
      lost: this.memory.records - completed,
      duplicated: Atomics.load(this.#counters, DUPLICATED),
      outOfOrder: Atomics.load(this.#counters, OUT_OF_ORDER),
    };
  }

  /** How many completed of the records whose number is below this. */
  completedBelow(index: number): number {
    let completed = 0;
    for (const times of this.#seen.subarray(0, index)) if (times > 0) completed += 1;
    return completed;
  }

  // Only where it notes times.

  /** The most handlers that ran at once. */
  get runningMax(): number {
    return Atomics.load(this.#counters, RUNNING_MAX);
  }

  /** Its key, and when the record was due, began and ended, in milliseconds; zeros where it did not. */
  timesOf(index: number): {
    readonly key: number;
    readonly due: number;
    readonly began: number;
    readonly ended: number;
  } {
    const [due = 0, began = 0, ended = 0, key = 0] = this.#times.subarray(index * TIMES, index * TIMES + TIMES);
    return { key, due, began, ended };
  }
}

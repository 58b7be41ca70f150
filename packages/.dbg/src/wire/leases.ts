/**
 * Which partitions are still ours, in memory that all threads share: a table of generations. An open partition holds a
 * lease, that is a place in the table and the generation that stood there when it was granted; closing the partition
 * moves the generation on. So a handler learns of a revocation without a message, even one that never waits.
 */

/** Partitions that may be open at once with a lease of their own; the table takes a quarter of a megabyte. */
const LEASES_MAX = 65_536;
/** The place that is never moved on: partitions beyond the table's size share it, and their handlers are not told. */
const SHARED_INDEX = 0;

/** A partition's right to run, for as long as it is ours. Plain data: it crosses to threads in a frame. */
export interface Lease {
  readonly index: number;
  readonly generation: number;
}

export class Leases {
  readonly buffer: SharedArrayBuffer;
  readonly #generations: Int32Array;
  readonly #free: number[] = [];
  #next = SHARED_INDEX + 1;

  /** @param buffer the table of the poller; without it, one is made */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(LEASES_MAX * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#generations = new Int32Array(buffer);
  }

  /** A partition opens. Only the poller grants and revokes. */
  grant(): Lease {
    let index = this.#free.pop();
    if (index === undefined) {
      index = this.#next < this.#generations.length ? this.#next : SHARED_INDEX;
      this.#next += 1;
    }
    return { index, generation: Atomics.load(this.#generations, index) };
  }

  /** It closes: `holds` is false from here on, in every thread. */
  revoke(lease: Lease): void {
    if (lease.index === SHARED_INDEX || !this.holds(lease)) return;
    Atomics.add(this.#generations, lease.index, 1);
    this.#free.push(lease.index);
  }

  /** Whether the partition is still ours. */
  holds({ index, generation }: Lease): boolean {
    return Atomics.load(this.#generations, index) === generation;
  }
}

/**
 * Memory that one side writes and the other reads, one piece behind the other: frames on their way to a thread, and
 * its reports on their way back. What is said of a piece is its length and nothing else, so its message is a number,
 * which costs next to nothing to make and to read; and nobody allocates for it. A large block from the allocator, amid
 * the small ones the client makes of every record, costs the poller's thread more than to fill it (bench/README.md).
 *
 * A piece that finds no room crosses as a message of its own.
 *
 * Invariant: what lies between the reader's position and the writer's is not written again. Positions only grow; they
 * are cut to 32 bits, and so is their difference.
 */

/** The reader's position, and what keeps the pieces aligned. */
const HEAD_BYTES = 8;

export class Ring {
  readonly buffer: SharedArrayBuffer;
  readonly #bytes: number;
  readonly #read: Int32Array;
  /** The position of this side. */
  #position = 0;

  /** @param source its size in bytes, a power of two; or the memory that the other side made */
  constructor(source: number | SharedArrayBuffer) {
    this.buffer = typeof source === 'number' ? new SharedArrayBuffer(HEAD_BYTES + source) : source;
    this.#bytes = this.buffer.byteLength - HEAD_BYTES;
    this.#read = new Int32Array(this.buffer, 0, 1);
  }

  /** The writer's side: where a piece of so many bytes begins, whose length must be told; `undefined`: no room. */
  reserve(bytes: number): number | undefined {
    const free = this.#bytes - ((this.#position - Atomics.load(this.#read, 0)) | 0);
    const taken = this.#passed(bytes) + aligned(bytes);
    return taken > free ? undefined : this.#go(bytes);
  }

  /**
   * The reader's side: hands over where the next piece begins, and returns what is made of it; then that may be written
   * again. In the order in which they were reserved.
   */
  take<T>(bytes: number, read: (at: number) => T): T {
    const result = read(this.#go(bytes));
    Atomics.store(this.#read, 0, this.#position);
    return result;
  }

  /** Goes past the next piece; both sides come to the same place by its length alone. */
  #go(bytes: number): number {
    const start = (this.#position + this.#passed(bytes)) | 0;
    this.#position = (start + aligned(bytes)) | 0;
    return HEAD_BYTES + (start & (this.#bytes - 1));
  }

  /** A piece is whole: what is left before the end is passed over where it is too little. */
  #passed(bytes: number): number {
    const offset = this.#position & (this.#bytes - 1);
    return offset + bytes > this.#bytes ? this.#bytes - offset : 0;
  }
}

/** The next multiple of 8. */
export function aligned(bytes: number): number {
  return (bytes + 7) & ~7;
}

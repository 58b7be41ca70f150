/**
 * Which offsets of one partition are done, and which offset may be committed. A pure value: no I/O, no clock, no
 * client.
 *
 * Contiguous means contiguous in *delivered order*. Offsets have holes (compaction, transaction markers, aborted
 * records), so nothing here ever computes `offset + 1` between two records.
 *
 * Invariant: every offset below `committable` that was registered is complete.
 */
import { assert } from '../errors.ts';

const CAPACITY_MIN = 64;

export class OffsetTracker {
  /**
   * Ring of registered offsets, from #head (oldest not contiguous-complete) to #tail; a ticket is a place counted
   * from 0.
   */
  #offsets: Float64Array = new Float64Array(CAPACITY_MIN);
  #done: Uint8Array = new Uint8Array(CAPACITY_MIN);
  #head = 0;
  #tail = 0;
  #incomplete = 0;
  /** One past the last registered offset; undefined before the first. */
  #next: number | undefined = undefined;

  /** Records registered and not complete. */
  get incomplete(): number {
    return this.#incomplete;
  }

  /** Records from the first incomplete one to the last registered: what the tracker has to remember. */
  get span(): number {
    return this.#tail - this.#head;
  }

  /** One past the last registered offset; undefined before the first. */
  get position(): number | undefined {
    return this.#next;
  }

  /**
   * The first registered offset that is not complete, or one past the last registered when all are; undefined before
   * the first record.
   */
  get committable(): number | undefined {
    return this.#head === this.#tail ? this.#next : this.#offsets[this.#head & (this.#offsets.length - 1)];
  }

  /**
   * Notes a delivered offset and returns its ticket, or `undefined` for an offset at or below one already registered
   * (the client has been seen to deliver an offset twice): such a record changes nothing.
   */
  register(offset: number): number | undefined {
    if (this.#next !== undefined && offset < this.#next) return undefined;
    assert(Number.isSafeInteger(offset) && offset >= 0, `${offset} is not an offset`);
    if (this.#tail - this.#head === this.#offsets.length) this.#grow();
    const ticket = this.#tail;
    const place = ticket & (this.#offsets.length - 1);
    this.#offsets[place] = offset;
    this.#done[place] = 0;
    this.#tail = ticket + 1;
    this.#incomplete += 1;
    this.#next = offset + 1;
    return ticket;
  }

  /** Marks a ticket complete. A ticket can complete once only. */
  complete(ticket: number): void {
    const mask = this.#offsets.length - 1;
    assert(ticket >= this.#head && ticket < this.#tail, `ticket ${ticket} is not outstanding`);
    assert(this.#done[ticket & mask] === 0, `ticket ${ticket} completed twice`);
    this.#done[ticket & mask] = 1;
    this.#incomplete -= 1;
    while (this.#head < this.#tail && this.#done[this.#head & mask] === 1) this.#head += 1;
  }

  #grow(): void {
    const size = this.#offsets.length;
    const offsets = new Float64Array(size * 2);
    const done = new Uint8Array(size * 2);
    for (let ticket = this.#head; ticket < this.#tail; ticket += 1) {
      offsets[ticket & (size * 2 - 1)] = this.#offsets[ticket & (size - 1)] as number;
      done[ticket & (size * 2 - 1)] = this.#done[ticket & (size - 1)] as number;
    }
    this.#offsets = offsets;
    this.#done = done;
  }
}

/**
 * What an offset map said is complete and was not delivered yet. Pure; part of the offset tracker.
 */
import { type OffsetRanges, runBytes } from './offset-map.ts';

/** Bytes the way to the first range may take: it is counted from an offset that moves. */
const FIRST_BYTES = 9;

export class RestoredRanges {
  /** Bytes these take at most in the next map's runs. */
  runBytes = 0;
  #ranges: OffsetRanges;
  /** The first range that is left. */
  #first = 0;

  constructor(ranges: OffsetRanges) {
    this.#ranges = ranges;
    for (let index = 1; index < ranges.length; index += 1) this.runBytes += this.#bytesAt(index);
    if (ranges.length > 0) this.runBytes += FIRST_BYTES;
  }

  /** The bytes they take with the first one counted from this offset. */
  runBytesFrom(offset: number): number {
    const first = this.#ranges[this.#first];
    return first === undefined ? 0 : this.runBytes - FIRST_BYTES + runBytes(first - offset);
  }

  /** One past the last complete offset; 0 where there is none. */
  get end(): number {
    return this.#first < this.#ranges.length ? (this.#ranges.at(-1) as number) : 0;
  }

  /** Whether this offset is complete. Offsets are asked for in ascending order. */
  has(offset: number): boolean {
    this.dropBelow(offset);
    const start = this.#ranges[this.#first];
    return start !== undefined && offset >= start;
  }

  /** Forgets the ranges that end at or below this offset. */
  dropBelow(offset: number): void {
    while (this.#first < this.#ranges.length && (this.#ranges[this.#first + 1] as number) <= offset) {
      this.runBytes -= this.#bytesAt(this.#first + 1);
      this.#first += 2;
      this.runBytes -= this.#first < this.#ranges.length ? this.#bytesAt(this.#first) : FIRST_BYTES;
    }
    if (this.#first > 0 && this.#first >= this.#ranges.length) {
      this.#ranges = [];
      this.#first = 0;
    }
  }

  /** Adds what is left to ranges that end at or before `position`, and returns them. */
  appendTo(ranges: number[], position: number): OffsetRanges {
    for (let index = this.#first; index < this.#ranges.length; index += 2) {
      const start = Math.max(this.#ranges[index] as number, position);
      if (ranges.at(-1) === start) ranges.pop();
      else ranges.push(start);
      ranges.push(this.#ranges[index + 1] as number);
    }
    return ranges;
  }

  #bytesAt(index: number): number {
    return runBytes((this.#ranges[index] as number) - (this.#ranges[index - 1] as number));
  }
}

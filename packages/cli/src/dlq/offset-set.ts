/**
 * A set of offsets of one partition, as sorted ranges: those that were replayed. Goes into a commit as the first offset
 * that is not in it, and an offset map of what is above. Pure.
 */
import { decodeOffsetMap, encodeOffsetMap, type OffsetRanges, offsetMapLimits, runBytes } from 'keylane/dead-letter';

/** Kafka's own limit less the client's NUL. */
const METADATA_CHARACTERS_MAX = 4_095;
/** The run that a replay stopped in may take this much more. */
const CURSOR_BYTES = 16;

export class OffsetSet {
  /** Start and end of each range in turn, ascending, none touching the next. */
  #ranges: number[];

  private constructor(ranges: number[]) {
    this.#ranges = ranges;
  }

  static empty(): OffsetSet {
    return new OffsetSet([]);
  }

  /** What a commit said, or why it cannot be read. */
  static restore(offset: number, metadata: string): OffsetSet | { problem: string } {
    const decoded = decodeOffsetMap(offset, metadata);
    if ('problem' in decoded) return decoded;
    const set = new OffsetSet([]);
    set.add(0, offset);
    for (let at = 0; at < decoded.ranges.length; at += 2) {
      set.add(decoded.ranges[at] as number, decoded.ranges[at + 1] as number);
    }
    return set;
  }

  copy(): OffsetSet {
    return new OffsetSet([...this.#ranges]);
  }

  /** One past the last offset. */
  get end(): number {
    return this.#ranges.at(-1) ?? 0;
  }

  has(offset: number): boolean {
    return this.#boundariesTo(offset) % 2 === 1;
  }

  /** Adds the offsets from `from` to before `to`. */
  add(from: number, to: number): void {
    if (from >= to) return;
    // Ranges that touch become one.
    let first = this.#boundariesTo(from - 1);
    let last = this.#boundariesTo(to);
    const insert: number[] = [];
    if (first % 2 === 1) first -= 1;
    insert.push(Math.min(from, this.#ranges[first] ?? from));
    if (last % 2 === 1) last += 1;
    insert.push(last > first ? Math.max(to, this.#ranges[last - 1] as number) : to);
    this.#ranges.splice(first, last - first, ...insert);
  }

  /** For a commit; `low` is where the log begins, and nothing below can be replayed any more. */
  committable(low: number): { offset: number; metadata: string } {
    const { base, above } = this.#split(low);
    return { offset: base, metadata: encodeOffsetMap(base, above) };
  }

  /** Whether a commit can say every state from this set to a larger one, in whatever order it grows. */
  canGrowTo(larger: OffsetSet, low: number): boolean {
    const { base } = this.#split(low);
    const { span, runBytes: bytesMax } = offsetMapLimits(METADATA_CHARACTERS_MAX);
    if (larger.end - base <= span) return true;
    const boundaries = [...new Set([...this.#ranges, ...larger.#ranges])].filter((at) => at > base);
    let bytes = CURSOR_BYTES;
    let last = base;
    for (const at of boundaries.sort((a, b) => a - b)) {
      bytes += runBytes(at - last);
      last = at;
    }
    return bytes <= bytesMax;
  }

  #split(low: number): { base: number; above: OffsetRanges } {
    const at = this.#boundariesTo(low);
    // Odd: a range holds the log's first offset, so the first one that is not replayed is where that range ends.
    return at % 2 === 1
      ? { base: this.#ranges[at] as number, above: this.#ranges.slice(at + 1) }
      : { base: low, above: this.#ranges.slice(at) };
  }

  /** How many boundaries are at this offset or below it. */
  #boundariesTo(offset: number): number {
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

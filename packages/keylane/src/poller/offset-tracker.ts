/**
 * Which offsets of one partition are done, which offset may be committed, and what above it is done already. A pure
 * value: no I/O, no clock, no client.
 *
 * Contiguous means contiguous in *delivered order*. Offsets have holes (compaction, transaction markers, aborted
 * records), so nothing here ever computes `offset + 1` between two records.
 *
 * Invariants: every offset below `committable` that was registered is complete; while only records at `load` 1 or less
 * are handed out, the offset map of whatever completes fits its limits.
 */
import { assert } from '../errors.ts';
import { type OffsetMapLimits, type OffsetRanges, runBytes } from './offset-map.ts';
import { RestoredRanges } from './restored-ranges.ts';

const CAPACITY_MIN = 64;
/** With nothing outstanding it gives back what is more than this. */
const CAPACITY_KEPT = 4_096;

export class OffsetTracker {
  /** Changes whenever a commit would say something new. */
  version = 0;
  /**
   * Ring of registered offsets, from #head (oldest not contiguous-complete) to #tail; a ticket is a place counted
   * from 0.
   */
  #offsets: Float64Array = new Float64Array(CAPACITY_MIN);
  #done: Uint8Array = new Uint8Array(CAPACITY_MIN);
  /** Bytes the map's runs take up to this place, were every record's status unlike that of the one before. */
  #runBytes: Float64Array = new Float64Array(CAPACITY_MIN);
  #head = 0;
  #tail = 0;
  /** The last ticket that is complete, whatever is open before it. */
  #furthest = -1;
  #incomplete = 0;
  /** The offset that comes next; undefined while nobody knows. */
  #next: number | undefined = undefined;
  #restored: RestoredRanges = new RestoredRanges([]);
  readonly #limits: OffsetMapLimits;

  constructor(limits: OffsetMapLimits) {
    this.#limits = limits;
  }

  /** Records registered and not complete. */
  get incomplete(): number {
    return this.#incomplete;
  }

  /** Records from the first incomplete one to the last registered: what the tracker has to remember. */
  get span(): number {
    return this.#tail - this.#head;
  }

  /** The offset that comes next: one past the last registered, or where delivery begins; undefined while unknown. */
  get position(): number | undefined {
    return this.#next;
  }

  /** The first registered offset that is not complete, or the position where all are. */
  get committable(): number | undefined {
    return this.#head === this.#tail ? this.#next : this.#offsets[this.#head & (this.#offsets.length - 1)];
  }

  /**
   * Begins at a committed offset, with what its map says is complete above it. Before the first record only.
   *
   * @returns false where the map is larger than the limits allow; then it is left out
   */
  restore(committed: number, ranges: OffsetRanges): boolean {
    assert(this.#tail === 0, 'a tracker was restored after its first record');
    this.#next = committed;
    const restored = new RestoredRanges(ranges);
    const { span, runBytes: runBytesMax } = this.#limits;
    const fits = restored.end - committed <= span || restored.runBytesFrom(committed) <= runBytesMax;
    if (fits) this.#restored = restored;
    return fits;
  }

  /** What was complete above the committed offset is not there any more. */
  forgetRestored(): void {
    if (this.#restored.end === 0) return;
    this.#restored = new RestoredRanges([]);
    this.version += 1;
  }

  /**
   * Notes a delivered offset and returns its ticket. Returns `undefined` for one that needs no run: it is complete
   * already, or below the position (the client has been seen to deliver an offset twice).
   */
  register(offset: number): number | undefined {
    if (this.#next !== undefined && offset < this.#next) return undefined;
    assert(Number.isSafeInteger(offset) && offset >= 0, 'this is no offset', offset);
    const done = this.#restored.has(offset);
    // What is committable moves over a hole, and with the first record where nothing was committed: a group that begins
    // at the end of its log must not begin further on after a crash.
    if (this.#head === this.#tail && offset !== this.#next) this.version += 1;
    if (this.#tail - this.#head === this.#offsets.length) this.#grow();
    const ticket = this.#tail;
    const mask = this.#offsets.length - 1;
    const place = ticket & mask;
    const before = (ticket - 1) & mask;
    // One past the end of the last range may be one byte more than the way from record to record.
    this.#runBytes[place] =
      ticket === this.#head ? 1 : this.#runBytesAt(before) + runBytes(offset - (this.#offsets[before] as number));
    this.#offsets[place] = offset;
    this.#done[place] = done ? 1 : 0;
    this.#tail = ticket + 1;
    this.#next = offset + 1;
    this.#restored.dropBelow(this.#next);
    if (!done) {
      this.#incomplete += 1;
      return ticket;
    }
    if (ticket === this.#head) this.version += 1;
    this.#complete(ticket);
    return undefined;
  }

  /** Marks a ticket complete. A ticket can complete once only. */
  complete(ticket: number): void {
    const mask = this.#offsets.length - 1;
    assert(ticket >= this.#head && ticket < this.#tail, 'a ticket is not outstanding', ticket);
    assert(this.#done[ticket & mask] === 0, 'a ticket completed twice', ticket);
    this.#done[ticket & mask] = 1;
    this.#incomplete -= 1;
    this.version += 1;
    this.#complete(ticket);
  }

  /** Nothing lies between the position and this offset that will ever be delivered (such as transaction markers). */
  skipTo(offset: number): void {
    if (this.#next !== undefined && offset <= this.#next) return;
    this.#next = offset;
    this.#restored.dropBelow(offset);
    if (this.#head === this.#tail) this.version += 1;
  }

  /**
   * How much of the offset map's limits could be used if this ticket, and any below it, were handed out: at 1 or less
   * the map always fits. Shrinks as records below complete.
   */
  load(ticket: number): number {
    if (ticket <= this.#head) return 0;
    const mask = this.#offsets.length - 1;
    const last = Math.max(ticket, this.#furthest) & mask;
    const base = this.#offsets[this.#head & mask] as number;
    const span = Math.max((this.#offsets[last] as number) + 1, this.#restored.end) - base;
    const runs = this.#runBytesAt(last) - this.#runBytesAt(this.#head & mask) + 1 + this.#restored.runBytes;
    return Math.min(span / this.#limits.span, runs / this.#limits.runBytes);
  }

  /** The load that handing out everything registered would be. */
  get loadOfAll(): number {
    return this.load(this.#tail - 1);
  }

  /**
   * The ranges that are complete above `committable`. Holes behind a complete record belong to its range, but for the
   * last: the next record after it may lie further away than the limits were counted for.
   */
  completed(): OffsetRanges {
    const ranges: number[] = [];
    const mask = this.#offsets.length - 1;
    let before = 0;
    for (let ticket = this.#head; ticket <= this.#furthest; ticket += 1) {
      const done = this.#done[ticket & mask] as number;
      if (done !== before) ranges.push(this.#offsets[ticket & mask] as number);
      before = done;
    }
    if (before === 1) ranges.push((this.#offsets[this.#furthest & mask] as number) + 1);
    return this.#restored.appendTo(ranges, this.#next ?? 0);
  }

  #complete(ticket: number): void {
    if (ticket > this.#furthest) this.#furthest = ticket;
    const mask = this.#offsets.length - 1;
    while (this.#head < this.#tail && this.#done[this.#head & mask] === 1) this.#head += 1;
    // Once grown for a record that was stuck, it would stay so for as long as the partition is ours.
    if (this.#head === this.#tail && mask >= CAPACITY_KEPT) this.#allocate(CAPACITY_MIN);
  }

  #runBytesAt(place: number): number {
    return this.#runBytes[place] as number;
  }

  #grow(): void {
    const [offsets, done, bytes] = [this.#offsets, this.#done, this.#runBytes];
    const size = offsets.length;
    this.#allocate(size * 2);
    for (let ticket = this.#head; ticket < this.#tail; ticket += 1) {
      const [from, to] = [ticket & (size - 1), ticket & (size * 2 - 1)];
      this.#offsets[to] = offsets[from] as number;
      this.#done[to] = done[from] as number;
      this.#runBytes[to] = bytes[from] as number;
    }
  }

  #allocate(capacity: number): void {
    this.#offsets = new Float64Array(capacity);
    this.#done = new Uint8Array(capacity);
    this.#runBytes = new Float64Array(capacity);
  }
}

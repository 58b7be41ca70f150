/**
 * A partition as one client fetches it: where it stands, what comes next, and what it may bring once more.
 */
import type { ClientRecord, PartitionOffset, Watermarks } from '../src/poller/client.ts';
import { type FakePartition, placeOf } from './fake-cluster.ts';

export class Assigned {
  paused = false;
  /** As of the last fetch. */
  watermarks: Watermarks | undefined = undefined;
  readonly at: FakePartition;
  /** Where it began. */
  #start: number;
  #position: number;
  /** Of the last record taken; without it the client cannot tell a log that was cut off. */
  #leaderEpoch: number | undefined = undefined;
  #endTold = -1;
  readonly #onReset: (offset: number) => void;

  /** @param onReset it was past the end of the log, and begins again here */
  constructor(at: FakePartition, start: number, onReset: (offset: number) => void) {
    this.at = at;
    this.#start = start;
    this.#position = start;
    this.#onReset = onReset;
  }

  /** Asks the broker; false while this partition is paused. */
  fetches(): boolean {
    if (this.paused) return false;
    const { low, end, epochs } = this.at;
    this.watermarks = { low, high: end };
    // A new leader may have less than we were given: then it goes on where they part.
    this.#back(Math.min(this.#position, ...epochs.slice(this.#leaderEpoch ?? epochs.length)));
    if (this.#position > end) {
      this.#back(low);
      this.#onReset(low);
    }
    this.#position = Math.max(this.#position, low);
    return true;
  }

  seek(offset: number): void {
    this.#start = offset;
    this.#position = offset;
    this.#leaderEpoch = undefined;
    this.#endTold = -1;
  }

  /** The next records, after up to `again` of those that came before. */
  take(count: number, again: number): readonly ClientRecord[] {
    const { records } = this.at;
    const next = placeOf(records, this.#position);
    if (next === records.length) return [];
    const first = again === 0 ? next : Math.max(placeOf(records, this.#start), next - again);
    const run = records.slice(first, first + count);
    const last = run.at(-1) as ClientRecord;
    this.#position = Math.max(this.#position, last.offset + 1);
    this.#leaderEpoch = Math.max(this.#leaderEpoch ?? 0, last.leaderEpoch as number);
    return run;
  }

  /** What came before that does not come once more. */
  #back(offset: number): void {
    if (offset < this.#position) this.#start = offset;
    this.#position = offset;
  }

  /** Whether it was read to its end now, for the first time. */
  endsNow(): boolean {
    const { records, end } = this.at;
    if (this.paused || this.#endTold === end || placeOf(records, this.#position) < records.length) return false;
    this.#endTold = end;
    this.#position = Math.max(this.#position, end);
    return true;
  }
}

/** Where those end that were read to their end since that was told last. */
export function endsOf(all: Iterable<Assigned>): PartitionOffset[] {
  return [...all].flatMap((assigned) => {
    const { topic, partition, end } = assigned.at;
    return assigned.endsNow() ? [{ topic, partition, offset: end }] : [];
  });
}

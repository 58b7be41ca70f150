/**
 * A partition as one client fetches it: where it stands, what comes next, and what it may bring once more.
 */
import type { ClientRecord, Watermarks } from '../src/poller/client.ts';
import { type FakePartition, placeOf } from './fake-cluster.ts';

export class Assigned {
  paused = false;
  /** As of the last fetch. */
  watermarks: Watermarks | undefined = undefined;
  readonly at: FakePartition;
  /** Where it began. */
  #start: number;
  #position: number;
  #leaderEpoch: number;
  #endTold = -1;

  constructor(at: FakePartition, start: number) {
    this.at = at;
    this.#start = start;
    this.#position = start;
    this.#leaderEpoch = at.leaderEpoch;
  }

  /** Asks the broker; false while this partition is paused. */
  fetches(): boolean {
    if (this.paused) return false;
    const { low, end, epochs, leaderEpoch } = this.at;
    this.watermarks = { low, high: end };
    // A new leader may have less than we were given: then it goes on where they part.
    for (; this.#leaderEpoch < leaderEpoch; this.#leaderEpoch += 1) {
      this.#position = Math.min(this.#position, epochs[this.#leaderEpoch] as number);
      this.#start = Math.min(this.#start, this.#position);
    }
    this.#position = Math.max(this.#position, low);
    return true;
  }

  seek(offset: number): void {
    this.#start = offset;
    this.#position = offset;
    this.#endTold = -1;
  }

  /** The next records, after up to `again` of those that came before. */
  take(count: number, again: number): readonly ClientRecord[] {
    const { records } = this.at;
    const next = placeOf(records, this.#position);
    if (next === records.length) return [];
    const first = again === 0 ? next : Math.max(placeOf(records, this.#start), next - again);
    const run = records.slice(first, first + count);
    this.#position = Math.max(this.#position, (run.at(-1) as ClientRecord).offset + 1);
    return run;
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

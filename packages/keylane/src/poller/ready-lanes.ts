/**
 * Lanes of one thread that could run now, the one with the lowest rank at the front. Runs on the poller's thread.
 *
 * A rank is an age or near to one (`shared-lanes.ts`), so a lane that is ready because its first record just arrived
 * has the highest of all: those form a plain queue. Only lanes that come back (after a segment, a retry, a pause) need
 * a heap. The lower of the two fronts is the first.
 */
import { Queue } from '../wire/queue.ts';
import type { Lane } from './lane.ts';
import { RankHeap } from './rank-heap.ts';

export class ReadyLanes {
  readonly #queue: Queue<Lane> = new Queue();
  readonly #back: RankHeap<Lane> = new RankHeap();

  get size(): number {
    return this.#queue.size + this.#back.items.length;
  }

  push(lane: Lane, rank: number): void {
    lane.rank = rank;
    const last = this.#queue.last;
    if (last === undefined || last.rank < rank) this.#queue.push(lane);
    else this.#back.push(lane);
  }

  /** The lane with the lowest rank, taken out; `undefined` when there is none. */
  pop(): Lane | undefined {
    const first = this.#queue.first;
    const back = this.#back.first;
    if (back !== undefined && (first === undefined || back.rank < first.rank)) {
      this.#back.remove(back);
      return back;
    }
    return this.#queue.shift();
  }

  /** The lowest rank, `Infinity` when there is no lane. */
  get rank(): number {
    return Math.min(this.#queue.first?.rank ?? Infinity, this.#back.first?.rank ?? Infinity);
  }
}

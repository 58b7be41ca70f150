/**
 * Lanes of one thread that could run now, the one with the lowest rank at the front. Runs on the poller's thread.
 *
 * A rank is an age or near to one (`shared-lanes.ts`), so a lane that is ready because its first record just arrived
 * has the highest of all: those form a plain queue. Only lanes that come back (after a segment, a retry, a pause) need
 * a heap. The lower of the two fronts is the first.
 */
import type { Lane } from './lane.ts';

export class ReadyLanes {
  #queue: Lane[] = [];
  #queueHead = 0;
  readonly #heap: Lane[] = [];

  get size(): number {
    return this.#queue.length - this.#queueHead + this.#heap.length;
  }

  push(lane: Lane, rank: number): void {
    lane.rank = rank;
    const last = this.#queue.at(-1);
    if (last === undefined || last.rank < rank) this.#queue.push(lane);
    else this.#siftUp(lane);
  }

  /** The lane with the lowest rank, taken out; `undefined` when there is none. */
  pop(): Lane | undefined {
    const first = this.#queue[this.#queueHead];
    const back = this.#heap[0];
    if (back !== undefined && (first === undefined || back.rank < first.rank)) return this.#popHeap();
    if (first === undefined) return undefined;
    this.#queueHead += 1;
    if (this.#queueHead * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
    return first;
  }

  /** The lowest rank, `Infinity` when there is no lane. */
  get rank(): number {
    return Math.min(this.#queue[this.#queueHead]?.rank ?? Infinity, this.#heap[0]?.rank ?? Infinity);
  }

  #siftUp(lane: Lane): void {
    const heap = this.#heap;
    let place = heap.push(lane) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if ((heap[parent] as Lane).rank <= lane.rank) break;
      heap[place] = heap[parent] as Lane;
      place = parent;
    }
    heap[place] = lane;
  }

  #popHeap(): Lane {
    const heap = this.#heap;
    const top = heap[0] as Lane;
    const last = heap.pop() as Lane;
    if (heap.length === 0) return top;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Lane).rank < (heap[child] as Lane).rank) child += 1;
      if (last.rank <= (heap[child] as Lane).rank) break;
      heap[place] = heap[child] as Lane;
      place = child;
    }
    heap[place] = last;
    return top;
  }
}

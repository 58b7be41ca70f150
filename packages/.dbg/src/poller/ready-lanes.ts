/**
 * The lanes of one thread that could run now, the one whose first record came first at the front. Runs on the poller's
 * thread.
 *
 * A lane that is ready because its first record just arrived is younger than all others, so those form a plain queue;
 * only lanes that come back (after a segment, a retry, a pause) need a heap. The older of the two fronts is the oldest.
 */
import type { Lane } from './lane.ts';

export class ReadyLanes {
  #queue: Lane[] = [];
  #queueHead = 0;
  readonly #heap: Lane[] = [];

  get size(): number {
    return this.#queue.length - this.#queueHead + this.#heap.length;
  }

  push(lane: Lane): void {
    const last = this.#queue.at(-1);
    if (last === undefined || age(last) < age(lane)) this.#queue.push(lane);
    else this.#siftUp(lane);
  }

  /** The oldest lane, taken out; `undefined` when there is none. */
  pop(): Lane | undefined {
    const first = this.#queue[this.#queueHead];
    const back = this.#heap[0];
    if (back !== undefined && (first === undefined || age(back) < age(first))) return this.#popHeap();
    if (first === undefined) return undefined;
    this.#queueHead += 1;
    if (this.#queueHead * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
    return first;
  }

  /** The age of the front lane's first record, `Infinity` when there is none. */
  oldest(): number {
    const first = this.#queue[this.#queueHead];
    const back = this.#heap[0];
    return Math.min(first === undefined ? Infinity : age(first), back === undefined ? Infinity : age(back));
  }

  #siftUp(lane: Lane): void {
    const heap = this.#heap;
    let place = heap.push(lane) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (age(heap[parent] as Lane) <= age(lane)) break;
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
      if (child + 1 < heap.length && age(heap[child + 1] as Lane) < age(heap[child] as Lane)) child += 1;
      if (age(last) <= age(heap[child] as Lane)) break;
      heap[place] = heap[child] as Lane;
      place = child;
    }
    heap[place] = last;
    return top;
  }
}

/**
 * A ready lane's head does not change, so neither does its age; an empty lane (of a partition that closed) goes first.
 */
function age(lane: Lane): number {
  return lane.head?.age ?? -1;
}

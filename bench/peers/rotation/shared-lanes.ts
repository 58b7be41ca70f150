/**
 * Ready lanes in rotation: whoever comes back goes to the end, however old its first record is, and whatever its
 * partition. It takes the place of `poller/shared-lanes.js` in a copy of Keylane (src/rotation-build.ts), so that
 * nothing else differs.
 */
import type { Lane } from '../../../packages/keylane/dist/poller/lane.js';
import type { SharedLanes as Chosen } from '../../../packages/keylane/dist/poller/shared-lanes.js';

export class SharedLanes implements Pick<Chosen, keyof Chosen> {
  #queue: Lane[] = [];
  #head = 0;

  get size(): number {
    return this.#queue.length - this.#head;
  }

  push(lane: Lane): void {
    this.#queue.push(lane);
  }

  /** The lane that has been here longest, taken out; `undefined` when there is none. */
  pop(): Lane | undefined {
    const first = this.#queue[this.#head];
    if (first === undefined) return undefined;
    this.#head += 1;
    if (this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }
}

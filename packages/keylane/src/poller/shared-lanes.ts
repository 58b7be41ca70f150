/**
 * The lanes of one thread that could run now, of all partitions. Runs on the poller's thread, between the dispatcher
 * and the threads' slots.
 *
 * The oldest goes first, as long as slots are soon free again. Where handlers take long, the partition with the fewest
 * records in flight goes first, and the oldest of its lanes: a slow partition with many keys would else take every slot
 * again and again, and one beside it none (docs/adr/0011).
 */
import type { Lane, LanePartition } from './lane.ts';
import { ReadyLanes } from './ready-lanes.ts';

export class SharedLanes {
  /** Not told apart by partition, as long as nobody asks. */
  readonly #mixed: ReadyLanes = new ReadyLanes();
  readonly #apart: Map<LanePartition, ReadyLanes> = new Map();
  #sizeApart = 0;

  get size(): number {
    return this.#mixed.size + this.#sizeApart;
  }

  push(lane: Lane): void {
    this.#mixed.push(lane);
  }

  /**
   * The next lane, taken out; `undefined` when there is none.
   *
   * @param fair of the partition with the fewest records in flight, where several have lanes; else the oldest of all
   */
  pop(fair: boolean): Lane | undefined {
    return fair ? this.#popFairest() : this.#popOldest();
  }

  #popOldest(): Lane | undefined {
    if (this.#sizeApart === 0) return this.#mixed.pop();
    let oldest: LanePartition | undefined;
    let age = this.#mixed.oldest();
    for (const [partition, lanes] of this.#apart) {
      if (lanes.oldest() < age) [oldest, age] = [partition, lanes.oldest()];
    }
    return oldest === undefined ? this.#mixed.pop() : this.#popOf(oldest);
  }

  #popFairest(): Lane | undefined {
    for (let lane = this.#mixed.pop(); lane !== undefined; lane = this.#mixed.pop()) this.#tellApart(lane);
    let fairest: LanePartition | undefined;
    let age = Infinity;
    for (const [partition, lanes] of this.#apart) {
      const { inFlight } = fairest ?? { inFlight: Infinity };
      if (partition.inFlight > inFlight || (partition.inFlight === inFlight && lanes.oldest() > age)) continue;
      [fairest, age] = [partition, lanes.oldest()];
    }
    return fairest && this.#popOf(fairest);
  }

  #tellApart(lane: Lane): void {
    let lanes = this.#apart.get(lane.partition);
    if (lanes === undefined) {
      lanes = new ReadyLanes();
      this.#apart.set(lane.partition, lanes);
    }
    lanes.push(lane);
    this.#sizeApart += 1;
  }

  #popOf(partition: LanePartition): Lane {
    const lanes = this.#apart.get(partition) as ReadyLanes;
    const lane = lanes.pop() as Lane;
    this.#sizeApart -= 1;
    if (lanes.size === 0) this.#apart.delete(partition);
    return lane;
  }
}

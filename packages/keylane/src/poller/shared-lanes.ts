/**
 * The lanes of one thread that could run now, of all partitions, and which of them is next. Runs on the poller's
 * thread, between the dispatcher and the threads' slots.
 *
 * - `oldest`: the lane whose first record was taken in first.
 * - `urgent`: the lane that is furthest behind. That is the oldest, too, unless another one has so many records that
 *   they, one behind the other, would be done later.
 * - `fair`: the most urgent lane of the partition with the fewest records in flight.
 *
 * See docs/adr/0011.
 */
import type { Lane, LanePartition } from './lane.ts';
import { ReadyLanes } from './ready-lanes.ts';

export type Choice = 'oldest' | 'urgent' | 'fair';

export class SharedLanes {
  /** By age, and not told apart by partition as long as only the oldest is asked for. */
  readonly #mixed: ReadyLanes = new ReadyLanes();
  /** By urgency. */
  readonly #apart: Map<LanePartition, ReadyLanes> = new Map();
  #sizeApart = 0;

  get size(): number {
    return this.#mixed.size + this.#sizeApart;
  }

  push(lane: Lane): void {
    this.#mixed.push(lane, ageOf(lane.head));
  }

  /**
   * The next lane, taken out; `undefined` when there is none.
   *
   * @param slots how many records can run at once, in all threads
   */
  pop(choice: Choice, slots: number): Lane | undefined {
    if (choice !== 'oldest') this.#tellApart(slots);
    else if (this.#sizeApart === 0) return this.#mixed.pop();
    const lanes = this.#nextApart(choice === 'fair');
    if (lanes === undefined || this.#mixed.rank < lanes.rank) return this.#mixed.pop();
    const lane = lanes.pop() as Lane;
    this.#sizeApart -= 1;
    if (lanes.size === 0) this.#apart.delete(lane.partition);
    return lane;
  }

  #tellApart(slots: number): void {
    for (let lane = this.#mixed.pop(); lane !== undefined; lane = this.#mixed.pop()) {
      let lanes = this.#apart.get(lane.partition);
      if (lanes === undefined) {
        lanes = new ReadyLanes();
        this.#apart.set(lane.partition, lanes);
      }
      lanes.push(lane, urgencyOf(lane, slots));
      this.#sizeApart += 1;
    }
  }

  #nextApart(fair: boolean): ReadyLanes | undefined {
    let next: ReadyLanes | undefined;
    let [fewest, rank] = [Infinity, Infinity];
    for (const [partition, lanes] of this.#apart) {
      const inFlight = fair ? partition.inFlight : 0;
      if (inFlight > fewest || (inFlight === fewest && lanes.rank >= rank)) continue;
      [next, fewest, rank] = [lanes, inFlight, lanes.rank];
    }
    return next;
  }
}

/**
 * As an age; the lower the sooner. The last of a lane's records waits for all others of it, and meanwhile about as many
 * are taken in as there are slots for each of those: it is as far behind as if it had come so much earlier.
 */
function urgencyOf({ head, tail, length }: Lane, slots: number): number {
  return Math.min(ageOf(head), ageOf(tail) - slots * (length - 1));
}

/** An empty lane (of a partition that closed) goes first. */
function ageOf(delivery: Lane['head']): number {
  return delivery?.age ?? -1;
}

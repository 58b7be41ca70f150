/**
 * The lanes of one thread that could run now, of all partitions, and which of them is next. Runs on the poller's
 * thread, between the dispatcher and the threads' slots.
 *
 * - `oldest`: the lane whose first record was taken in first.
 * - `urgent`: the lane that is furthest behind. That is the oldest, too, unless another one has so many records that
 *   they, one behind the other, would be done later.
 * - `fair`: the most urgent lane of the partition with the fewest records in flight. Where many partitions have lanes
 *   ready it is the fewest of some, others each time, so that the work does not grow with them.
 *
 * See docs/adr/0011.
 */
import type { Lane, LanePartition } from './lane.ts';
import { RankHeap } from './rank-heap.ts';
import { ReadyLanes } from './ready-lanes.ts';

export type Choice = 'oldest' | 'urgent' | 'fair';

/** So many partitions are compared. */
const COMPARED_MAX = 16;

/** One partition's lanes among them, by urgency. */
class Share {
  readonly lanes: ReadyLanes = new ReadyLanes();
  /** Of the most urgent one. */
  rank = Infinity;
  place = 0;
  readonly partition: LanePartition;

  constructor(partition: LanePartition) {
    this.partition = partition;
  }
}

export class SharedLanes {
  /** By age, and not told apart by partition as long as only the oldest is asked for. */
  readonly #mixed: ReadyLanes = new ReadyLanes();
  readonly #apart: Map<LanePartition, Share> = new Map();
  readonly #byUrgency: RankHeap<Share> = new RankHeap();
  #sizeApart = 0;
  /** Where in the heap it looked last for a fair share. */
  #looked = 0;

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
    const share = choice === 'fair' ? this.#fairest() : this.#byUrgency.first;
    if (share === undefined || this.#mixed.rank < share.rank) return this.#mixed.pop();
    const lane = share.lanes.pop() as Lane;
    this.#sizeApart -= 1;
    if (share.lanes.size > 0) this.#onChanged(share);
    else {
      this.#byUrgency.remove(share);
      this.#apart.delete(share.partition);
    }
    return lane;
  }

  #tellApart(slots: number): void {
    for (let lane = this.#mixed.pop(); lane !== undefined; lane = this.#mixed.pop()) {
      const share = this.#apart.get(lane.partition) ?? this.#add(lane.partition);
      share.lanes.push(lane, urgencyOf(lane, slots));
      this.#sizeApart += 1;
      this.#onChanged(share);
    }
  }

  #add(partition: LanePartition): Share {
    const share = new Share(partition);
    this.#apart.set(partition, share);
    this.#byUrgency.push(share);
    return share;
  }

  #onChanged(share: Share): void {
    const { rank } = share.lanes;
    if (rank === share.rank) return;
    share.rank = rank;
    this.#byUrgency.moved(share);
  }

  #fairest(): Share | undefined {
    const { items } = this.#byUrgency;
    let next: Share | undefined;
    let fewest = Infinity;
    for (let left = Math.min(COMPARED_MAX, items.length); left > 0; left -= 1) {
      this.#looked = (this.#looked + 1) % items.length;
      const share = items[this.#looked] as Share;
      const { inFlight } = share.partition;
      if (inFlight > fewest || (inFlight === fewest && share.rank >= (next as Share).rank)) continue;
      [next, fewest] = [share, inFlight];
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

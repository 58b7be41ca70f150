/**
 * The lanes of one partition by their keys. Runs on the poller's thread.
 *
 * A hash table of our own, because a Map would need a string made and hashed for every record; the lanes of one bucket
 * are a linked list through the lanes themselves, so adding one allocates nothing.
 */
import type { Lane } from './lane.ts';
import { isSameLane, type LaneKey } from './lane-key.ts';

const BUCKETS_FIRST = 16;
/** It shrinks to no fewer: the lanes of a partition come and go with what is fetched of it, all the time. */
const BUCKETS_SHRUNK = 256;
/** So many buckets for each lane at least: a lane to pass by on the way to another one is a cache miss. */
const BUCKETS_PER_LANE = 3;

export class LaneTable {
  size = 0;
  #buckets: (Lane | undefined)[] = emptyBuckets(BUCKETS_FIRST);

  /** @param hash of the key; see `hashOfKey` */
  find(key: LaneKey, hash: number): Lane | undefined {
    let lane = this.#buckets[hash & (this.#buckets.length - 1)];
    while (lane !== undefined && (lane.hash !== hash || !isSameLane(lane.key as LaneKey, key)))
      lane = lane.nextInBucket;
    return lane;
  }

  /** Adds a lane with a key that is not there yet. */
  add(lane: Lane): void {
    if (this.size * BUCKETS_PER_LANE >= this.#buckets.length) this.#resize(this.#buckets.length * 4);
    this.#put(lane);
    this.size += 1;
  }

  /** Takes the lane out, if it is there. */
  remove(lane: Lane): void {
    const place = lane.hash & (this.#buckets.length - 1);
    let before: Lane | undefined;
    let at = this.#buckets[place];
    while (at !== undefined && at !== lane) {
      before = at;
      at = at.nextInBucket;
    }
    if (at === undefined) return;
    if (before === undefined) this.#buckets[place] = lane.nextInBucket;
    else before.nextInBucket = lane.nextInBucket;
    lane.nextInBucket = undefined;
    this.size -= 1;
    // Far below where it grows, for the same reason.
    const buckets = this.#buckets.length;
    if (buckets > BUCKETS_SHRUNK && this.size < buckets / 128) this.#resize(Math.max(BUCKETS_SHRUNK, buckets / 16));
  }

  clear(): void {
    this.#buckets = emptyBuckets(BUCKETS_FIRST);
    this.size = 0;
  }

  *[Symbol.iterator](): Generator<Lane> {
    for (const first of this.#buckets) {
      for (let lane = first; lane !== undefined; lane = lane.nextInBucket) yield lane;
    }
  }

  #put(lane: Lane): void {
    const place = lane.hash & (this.#buckets.length - 1);
    lane.nextInBucket = this.#buckets[place];
    this.#buckets[place] = lane;
  }

  #resize(buckets: number): void {
    const before = this.#buckets;
    this.#buckets = emptyBuckets(buckets);
    for (let place = 0; place < before.length; place += 1) {
      for (let lane = before[place]; lane !== undefined; ) {
        const next = lane.nextInBucket;
        this.#put(lane);
        lane = next;
      }
    }
  }
}

function emptyBuckets(count: number): undefined[] {
  return new Array<undefined>(count).fill(undefined);
}

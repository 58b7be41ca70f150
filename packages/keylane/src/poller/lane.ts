/**
 * The ordered queue of one exact key of one partition. Runs on the poller's thread.
 *
 * Invariant: at most one segment (the first `inFlight` deliveries) is with a thread or with the outbox, and a delivery
 * leaves the queue only when it is settled. That alone keeps a key's order, whichever thread takes the lane.
 *
 *     idle ──add──► ready ──take──► in-flight ──all settled──► ready | idle
 *                     ▲ │               ├──exhausted──► leaving ──sent──► ready | idle
 *                     │ │               └──failed──► waiting ──delay over──┐
 *                     │ └─paused─► held ─resumed─┐                         │
 *                     └──────────────────────────┴─────────────────────────┘
 */
import { assert } from '../errors.ts';
import type { Lease } from '../wire/leases.ts';
import { headersOf, toKafkaRecord } from './client.ts';
import type { Delivery } from './delivery.ts';
import { type LaneKey, laneName } from './lane-key.ts';
import type { ParkedKeys } from './parked-keys.ts';
import type { WaitingLanes } from './waiting-lanes.ts';

export type LaneState = 'idle' | 'ready' | 'in-flight' | 'leaving' | 'waiting' | 'held';

/** What a lane, and whoever has one, needs of the partition it belongs to. */
export interface LanePartition {
  readonly topic: string;
  readonly partition: number;
  readonly state: 'active' | 'draining' | 'closed';
  /** Tells threads whether it is still ours; revoked when it closes. */
  readonly lease: Lease;
  /** False while the partition is paused, draining or gone: nothing of it may be handed out. */
  readonly handsOut: boolean;
  /** Its records that are with a thread or the outbox now; kept by its lanes. */
  inFlight: number;
  complete(delivery: Delivery, wasExhausted?: boolean): void;
  /** Its lanes whose head waits for its next attempt. */
  readonly waiting: Pick<WaitingLanes, 'add' | 'end'>;
  /** A record was exhausted; false where that is one too many, and so nothing more is handed out. */
  exhaust(): boolean;
  /** Nothing more is handed out since too many were. */
  readonly halted: boolean;
  /** The keys whose records go to the park topic; `undefined` where none ever do. */
  readonly parked: ParkedKeys | undefined;
  /** How many of the lane's first `count` records may be handed out now. */
  admits(lane: Lane, count: number): number;
  /** Whether it holds lanes back. */
  readonly holding: boolean;
  /** The lanes that were held and need not be any more. */
  release(): Lane[];
  /** The lane may not be handed out now; the partition gives it back when it may. */
  hold(lane: Lane): void;
  /** The lane has no records left. */
  forget(lane: Lane): void;
}

/** How many lanes of a kind are in flight. */
export interface LaneCount {
  lanes: number;
}

export class Lane {
  state: LaneState = 'idle';
  /** The oldest delivery that is not settled. */
  head: Delivery | undefined = undefined;
  /** Deliveries in the queue, those in flight among them. */
  length = 0;
  /** How many deliveries from the head on are with a thread, or with the outbox. */
  inFlight = 0;
  /** The youngest delivery. */
  tail: Delivery | undefined = undefined;
  /** Where it stands among the ready lanes; kept by those. */
  rank = 0;
  place = 0;
  /** Counts it while its segment is in flight, where it was given a slot that is counted. */
  #count: LaneCount | undefined = undefined;

  /** Kept by the table of its partition's lanes. */
  nextInBucket: Lane | undefined = undefined;

  readonly partition: LanePartition;
  /** `undefined` for a lane of a single record without a key. */
  readonly key: LaneKey | undefined;
  /** The thread this lane prefers. */
  readonly thread: number;
  /** Of the key, for the table; see `hashOfKey`. */
  readonly hash: number;

  constructor(partition: LanePartition, key: LaneKey | undefined, thread: number, hash = 0) {
    this.partition = partition;
    this.key = key;
    this.thread = thread;
    this.hash = hash;
  }

  /** The key as text; `undefined` where there is none. */
  get name(): string | undefined {
    return this.key === undefined ? undefined : laneName(this.key);
  }

  /** Its key is parked, and so its head goes to the park topic instead of a thread. */
  get mustFollow(): boolean {
    const { parked } = this.partition;
    return (
      parked?.has(this.name) === true && parked.mustFollow(this.name, toKafkaRecord((this.head as Delivery).record))
    );
  }

  /** Its key is parked, and done with up to its head, which was handled; the order of that, where it is to be said. */
  get releasedUpTo(): number | undefined {
    const { parked } = this.partition;
    if (parked?.has(this.name) !== true) return undefined;
    return parked.releasedBy(this.name, headersOf((this.head as Delivery).record));
  }

  push(delivery: Delivery): void {
    if (this.tail === undefined) this.head = delivery;
    else this.tail.next = delivery;
    this.tail = delivery;
    this.length += 1;
  }

  /**
   * Hands the first `count` deliveries to a thread.
   *
   * @param counted counts this lane until it lands
   */
  take(count: number, counted?: LaneCount): void {
    assert(this.state === 'ready', 'a lane was handed out in the state', this.state);
    assert(count > 0 && count <= this.length, 'a segment of more records than its lane has, or of none', count);
    this.state = 'in-flight';
    this.inFlight = count;
    this.partition.inFlight += count;
    this.#count = counted;
    if (counted !== undefined) counted.lanes += 1;
  }

  /** The head, which just failed for good, goes to the outbox. */
  leave(): void {
    assert(this.state === 'idle' && this.length > 0, 'the head of a lane left in the state', this.state);
    this.state = 'leaving';
    this.inFlight = 1;
    this.partition.inFlight += 1;
  }

  /** Takes the settled head out of the queue. */
  shift(): Delivery {
    const head = this.head;
    assert(head !== undefined && this.inFlight > 0, 'a record completed that was not in flight');
    this.head = head.next;
    head.next = undefined;
    if (this.head === undefined) this.tail = undefined;
    this.length -= 1;
    this.inFlight -= 1;
    this.partition.inFlight -= 1;
    return head;
  }

  /** The segment is over, wholly settled or stopped at a failure; what is left of it is first in line again. */
  land(): void {
    assert(this.state === 'in-flight' || this.state === 'leaving', 'a lane landed in the state', this.state);
    this.partition.inFlight -= this.inFlight;
    this.inFlight = 0;
    this.state = 'idle';
    if (this.#count !== undefined) this.#count.lanes -= 1;
    this.#count = undefined;
  }

  /**
   * Its partition closed: what is neither with a thread nor with the outbox is nobody's any more. Whoever still has the
   * lane, for as long as a handler hangs or brokers are away, must not keep all of that.
   */
  abandon(): void {
    let last: Delivery | undefined;
    for (let left = this.inFlight, at = this.head; left > 0; left -= 1, at = at?.next) last = at;
    if (last === undefined) this.head = undefined;
    else last.next = undefined;
    this.tail = last;
    this.length = this.inFlight;
  }
}

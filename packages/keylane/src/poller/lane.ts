/**
 * The ordered queue of one exact key of one partition. Runs on the poller's thread.
 *
 * Invariant: at most one segment (the first `inFlight` deliveries) is with a thread, and a delivery leaves the queue
 * only when it is settled. That alone keeps a key's order, whichever thread takes the lane.
 *
 *     idle ──add──► ready ──take──► in-flight ──all settled──► ready | idle
 *                     ▲ │               └──failed──► waiting ──delay over──┐
 *                     │ └─paused─► held ─resumed─┐                         │
 *                     └──────────────────────────┴─────────────────────────┘
 */
import { assert } from '../errors.ts';
import type { Lease } from '../wire/leases.ts';
import type { Timer } from './clock.ts';
import type { Delivery } from './delivery.ts';

export type LaneState = 'idle' | 'ready' | 'in-flight' | 'waiting' | 'held';

/** What a lane, and whoever has one, needs of the partition it belongs to. */
export interface LanePartition {
  readonly topic: string;
  readonly partition: number;
  readonly state: 'active' | 'draining' | 'closed';
  /** Tells threads whether it is still ours; revoked when it closes. */
  readonly lease: Lease;
  /** Lanes whose head waits for its retry. */
  readonly waiting: Map<Lane, Timer>;
  /** False while the partition is paused, draining or gone: nothing of it may be handed out. */
  readonly handsOut: boolean;
  /** Its records that are with a thread now; kept by its lanes. */
  inFlight: number;
  complete(delivery: Delivery): void;
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

export class Lane {
  state: LaneState = 'idle';
  /** The oldest delivery that is not settled. */
  head: Delivery | undefined = undefined;
  /** Deliveries in the queue, those in flight among them. */
  length = 0;
  /** How many deliveries from the head on are with a thread. */
  inFlight = 0;
  #tail: Delivery | undefined = undefined;

  readonly partition: LanePartition;
  /** The key's bytes as a latin1 string; `undefined` for a lane of a single record without a key. */
  readonly key: string | undefined;
  /** The thread this lane prefers. */
  readonly thread: number;

  constructor(partition: LanePartition, key: string | undefined, thread: number) {
    this.partition = partition;
    this.key = key;
    this.thread = thread;
  }

  push(delivery: Delivery): void {
    if (this.#tail === undefined) this.head = delivery;
    else this.#tail.next = delivery;
    this.#tail = delivery;
    this.length += 1;
  }

  /** Hands the first `count` deliveries to a thread. */
  take(count: number): void {
    assert(this.state === 'ready', `a lane that is ${this.state} was handed out`);
    assert(count > 0 && count <= this.length, `a segment of ${count} from a lane of ${this.length}`);
    this.state = 'in-flight';
    this.inFlight = count;
    this.partition.inFlight += count;
  }

  /** Takes the settled head out of the queue. */
  shift(): Delivery {
    const head = this.head;
    assert(head !== undefined && this.inFlight > 0, 'a record completed that was not in flight');
    this.head = head.next;
    head.next = undefined;
    if (this.head === undefined) this.#tail = undefined;
    this.length -= 1;
    this.inFlight -= 1;
    this.partition.inFlight -= 1;
    return head;
  }

  /** The segment is over, wholly settled or stopped at a failure; what is left of it is first in line again. */
  land(): void {
    assert(this.state === 'in-flight', `a lane that is ${this.state} landed`);
    this.partition.inFlight -= this.inFlight;
    this.inFlight = 0;
    this.state = 'idle';
  }
}

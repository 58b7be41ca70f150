/**
 * One assigned partition: its tracker, its lanes, what it holds. Runs on the poller's thread.
 *
 *     active ──revoke or close──► draining ──► closed        (a lost partition goes from active to closed)
 *
 * Invariant: once closed it stays closed and changes nothing any more, whatever comes late. A partition that is
 * assigned again is a new object, so a stale delivery can never touch its offsets.
 */
import { assert } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Lease, Leases } from '../wire/leases.ts';
import { type Budget, RECORD_OVERHEAD_BYTES } from './budget.ts';
import type { ClientRecord, TopicPartition } from './client.ts';
import type { Timer } from './clock.ts';
import { Delivery } from './delivery.ts';
import { Lane, type LanePartition } from './lane.ts';
import { PARTITION_LANE, threadOfKey } from './lane-key.ts';
import { OffsetTracker } from './offset-tracker.ts';

/** A record that never completes must not let the tracker grow without end; past this the partition counts as full. */
const SPAN_MAX = 100_000;

/** What all partitions of a consumer share. */
export interface PartitionShared {
  readonly options: Pick<ResolvedOptions, 'bufferedRecordsPerPartitionMax'>;
  /** How many threads lanes may prefer. */
  readonly threads: number;
  readonly laneKey: (record: ClientRecord) => string | undefined;
  readonly budget: Budget;
  /** Where threads see which partitions are ours. */
  readonly leases: Leases;
}

export class Partition implements LanePartition {
  state: 'active' | 'draining' | 'closed' = 'active';
  /** Paused by the application: fetched no further, handed out no further. */
  userPaused = false;
  /** Whether the client was told to pause it, for whatever reason. */
  clientPaused = false;
  /** Records registered and not complete, and what they count against the byte budget. */
  bufferedRecords = 0;
  bufferedBytes = 0;
  inFlight = 0;
  /** What the group has committed, as the broker says; undefined where it has nothing. */
  committed: number | undefined = undefined;
  /** The end a consumer can reach, from the client's statistics; undefined before the first. */
  endOffset: number | undefined = undefined;
  readonly waiting: Map<Lane, Timer> = new Map();

  readonly topic: string;
  readonly partition: number;
  readonly lease: Lease;
  readonly tracker: OffsetTracker = new OffsetTracker();
  readonly lanes: Map<string, Lane> = new Map();
  readonly #shared: PartitionShared;
  #held: Lane[] = [];
  /** Where it began: nothing at or below needs a commit. */
  #start: number | undefined = undefined;

  constructor({ topic, partition }: TopicPartition, shared: PartitionShared) {
    this.topic = topic;
    this.partition = partition;
    this.#shared = shared;
    this.lease = shared.leases.grant();
  }

  get handsOut(): boolean {
    return this.state === 'active' && !this.userPaused;
  }

  /** True when no more should be fetched for this partition. */
  get full(): boolean {
    const { bufferedRecordsPerPartitionMax } = this.#shared.options;
    return this.bufferedRecords >= bufferedRecordsPerPartitionMax || this.tracker.span >= SPAN_MAX;
  }

  /** True once enough is free to make it worth fetching again what a pause threw away. */
  get relieved(): boolean {
    const { bufferedRecordsPerPartitionMax } = this.#shared.options;
    return this.bufferedRecords <= bufferedRecordsPerPartitionMax / 2 && this.tracker.span <= SPAN_MAX / 2;
  }

  /** Takes a delivered record in and queues it in its lane; `undefined` for one that was delivered before. */
  register(record: ClientRecord, age: number): Delivery | undefined {
    const lane = this.#laneOf(this.#shared.laneKey(record), age);
    const ticket = this.tracker.register(record.offset);
    if (ticket === undefined) {
      if (lane.length === 0) this.forget(lane);
      return undefined;
    }
    if (this.#start === undefined) this.#begin(record.offset);
    const bytes = bytesOf(record);
    const delivery = new Delivery(record, lane, ticket, age, bytes);
    lane.push(delivery);
    this.bufferedRecords += 1;
    this.bufferedBytes += bytes;
    this.#shared.budget.add(bytes);
    return delivery;
  }

  /** The offset to commit, where it is past what the broker has; the committer asks. */
  get uncommitted(): number | undefined {
    const { committable } = this.tracker;
    const known = this.committed ?? this.#start;
    return committable !== undefined && known !== undefined && committable > known ? committable : undefined;
  }

  complete(delivery: Delivery): void {
    if (this.state === 'closed') return;
    this.tracker.complete(delivery.ticket);
    this.bufferedRecords -= 1;
    this.bufferedBytes -= delivery.bytes;
    this.#shared.budget.remove(1, delivery.bytes);
  }

  hold(lane: Lane): void {
    if (this.state === 'active') this.#held.push(lane);
  }

  /** The lanes that were held while this partition handed nothing out. */
  release(): Lane[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }

  forget(lane: Lane): void {
    if (lane.key !== undefined && this.lanes.get(lane.key) === lane) this.lanes.delete(lane.key);
  }

  /**
   * No further hand-out; what runs may finish and count. Retries that wait are given up: they will be delivered again.
   */
  drain(): void {
    assert(this.state === 'active', `a partition that is ${this.state} was drained`);
    this.state = 'draining';
    this.#stopRetries();
  }

  /** Gives up whatever is left; nothing that comes later changes anything. */
  close(): void {
    assert(this.state !== 'closed', 'a partition was closed twice');
    this.state = 'closed';
    this.#shared.leases.revoke(this.lease);
    this.#stopRetries();
    this.#shared.budget.remove(this.bufferedRecords, this.bufferedBytes);
    this.bufferedRecords = 0;
    this.bufferedBytes = 0;
    this.lanes.clear();
  }

  /** Where delivery begins may lie before what was committed (the topic was made anew): then that counts no longer. */
  #begin(offset: number): void {
    this.#start = offset;
    if (this.committed !== undefined && this.committed > offset) this.committed = undefined;
  }

  #stopRetries(): void {
    for (const timer of this.waiting.values()) timer.stop();
    this.waiting.clear();
    this.#held = [];
  }

  #laneOf(key: string | undefined, age: number): Lane {
    const { threads } = this.#shared;
    if (key === undefined) return new Lane(this, undefined, age % threads);
    let lane = this.lanes.get(key);
    if (lane === undefined) {
      const thread = key === PARTITION_LANE ? this.partition % threads : threadOfKey(key, threads);
      lane = new Lane(this, key, thread);
      this.lanes.set(key, lane);
    }
    return lane;
  }
}

function bytesOf({ key, value, headers }: ClientRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES;
  if (key !== null) bytes += key.length;
  if (value !== null) bytes += value.length;
  if (headers === undefined) return bytes;
  for (const header of headers) {
    for (const name in header) bytes += name.length + (header[name] as Buffer).length;
  }
  return bytes;
}

/**
 * One assigned partition: its tracker, its lanes, what it holds. Runs on the poller's thread.
 *
 *     active ──revoke or close──► draining ──► closed        (a lost partition goes from active to closed)
 *
 * Invariant: once closed it stays closed and changes nothing any more, whatever comes late. A partition that is
 * assigned again is a new object, so a stale delivery can never touch its offsets.
 */
import { assert, type KafkaError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Lease, Leases } from '../wire/leases.ts';
import { type Budget, bytesOf } from './budget.ts';
import type { ClientRecord, CommittedOffset, PartitionStatistics, TopicPartition, Watermarks } from './client.ts';
import { Delivery } from './delivery.ts';
import { Flood } from './flood.ts';
import { KnownLog } from './known-log.ts';
import { Lane, type LanePartition } from './lane.ts';
import { hashOfKey, type LaneKey, PARTITION_LANE } from './lane-key.ts';
import { LaneTable } from './lane-table.ts';
import { decodeOffsetMap, encodeOffsetMap, type OffsetRanges, offsetMapLimits, rangesBelow } from './offset-map.ts';
import { OffsetTracker } from './offset-tracker.ts';
import { ParkedKeys } from './parked-keys.ts';
import { type CommitSource, Uncommitted } from './uncommitted.ts';
import { WaitingLanes } from './waiting-lanes.ts';

/** What all partitions of a consumer share. */
export interface PartitionShared {
  readonly options: Pick<ResolvedOptions, 'offsetMapCharactersMax' | 'deadLetter' | 'park'>;
  /** How many threads lanes may prefer. */
  readonly threads: number;
  readonly laneKey: (record: ClientRecord) => LaneKey | undefined;
  /** How many records one of them may hold now. */
  readonly partitionRecordsMax: () => number;
  readonly budget: Budget;
  /** Where threads see which partitions are ours. */
  readonly leases: Leases;
}

/** Where a partition begins, and what above that is complete. */
export interface Beginning {
  readonly offset: number;
  readonly ranges: OffsetRanges;
  /** From here on it is read; what comes below `offset` is not taken in. */
  readonly from: number;
}

/** What the broker answers to metadata longer than it allows. */
const OFFSET_METADATA_TOO_LARGE = 12;

export class Partition implements LanePartition, CommitSource {
  state: 'active' | 'draining' | 'closed' = 'active';
  /** Paused by the application: fetched no further, handed out no further. */
  userPaused = false;
  /** Too many of its records were exhausted: nothing more is handed out until the application resumes it. */
  halted = false;
  /** The keys whose records go to the park topic; `undefined` where none ever do. */
  parked: ParkedKeys | undefined;
  /** The group takes it back or the client left: who waits for its sake need not any longer. */
  isGoing = false;
  /** Whether the client was told to pause it, for whatever reason. */
  clientPaused = false;
  /** Records registered and not complete, and what they count against the byte budget. */
  bufferedRecords = 0;
  bufferedBytes = 0;
  inFlight = 0;
  /** How many records it may hold for the sake of one that is further behind; see `lag-limits.ts`. */
  lagLimit: number = Infinity;
  /** What the group has committed, as the broker says; undefined where it has nothing. */
  committed: number | undefined = undefined;
  /** The leader epoch that went with it. */
  committedEpoch: number | undefined = undefined;
  /** What the client's statistics said last; undefined before the first. */
  statistics: PartitionStatistics | undefined = undefined;
  readonly waiting: WaitingLanes;

  readonly topic: string;
  readonly partition: number;
  readonly lease: Lease;
  readonly tracker: OffsetTracker;
  readonly lanes: LaneTable = new LaneTable();
  readonly #shared: PartitionShared;
  #held: Lane[] = [];
  /** What of the tracker the broker has. */
  #committedVersion = 0;
  /** False once the broker refused an offset map: it allows less than we were told. */
  #mapFits = true;
  /** From the first exhausted record on. */
  #flood: Flood | undefined = undefined;
  readonly #log: KnownLog = new KnownLog();
  /** Everything from here on was made anew. */
  #cut: number = Number.POSITIVE_INFINITY;

  constructor({ topic, partition }: TopicPartition, shared: PartitionShared) {
    this.topic = topic;
    this.partition = partition;
    this.#shared = shared;
    this.parked = shared.options.park && new ParkedKeys();
    this.waiting = new WaitingLanes(shared.budget);
    this.lease = shared.leases.grant();
    this.tracker = new OffsetTracker(offsetMapLimits(shared.options.offsetMapCharactersMax));
  }

  /** Begins at what the group committed; returns what is wrong with the metadata there, if anything is. */
  restore({ offset, metadata, leaderEpoch }: CommittedOffset): string | undefined {
    this.committed = offset;
    this.committedEpoch = leaderEpoch;
    this.#log.restore(leaderEpoch);
    const map = decodeOffsetMap(offset, metadata);
    if ('problem' in map) {
      this.tracker.restore(offset, []);
      return map.problem;
    }
    return this.tracker.restore(offset, map.ranges) ? undefined : 'it is larger than offsetMapCharactersMax allows';
  }

  get handsOut(): boolean {
    return this.state === 'active' && !this.userPaused && !this.halted && this.parked?.known !== false;
  }

  /** True when no more should be fetched for this partition. */
  get full(): boolean {
    return this.countedRecords >= this.#recordsMax || this.tracker.loadOfAll > 1;
  }

  /** True once enough is free to make it worth fetching again what a pause threw away. */
  get relieved(): boolean {
    return this.countedRecords <= this.#recordsMax / 2 && this.tracker.loadOfAll <= 1 / 2;
  }

  /** What waits behind failing keys counts only past as much again: it must not stop the healthy ones. */
  get countedRecords(): number {
    return this.bufferedRecords - Math.min(this.waiting.records, this.#shared.partitionRecordsMax());
  }

  get #recordsMax(): number {
    return Math.min(this.#shared.partitionRecordsMax(), this.lagLimit);
  }

  /**
   * Takes a delivered record in and queues it in its lane; `undefined` for one that needs no run, because it was
   * delivered before or the offset map says that it is complete.
   */
  register(record: ClientRecord, age: number): Delivery | undefined {
    // What the map has from here on was made anew.
    if (!this.#log.onRecord(record, this.tracker.position)) this.tracker.forgetRestored();
    const ticket = this.tracker.register(record.offset);
    if (ticket === undefined) return undefined;
    const lane = this.#laneOf(this.#shared.laneKey(record), age);
    const bytes = bytesOf(record);
    const delivery = new Delivery(record, lane, ticket, age, bytes);
    lane.push(delivery);
    this.bufferedRecords += 1;
    this.bufferedBytes += bytes;
    this.#shared.budget.add(bytes);
    if (lane.state === 'waiting') this.waiting.grew();
    return delivery;
  }

  /**
   * Whether this record says that the log was cut off or made anew; see {@link KnownLog.isRewound}.
   *
   * @param end the log's end, as far as the client knows
   */
  isRewound(record: ClientRecord, end: number | undefined): boolean {
    const { position } = this.tracker;
    return position !== undefined && this.#log.isRewound(record, position, end);
  }

  /** Whether the log below the position may be another one, seeing that there is a leader of this epoch. */
  doubts(leaderEpoch: number | undefined): boolean {
    return this.#log.doubts(leaderEpoch);
  }

  /** It is read from below its position, and nothing was found there yet. */
  get looksBack(): boolean {
    return this.#log.looksBack;
  }

  /**
   * Has it read from further back, below the position; until that is done there is no hand-out. False where the log
   * has no more.
   */
  lookBack(log: Watermarks): boolean {
    const { position } = this.tracker;
    if (position === undefined || !this.#log.lookBack(position, log)) return false;
    this.drain();
    return true;
  }

  /**
   * Everything from `offset` on was made anew: it will be delivered again, and nothing of it that came before may be
   * committed any more. No further hand-out; what runs may finish, and counts below there.
   */
  cutOff({ offset, leaderEpoch }: ClientRecord): void {
    this.drain();
    this.#cut = offset;
    this.#log.restore(leaderEpoch);
    // The broker is to learn it even where it has a later offset, or gets one now by a commit that is under way.
    this.tracker.version += 1;
  }

  /** Where to begin again. */
  get beginning(): Beginning {
    const { committable = this.#cut } = this.tracker;
    const completed = this.tracker.completed();
    const offset = Math.min(committable, this.#cut);
    const ranges = this.#cut === Number.POSITIVE_INFINITY ? completed : rangesBelow(completed, this.#cut);
    return { offset, ranges, from: this.#log.from(offset) };
  }

  /** Goes on in place of another one; the broker is to learn where, even if it has a later offset. */
  replace(before: Partition, { offset, ranges }: Beginning): void {
    this.tracker.restore(offset, ranges);
    this.#committedVersion = -1;
    this.#log.replace(before.#log);
    this.#mapFits = before.#mapFits;
    this.committed = before.committed;
    this.committedEpoch = before.committedEpoch;
    this.statistics = before.statistics;
    this.clientPaused = before.clientPaused;
    this.halted = before.halted;
  }

  /** Whether a commit would tell the broker anything new. */
  get dirty(): boolean {
    return this.state !== 'closed' && this.tracker.version !== this.#committedVersion;
  }

  /** What a commit should say; the committer asks. */
  uncommitted(): Uncommitted {
    const { topic, partition, tracker } = this;
    const { committable, version } = tracker;
    assert(committable !== undefined && this.dirty, 'a partition with nothing to commit was asked for it');
    const { offset, ranges } = this.beginning;
    const leaderEpoch = this.#log.leaderEpoch < 0 ? undefined : this.#log.leaderEpoch;
    const metadata = this.#mapFits ? encodeOffsetMap(offset, ranges) : '';
    return new Uncommitted(this, version, { topic, partition, offset, leaderEpoch, metadata });
  }

  onTaken({ offset, leaderEpoch }: CommittedOffset, version: number): void {
    this.committed = offset;
    this.committedEpoch = leaderEpoch;
    this.#committedVersion = version;
  }

  onRefused({ kafkaCode }: KafkaError): void {
    if (kafkaCode === OFFSET_METADATA_TOO_LARGE) this.#mapFits = false;
  }

  /** How many of the lane's first `count` records may be handed out: with more, the offset map might not fit. */
  admits(lane: Lane, count: number): number {
    // Of a parked key it is to be seen record by record where they go.
    const most = this.parked?.has(lane.name) === true ? Math.min(count, 1) : count;
    if (this.tracker.loadOfAll <= 1) return most;
    let admitted = 0;
    for (let delivery = lane.head; delivery !== undefined && admitted < most; delivery = delivery.next) {
      if (this.tracker.load(delivery.ticket) > 1) break;
      admitted += 1;
    }
    return admitted;
  }

  complete(delivery: Delivery, wasExhausted = false): void {
    if (this.state === 'closed') return;
    this.tracker.complete(delivery.ticket);
    if (!wasExhausted) this.#flood?.completed();
    this.bufferedRecords -= 1;
    this.bufferedBytes -= delivery.bytes;
    this.#shared.budget.remove(1, delivery.bytes);
  }

  exhaust(): boolean {
    this.#flood ??= new Flood(this.#shared.options.deadLetter);
    if (this.#flood.isOver()) this.halted = true;
    return !this.halted;
  }

  /** The application wants it to go on. */
  unhalt(): void {
    this.halted = false;
    this.#flood = undefined;
  }

  hold(lane: Lane): void {
    if (this.state === 'active') this.#held.push(lane);
  }

  get holding(): boolean {
    return this.#held.length > 0;
  }

  /** The lanes that were held and need not be any more. */
  release(): Lane[] {
    if (!this.handsOut || this.#held.length === 0) return [];
    const held: Lane[] = [];
    const released: Lane[] = [];
    for (const lane of this.#held) (this.admits(lane, 1) === 1 ? released : held).push(lane);
    this.#held = held;
    return released;
  }

  forget(lane: Lane): void {
    this.lanes.remove(lane);
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
    for (const lane of this.lanes) lane.abandon();
    this.lanes.clear();
  }

  #stopRetries(): void {
    this.waiting.stop();
    this.#held = [];
  }

  #laneOf(key: LaneKey | undefined, age: number): Lane {
    const { threads } = this.#shared;
    if (key === undefined) return new Lane(this, undefined, age % threads);
    const hash = hashOfKey(key);
    let lane = this.lanes.find(key, hash);
    if (lane === undefined) {
      lane = new Lane(this, key, (key === PARTITION_LANE ? this.partition : hash) % threads, hash);
      this.lanes.add(lane);
    }
    return lane;
  }
}

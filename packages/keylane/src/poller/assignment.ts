/**
 * Which partitions are ours: assigned, revoked, lost; and the one drain that serves a rebalance and the close. Runs
 * on the poller's thread.
 *
 * Invariant: a partition is given back only after its drain: no hand-out, what ran has settled or the time is up, and
 * what was committable is committed. Lost partitions are closed at once and never committed.
 */
import { DrainError, type KafkaError, type KeylaneError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { ResolvedOptions } from '../options.ts';
import {
  type Client,
  type ClientRecord,
  type CommittedOffset,
  type PartitionOffset,
  type PartitionStatistics,
  partitionName,
  type TopicPartition,
} from './client.ts';
import type { Clock, Timer } from './clock.ts';
import type { OffsetStore } from './committer.ts';
import type { Delivery } from './delivery.ts';
import { asFatal } from './guard.ts';
import { LogWatch } from './log-watch.ts';
import { Partition, type PartitionShared } from './partition.ts';
import type { Uncommitted } from './uncommitted.ts';

/** How long a drain waits for its last commit: a broker that is away must not hold up a rebalance or the close. */
const FLUSH_MS = 5_000;

export interface AssignmentParts {
  readonly options: Pick<ResolvedOptions, 'drainTimeoutMs'>;
  readonly client: Pick<Client, 'assign' | 'unassign' | 'committed' | 'watermarks' | 'seek'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly shared: PartitionShared;
  /** Commits for as long as `wanted` holds; see `committer.ts`. */
  readonly flush: (wanted: () => boolean) => Promise<void>;
  /** Does this while no call of `consume` is under way; see `poller.ts`. */
  readonly betweenPolls: (action: () => void | Promise<void>) => Promise<void>;
  /** A partition came in; whatever must be paused from its start is paused. */
  readonly onOpened: (partitions: readonly Partition[]) => void;
  readonly onFatal: (error: KeylaneError) => void;
  /** A rebalance began (true) or was answered (false). */
  readonly onRebalancing: (underWay: boolean) => void;
}

export class Assignment implements OffsetStore {
  /** How many partitions are ours. */
  size = 0;
  readonly #byTopic: Map<string, (Partition | undefined)[]> = new Map();
  readonly #parts: AssignmentParts;
  readonly #watch: LogWatch;
  /** Rebalances are answered one after the other. */
  #rebalances: Promise<void> = Promise.resolve();
  #drainers: (() => void)[] = [];
  #closing = false;
  #closed = false;
  /** The one that is being read again: closed already, and not there anew. */
  #renewing: Partition | undefined = undefined;
  #age = 0;
  /** Of the record before. */
  #last: Partition | undefined = undefined;

  constructor(parts: AssignmentParts) {
    this.#parts = parts;
    this.#watch = new LogWatch(parts.client, parts.events);
  }

  /** Takes a record in; `undefined` where its partition is not (or no longer) ours, or it needs no run. */
  register(record: ClientRecord): Delivery | undefined {
    const partition = this.#of(record);
    if (partition === undefined || partition.state !== 'active' || this.#closing) return undefined;
    const { position } = partition.tracker;
    if (partition.doubts(record.leaderEpoch) && this.#looksBack(partition)) return undefined;
    if (position !== undefined && record.offset > position) this.#watch.onAhead(partition, record.offset);
    else if (position !== undefined && record.offset < position && this.#watch.isRewound(partition, record)) {
      partition.cutOff(record);
      this.#beginAgain(partition);
      return undefined;
    }
    this.#age += 1;
    return partition.register(record, this.#age);
  }

  /** The partition of a record: mostly that of the record before, and each record has a topic string of its own. */
  #of(record: ClientRecord): Partition | undefined {
    const last = this.#last;
    if (last?.state === 'active' && last.partition === record.partition && last.topic === record.topic) return last;
    this.#last = this.find(record);
    return this.#last;
  }

  /** A partition was read to its end; `offset` comes next there. */
  onEnd({ offset, ...topicPartition }: PartitionOffset): void {
    const partition = this.find(topicPartition);
    if (partition === undefined || partition.state !== 'active' || this.#closing) return;
    if (partition.looksBack && this.#looksBack(partition)) return;
    if (offset > (partition.tracker.position ?? offset)) this.#watch.onAhead(partition, offset);
    partition.tracker.skipTo(offset);
  }

  /** The partitions that are ours. */
  open(): Partition[] {
    return [...this.#byTopic.values()].flatMap((partitions) =>
      partitions.filter((partition) => partition !== undefined),
    );
  }

  find({ topic, partition }: TopicPartition): Partition | undefined {
    return this.#byTopic.get(topic)?.[partition];
  }

  uncommitted(): Uncommitted[] {
    const offsets: Uncommitted[] = [];
    // In the order in which the client sends them, and the broker answers.
    for (const topic of [...this.#byTopic.keys()].sort()) {
      const partitions = this.#byTopic.get(topic) as (Partition | undefined)[];
      for (const partition of partitions) if (partition?.dirty === true) offsets.push(partition.uncommitted());
    }
    return offsets;
  }

  onStatistics(statistics: readonly PartitionStatistics[]): void {
    for (const one of statistics) {
      const partition = this.find(one);
      if (partition === undefined) continue;
      partition.statistics = one;
      // Where nothing new comes nothing else would say that there is another leader now.
      const idle = partition.state === 'active' && !partition.clientPaused && !partition.looksBack && !this.#closing;
      if (idle && partition.doubts(one.leaderEpoch)) this.#looksBack(partition);
    }
  }

  onAssigned(assigned: readonly TopicPartition[]): void {
    this.#next(async () => {
      const committed = this.#closing || assigned.length === 0 ? [] : await this.#committed(assigned);
      // What a call under way brings may still be of an earlier assignment: its records, taken for ours, would seem to
      // be ahead of those that begin at the committed offset, and these would be dropped as delivered twice.
      await this.#parts.betweenPolls(() => this.#assign(assigned, committed));
    });
  }

  #assign(assigned: readonly TopicPartition[], committed: readonly CommittedOffset[] | undefined): void {
    const { client, events, onOpened } = this.#parts;
    const offsets = new Map(committed?.map((offset) => [partitionName(offset), offset]));
    client.assign(
      assigned.map(({ topic, partition }) => {
        const offset = offsets.get(partitionName({ topic, partition }))?.offset;
        return offset === undefined ? { topic, partition } : { topic, partition, offset };
      }),
    );
    // What comes while we close is answered, but nothing of it is taken in.
    if (this.#closing || assigned.length === 0) return;
    const partitions = assigned.map((topicPartition) => this.#add(topicPartition));
    for (const partition of partitions) {
      const offset = offsets.get(partitionName(partition));
      if (committed !== undefined) this.#watch.onCommitted(partition, offset);
      const problem = offset && partition.restore(offset);
      if (offset !== undefined && problem !== undefined) this.#watch.onMetadata(offset, problem);
    }
    onOpened(partitions);
    events.emit('assigned', { partitions: assigned });
  }

  onRevoked(revoked: readonly TopicPartition[], lost: boolean): void {
    const found = () => revoked.map((at) => this.find(at)).filter((partition) => partition !== undefined);
    this.#leave(found());
    // Not in their turn: until then a commit could still speak for them.
    if (lost) this.#lose(revoked, found());
    this.#next(async () => {
      const partitions = found();
      if (!lost) await this.drain(partitions, this.#parts.options.drainTimeoutMs);
      this.#remove(partitions);
      this.#parts.client.unassign(revoked);
      if (revoked.length > 0) this.#parts.events.emit(lost ? 'lost' : 'revoked', { partitions: revoked });
    });
  }

  /** From here on nothing new is taken in. */
  closing(): void {
    this.#closing = true;
    this.#leave(this.open());
  }

  /**
   * Stops the hand-out of these partitions, awaits what runs, commits. Past the time it reports and goes on; rejects
   * only where the client cannot even send a commit.
   */
  async drain(partitions: readonly Partition[], timeoutMs: number): Promise<void> {
    for (const partition of partitions) if (partition.state === 'active') partition.drain();
    await this.#settle(partitions, timeoutMs, () => false);
    const { clock, flush } = this.#parts;
    let flushTimer: Timer | undefined;
    let inTime = true;
    const limit = new Promise<void>((resolve) => {
      flushTimer = clock.after(FLUSH_MS, () => {
        inTime = false;
        resolve();
      });
    });
    try {
      await Promise.race([flush(() => inTime && partitions.some(({ dirty }) => dirty)), limit]);
    } finally {
      flushTimer?.stop();
    }
  }

  /** Awaits what runs of these, for as long as there is need to. */
  async #settle(partitions: readonly Partition[], timeoutMs: number, needless: () => boolean): Promise<void> {
    const inFlight = () => partitions.reduce((sum, partition) => sum + partition.inFlight, 0);
    const { clock, events } = this.#parts;
    await new Promise<void>((resolve) => {
      const timer = clock.after(timeoutMs, () => {
        events.emit('warning', new DrainError(inFlight(), timeoutMs));
        done();
      });
      const check = () => (this.#closed || inFlight() === 0 || needless()) && done();
      const done = () => {
        timer.stop();
        this.#drainers = this.#drainers.filter((drainer) => drainer !== check);
        resolve();
      };
      this.#drainers.push(check);
      check();
    });
  }

  /** Outcomes came in: drains may be over. */
  onSettled(): void {
    for (const drainer of this.#drainers) drainer();
  }

  /** Resolves when every rebalance that came in so far is answered. */
  async settled(): Promise<void> {
    await this.#rebalances;
  }

  /** Gives up all partitions; nothing that comes later changes anything. */
  closeAll(): void {
    this.#closed = true;
    this.#remove(this.open());
    // A revoke that came while we closed drains still: nobody is left to settle what it waits for.
    this.onSettled();
  }

  /** What the group has committed; without it we only know less, so a broker that does not say is no reason to wait. */
  async #committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[] | undefined> {
    try {
      return await this.#parts.client.committed(partitions);
    } catch (error) {
      this.#parts.events.emit('warning', error as KafkaError);
      return undefined;
    }
  }

  #next(answer: () => Promise<void>): void {
    const { onRebalancing } = this.#parts;
    this.#inTurn(async () => {
      onRebalancing(true);
      await answer();
      onRebalancing(false);
    });
  }

  #inTurn(action: () => Promise<void>): void {
    this.#rebalances = this.#rebalances.then(action).catch((error: unknown) => this.#parts.onFatal(asFatal(error)));
  }

  #add(topicPartition: TopicPartition): Partition {
    const { topic, partition: number } = topicPartition;
    const partition = new Partition(topicPartition, this.#parts.shared);
    const partitions = this.#byTopic.get(topic) ?? [];
    this.#byTopic.set(topic, partitions);
    if (partitions[number] === undefined) this.size += 1;
    partitions[number]?.close();
    partitions[number] = partition;
    return partition;
  }

  /** Whether the partition is read from further back first: another leader may have another log below its position. */
  #looksBack(partition: Partition): boolean {
    const log = this.#parts.client.watermarks(partition);
    if (log === undefined || !partition.lookBack(log)) return false;
    this.#beginAgain(partition);
    return true;
  }

  /**
   * The partition is read again from where it can be committed, as a new one that knows what the old one knew: a drain
   * and a seek, in its turn among the rebalances. Until then its records are nobody's, since they come again. Where it
   * is asked back meanwhile, that drain does the rest.
   */
  #beginAgain(before: Partition): void {
    const { client, betweenPolls, onOpened, options } = this.#parts;
    this.#inTurn(async () => {
      await this.#settle([before], options.drainTimeoutMs, () => before.isGoing);
      if (before.isGoing) return;
      await betweenPolls(async () => {
        if (before.state === 'closed') return;
        const { topic, partition } = before;
        const beginning = before.beginning;
        this.#remove([before]);
        this.#renewing = before;
        await client.seek({ topic, partition, offset: beginning.from });
        if (this.#closed || this.#renewing !== before) return;
        this.#renewing = undefined;
        const renewed = this.#add(before);
        renewed.replace(before, beginning);
        onOpened([renewed]);
      });
    });
  }

  /** They are given up at once, and so is one that was about to begin again. */
  #lose(lost: readonly TopicPartition[], partitions: readonly Partition[]): void {
    this.#remove(partitions);
    const renewing = this.#renewing;
    if (renewing !== undefined && lost.some((at) => partitionName(at) === partitionName(renewing)))
      this.#renewing = undefined;
  }

  #leave(partitions: readonly Partition[]): void {
    for (const partition of partitions) partition.isGoing = true;
    this.onSettled();
  }

  #remove(partitions: readonly Partition[]): void {
    for (const partition of partitions) {
      if (partition.state === 'closed') continue;
      this.#watch.onLeft(partition);
      partition.close();
      const siblings = this.#byTopic.get(partition.topic) as (Partition | undefined)[];
      siblings[partition.partition] = undefined;
      this.size -= 1;
      if (siblings.every((sibling) => sibling === undefined)) this.#byTopic.delete(partition.topic);
    }
  }
}

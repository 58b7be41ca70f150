/**
 * What the tests of the poller's stations have in common: records, partitions, an assignment, and time that passes.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { KafkaError, KeylaneError } from '../src/errors.ts';
import { Events } from '../src/events.ts';
import { type ResolvedOptions, resolveOptions } from '../src/options.ts';
import { Assignment, type AssignmentParts } from '../src/poller/assignment.ts';
import { Budget, type BudgetLimits } from '../src/poller/budget.ts';
import {
  type ClientRecord,
  type CommitAnswer,
  type CommittedOffset,
  type PartitionOffset,
  partitionName,
  type TopicPartition,
  type Watermarks,
} from '../src/poller/client.ts';
import { Committer, type OffsetStore } from '../src/poller/committer.ts';
import type { Delivery } from '../src/poller/delivery.ts';
import type { Lane, LanePartition } from '../src/poller/lane.ts';
import { laneKeys } from '../src/poller/lane-key.ts';
import type { Partition, PartitionShared } from '../src/poller/partition.ts';
import { Uncommitted } from '../src/poller/uncommitted.ts';
import { Leases } from '../src/wire/leases.ts';
import { FakeClock } from './fake-clock.ts';

/** A partition that admits everything, for tests of what is below it. */
export function stubPartition(rest: Partial<LanePartition> = {}): LanePartition {
  return {
    topic: 't',
    partition: 0,
    state: 'active',
    lease: { index: 0, generation: 0 },
    handsOut: true,
    inFlight: 0,
    holding: false,
    complete: () => undefined,
    waiting: { add: () => undefined, end: () => undefined },
    exhaust: () => true,
    halted: false,
    parked: undefined,
    admits: (_lane, count) => count,
    release: () => [],
    hold: () => undefined,
    forget: () => undefined,
    ...rest,
  };
}

/** A record of t[0] without a value; its key (default: `k`) is given as text. */
export function recordOf({ key = 'k', ...rest }: RecordContent): ClientRecord {
  const bytes = key === null ? null : Buffer.from(key);
  return { topic: 't', partition: 0, timestamp: 0, value: null, ...rest, key: bytes };
}

type RecordContent = Partial<Omit<ClientRecord, 'key'>> & { readonly offset: number; readonly key?: string | null };

/** Every default. */
export const RESOLVED: ResolvedOptions = resolveOptions({
  kafka: { 'bootstrap.servers': 'fake', 'group.id': 'g' },
  topics: ['t'],
  handler: () => undefined,
});

/** The limits of the tests' buffers. */
export type SharedLimits = Partial<
  Omit<PartitionShared['options'] & BudgetLimits, 'retry' | 'deadLetter' | 'park'> & {
    readonly bufferedRecordsPerPartitionMax: number;
    readonly park: PartitionShared['options']['park'];
    readonly retry: BudgetLimits['retry'];
    readonly deadLetter: Partial<PartitionShared['options']['deadLetter']>;
  }
>;

/** What partitions share: much room, order by key, one thread. */
export function sharedOf(
  limits: SharedLimits = {},
  { threads = 1, ordering = 'key' as 'key' | 'partition' | 'unordered' } = {},
): PartitionShared {
  const all = {
    bufferedRecordsMax: 1_000,
    bufferedBytesMax: 1e9,
    recordsPerPollMax: 100,
    bufferedRecordsPerPartitionMax: 1_000,
    offsetMapCharactersMax: 4_095,
    ...limits,
    retry: limits.retry ?? RESOLVED.retry,
    deadLetter: { ...RESOLVED.deadLetter, ...limits.deadLetter },
    park: limits.park,
  };
  const laneKey = laneKeys({ ordering, nullKeys: 'unordered', orderingKey: undefined });
  const partitionRecordsMax = () => all.bufferedRecordsPerPartitionMax;
  return { options: all, threads, laneKey, partitionRecordsMax, leases: new Leases(), budget: new Budget(all) };
}

/** `t[0]`, or `t[0]@5` where it has an offset. */
export function nameOf(at: TopicPartition & { readonly offset?: number }): string {
  return at.offset === undefined ? partitionName(at) : `${partitionName(at)}@${at.offset}`;
}

export function namesOf(all: readonly (TopicPartition & { readonly offset?: number })[]): string {
  return all.map(nameOf).join(' ');
}

/** These partitions of topic t. */
export function partitionsAt(...numbers: number[]): TopicPartition[] {
  return numbers.map((partition) => ({ topic: 't', partition }));
}

/** The partition's lane of that key. */
export function laneOf({ lanes }: Partition, name: string): Lane | undefined {
  return [...lanes].find((lane) => lane.name === name);
}

/** The offset a commit would say; undefined where it would say nothing new. */
export function uncommittedOf(partition: Partition): number | undefined {
  return partition.dirty ? partition.uncommitted().offset : undefined;
}

/** Lets time pass, and all happen that is due by then. */
export function pass(clock: FakeClock, durationMs: number): void {
  let over = false;
  clock.after(durationMs, () => {
    over = true;
  });
  while (!over) clock.step();
}

/** What a promise has come to by the next turn of the event loop. */
export async function outcomeOf<T>(promise: Promise<T>): Promise<T | 'pending'> {
  return Promise.race([promise, turn('pending' as const)]);
}

/** What the outside answers to an assignment. */
export interface Outside {
  readonly flush?: AssignmentParts['flush'];
  readonly committed?: () => Promise<readonly CommittedOffset[]>;
  readonly assign?: (partitions: readonly TopicPartition[]) => void;
  readonly watermarks?: (partition: TopicPartition) => Watermarks | undefined;
  readonly betweenPolls?: AssignmentParts['betweenPolls'];
  readonly limits?: SharedLimits;
}

/** An assignment on a client and a clock that are fakes, and what it did and told. */
export class TestAssignment {
  readonly clock: FakeClock = new FakeClock();
  readonly events: Events = new Events();
  readonly warnings: KeylaneError[] = [];
  readonly faults: KeylaneError[] = [];
  readonly shared: PartitionShared;
  readonly assignment: Assignment;
  /** When a seek is done. */
  seeking: Promise<void> = Promise.resolve();
  readonly #log: string[] = [];

  constructor(outside: Outside = {}) {
    const { committed = async () => [], watermarks = () => undefined, assign, flush } = outside;
    const note = (what: string) => (partitions: readonly PartitionOffset[] | readonly TopicPartition[]) =>
      void this.#log.push(`${what} ${namesOf(partitions)}`);
    const told = ['assigned', 'revoked', 'lost'] as const;
    for (const name of told) this.events.on(name, ({ partitions }) => note(`told ${name}`)(partitions));
    this.events.on('warning', (error) => void this.warnings.push(error));
    this.shared = sharedOf(outside.limits, { threads: 2 });
    this.assignment = new Assignment({
      options: { drainTimeoutMs: 20_000 },
      client: {
        assign: (partitions) => {
          note('assign')(partitions);
          assign?.(partitions);
        },
        unassign: note('unassign'),
        committed: (partitions) => {
          note('ask for')(partitions);
          return committed();
        },
        watermarks,
        seek: async (offset) => {
          note('seek')([offset]);
          await this.seeking;
        },
      },
      clock: this.clock,
      events: this.events,
      shared: this.shared,
      flush: async (wanted) => {
        note('commit')(this.assignment.uncommitted());
        await flush?.(wanted);
      },
      betweenPolls: outside.betweenPolls ?? (async (action) => action()),
      onOpened: note('opened'),
      onFatal: (error) => void this.faults.push(error),
      onRebalancing: (underWay) => void this.#log.push(underWay ? 'rebalancing' : 'answered'),
    });
  }

  /** One that owns these partitions of topic t already. */
  static async owning(numbers: readonly number[], outside?: Outside): Promise<TestAssignment> {
    const over = new TestAssignment(outside);
    await over.assign(...numbers);
    return over;
  }

  get budget(): Budget {
    return this.shared.budget;
  }

  /** These are assigned, and that is answered; the log begins anew. */
  async assign(...numbers: number[]): Promise<void> {
    this.assignment.onAssigned(partitionsAt(...numbers));
    await this.assignment.settled();
    this.takeLog();
  }

  takeLog(): string[] {
    return this.#log.splice(0);
  }

  find(partition: number): Partition {
    return this.assignment.find({ topic: 't', partition }) as Partition;
  }

  register(partition: number, offset: number, rest: Partial<RecordContent> = {}): Delivery | undefined {
    return this.assignment.register(recordOf({ partition, offset, ...rest }));
  }

  /** Registers a record and hands it to a thread. */
  run(partition: number, offset: number, rest: Partial<RecordContent> = {}): Delivery {
    const delivery = this.register(partition, offset, rest) as Delivery;
    delivery.lane.state = 'ready';
    delivery.lane.take(1);
    return delivery;
  }

  /** What settle does with a completed record. */
  complete({ lane }: Delivery): void {
    lane.partition.complete(lane.shift());
    lane.land();
    this.assignment.onSettled();
  }

  /** Registers, runs and completes a record. */
  pass(partition: number, ...offsets: number[]): void {
    for (const offset of offsets) this.complete(this.run(partition, offset));
  }

  /** What a commit would say, as `t[0]@5`. */
  get uncommitted(): string {
    return namesOf(this.assignment.uncommitted());
  }

  /** The broker takes a commit of all there is. */
  confirm(): CommittedOffset[] {
    const offsets = this.assignment.uncommitted();
    for (const offset of offsets) offset.confirm();
    return offsets;
  }

  /** The broker refuses a commit of all there is. */
  refuse(error: KafkaError): void {
    for (const offset of this.assignment.uncommitted()) offset.refuse(error);
  }
}

/** What is committable, as partition: offset; `confirmed` is what the broker has, `refused` what it did not take. */
class FakeStore implements OffsetStore {
  committable: Record<number, number> = {};
  readonly confirmed: Record<number, number> = {};
  readonly refused: string[] = [];
  /** What completed above the offsets, and the one of it that the broker has. */
  map = 'map';
  confirmedMap = 'map';

  uncommitted(): Uncommitted[] {
    return Object.entries(this.committable)
      .map(([partition, offset]) => this.#one(Number(partition), offset))
      .filter(({ partition, offset }) => this.confirmed[partition] !== offset || this.confirmedMap !== this.map);
  }

  /** Whether a flush has something left to wait for. */
  wanted = (): boolean => this.uncommitted().length > 0;

  #one(partition: number, offset: number): Uncommitted {
    const { map } = this;
    const at = { topic: 't', partition, offset, metadata: `${map} of ${offset}` };
    const onTaken = () => {
      this.confirmed[partition] = offset;
      this.confirmedMap = map;
    };
    const onRefused = ({ kafkaCode }: KafkaError) => void this.refused.push(`${nameOf(at)} ${kafkaCode}`);
    return new Uncommitted({ onTaken, onRefused }, 0, at);
  }
}

/** A committer over a store of these offsets, with a client and a clock that are fakes. */
export function committerOver(committable: Record<number, number> = {}) {
  const clock = new FakeClock();
  const store = new FakeStore();
  store.committable = committable;
  const commits: CommittedOffset[][] = [];
  const [warnings, committed]: [KeylaneError[], string[][]] = [[], []];
  let refused: KafkaError | undefined;
  const events = new Events();
  events.on('warning', (error) => void warnings.push(error));
  events.on('committed', ({ offsets }) => void committed.push(offsets.map(nameOf)));
  const committer = new Committer({
    options: { commitIntervalMs: 1_000, commitRecordsMax: 10 },
    client: {
      commit: (offsets) => {
        if (refused !== undefined) throw refused;
        commits.push([...offsets]);
      },
    },
    clock,
    events,
    store,
  });
  /** The broker answers the last commit sent; `errors` by partition. */
  const answer = (error?: KafkaError, errors: Record<number, KafkaError> = {}) => {
    const answers = (commits.at(-1) as CommittedOffset[]).map(({ topic, partition, offset: at }): CommitAnswer => {
      const offset = { topic, partition, offset: at };
      const refused = errors[offset.partition];
      return refused === undefined ? offset : { ...offset, error: refused };
    });
    committer.onAnswered(answers, error);
  };
  const flush = () => committer.flush(store.wanted);
  return {
    committer,
    clock,
    store,
    commits,
    answer,
    flush,
    warnings,
    committed,
    sent: () => commits.map((all) => all.map(nameOf)),
    /** From now on each call of the client throws this, or none does. */
    refuseCalls: (error: KafkaError | undefined) => {
      refused = error;
    },
  };
}

/**
 * A cluster in memory, and clients of it that behave as the real one was measured to: records come in runs of a
 * partition, a commit's answer is served only while `consume` is called, a pause throws away what was fetched.
 */
import { KafkaError } from '../src/errors.ts';
import type {
  Client,
  ClientListener,
  ClientRecord,
  CommittedOffset,
  OnConsumed,
  TopicPartition,
  Watermarks,
} from '../src/poller/client.ts';
import type { FakeClock } from './fake-clock.ts';
import type { Random } from './random.ts';

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/** One partition's log and what the group committed in it. */
export interface FakePartition extends TopicPartition {
  readonly records: ClientRecord[];
  committed: number;
  metadata: string;
  /** One past the last offset. */
  end: number;
}

/** How often things go wrong, each between 0 and 1. */
export interface Weather {
  /** A commit is refused. */
  readonly commitFails: number;
}

export class FakeCluster {
  readonly partitions: Map<string, FakePartition> = new Map();

  constructor(topics: Readonly<Record<string, number>>) {
    for (const [topic, count] of Object.entries(topics)) {
      for (let partition = 0; partition < count; partition += 1) {
        this.partitions.set(nameOf({ topic, partition }), {
          topic,
          partition,
          records: [],
          committed: 0,
          metadata: '',
          end: 0,
        });
      }
    }
  }

  get(topicPartition: TopicPartition): FakePartition {
    return this.partitions.get(nameOf(topicPartition)) as FakePartition;
  }

  /** Appends a record, after `hole` offsets that no consumer will ever see. */
  append(at: TopicPartition, key: Buffer | null, hole: number): ClientRecord {
    const partition = this.get(at);
    const offset = partition.end + hole;
    const record = { ...at, offset, timestamp: offset, key, value: Buffer.from(`${offset}`) };
    partition.records.push(record);
    partition.end = offset + 1;
    return record;
  }
}

/** A member of the group: all partitions are its own. */
export class FakeClient implements Client {
  readonly #cluster: FakeCluster;
  readonly #clock: FakeClock;
  readonly #random: Random;
  readonly #weather: Weather;
  #listener: ClientListener | undefined = undefined;
  /** Assigned partitions and the next offset to fetch from each. */
  readonly #positions: Map<string, number> = new Map();
  readonly #paused: Set<string> = new Set();
  /** What `consume` will serve: answers to commits. */
  #served: (() => void)[] = [];
  #connected = true;

  constructor(cluster: FakeCluster, clock: FakeClock, random: Random, weather: Weather) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#random = random;
    this.#weather = weather;
  }

  async connect(listener: ClientListener): Promise<void> {
    this.#listener = listener;
  }

  async subscribe(): Promise<readonly string[]> {
    this.#soon(() => this.#listener?.onAssigned([...this.#cluster.partitions.values()].map(topicPartition)));
    return [];
  }

  consume(recordsMax: number, done: OnConsumed): void {
    this.#soon(() => {
      const served = this.#served;
      this.#served = [];
      for (const serve of served) serve();
      done(undefined, this.#fetch(recordsMax), []);
    });
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    return partitions.map((partition) => ({
      ...topicPartition(partition),
      offset: this.#cluster.get(partition).committed,
      metadata: this.#cluster.get(partition).metadata,
    }));
  }

  watermarks(partition: TopicPartition): Watermarks {
    return { low: 0, high: this.#cluster.get(partition).end };
  }

  assign(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#positions.set(nameOf(partition), this.#cluster.get(partition).committed);
    this.wake();
  }

  unassign(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      this.#positions.delete(nameOf(partition));
      this.#paused.delete(nameOf(partition));
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#paused.add(nameOf(partition));
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#paused.delete(nameOf(partition));
    this.wake();
  }

  commit(offsets: readonly CommittedOffset[]): void {
    this.#soon(() => {
      const error = this.#random.chance(this.#weather.commitFails)
        ? new KafkaError('ERR_KAFKA', 'coordinator not available', { kafkaCode: 15 })
        : undefined;
      for (const { offset, metadata, ...at } of offsets) {
        if (error === undefined) Object.assign(this.#cluster.get(at), { committed: offset, metadata });
      }
      this.#served.push(() => this.#listener?.onCommitAnswered(offsets, error));
    });
  }

  async disconnect(): Promise<void> {
    this.#connected = false;
    this.#positions.clear();
  }

  /** There may be records now. */
  wake(): void {
    this.#soon(() => this.#listener?.onRecordsAvailable());
  }

  #soon(callback: () => void): void {
    this.#clock.after(this.#random.next() * 5, () => {
      if (this.#connected) callback();
    });
  }

  /** Runs of records of random partitions, each from where it stands. */
  #fetch(recordsMax: number): ClientRecord[] {
    const fetched: ClientRecord[] = [];
    const names = [...this.#positions.keys()].filter((name) => !this.#paused.has(name));
    while (fetched.length < recordsMax && names.length > 0) {
      const name = this.#random.pick(names);
      const { records } = this.#cluster.partitions.get(name) as FakePartition;
      const position = this.#positions.get(name) as number;
      const first = records.findIndex(({ offset }) => offset >= position);
      if (first === -1) {
        names.splice(names.indexOf(name), 1);
        continue;
      }
      const run = records.slice(first, first + Math.min(this.#random.int(1, 20), recordsMax - fetched.length));
      fetched.push(...run);
      this.#positions.set(name, (run.at(-1) as ClientRecord).offset + 1);
    }
    return fetched;
  }
}

function topicPartition({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

/**
 * The client port on @confluentinc/kafka-javascript's callback API (librdkafka).
 *
 * librdkafka's own threads fetch and send heartbeats; everything here runs on the event loop of the main thread.
 */
import { KafkaError } from '../errors.ts';
import {
  type Client,
  type ClientListener,
  type CommittedOffset,
  type OnConsumed,
  type PartitionOffset,
  partitionName,
  type TopicPartition,
  type Watermarks,
} from './client.ts';
import {
  AUTO_OFFSET_RESET,
  connectClient,
  FATAL,
  type KafkaConsumer,
  type KafkaOptions,
  type LibrdKafkaError,
  makeClient,
  type NativeConsumer,
  onClientError,
  type TopicPartitionOffsetAndMetadata,
  toKafkaError,
  WRONG_STATE,
  whileTelling,
} from './confluent.ts';
import { EndWatch } from './end-watch.ts';
import { ResetWatch } from './reset-watch.ts';
import { type PartitionDetails, readStatistics } from './statistics.ts';
import { topicPattern } from './topic-pattern.ts';

const ASSIGN_PARTITIONS = -175;
const REVOKE_PARTITIONS = -174;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
/** How long an assignment waits for the committed offsets. */
const COMMITTED_MS = 5_000;
const SEEK_MS = 5_000;

/** Ours of fetching unless the application says otherwise; docs/tuning.md has the reasons. */
export const FETCH_DEFAULTS: KafkaOptions = {
  'queued.max.messages.kbytes': 32_768,
  'queued.min.messages': 30_000,
  'fetch.queue.backoff.ms': 50,
  'max.partition.fetch.bytes': 262_144,
};

/** And of all else. */
const DEFAULTS: KafkaOptions = {
  'partition.assignment.strategy': 'cooperative-sticky',
  'statistics.interval.ms': 5_000,
  ...FETCH_DEFAULTS,
};

/** The consumer with what its type declarations leave out. */
type Consumer = KafkaConsumer & {
  incrementalAssign(partitions: readonly TopicPartition[]): void;
  incrementalUnassign(partitions: readonly TopicPartition[]): void;
  assignmentLost(): boolean;
  rebalanceProtocol(): 'NONE' | 'EAGER' | 'COOPERATIVE';
  getClient(): NativeConsumer;
};

export class ConfluentClient implements Client {
  readonly #kafka: KafkaOptions;
  #consumer: Consumer | undefined = undefined;
  #native: NativeConsumer | undefined = undefined;
  #listener: ClientListener | undefined = undefined;
  /** Settles when `connect` is through, whatever came of it. */
  #connecting: Promise<unknown> = Promise.resolve();
  #leaving = false;
  readonly #resets: ResetWatch | undefined;
  readonly #ends: EndWatch = new EndWatch();
  /** What consuming failed with before anybody consumed. */
  readonly #failures: LibrdKafkaError[] = [];

  constructor(kafka: KafkaOptions) {
    this.#kafka = kafka;
    if (kafka['auto.offset.reset'] === 'error') this.#resets = new ResetWatch();
  }

  connect(listener: ClientListener, timeoutMs: number): Promise<void> {
    const connecting = this.#connect(listener, timeoutMs);
    this.#connecting = connecting.catch(() => undefined);
    return connecting;
  }

  async #connect(listener: ClientListener, timeoutMs: number): Promise<void> {
    this.#listener = listener;
    const { 'auto.offset.reset': reset, ...kafka } = this.#kafka;
    const config = {
      ...defaultsFor(kafka),
      ...kafka,
      'enable.auto.commit': false,
      'enable.auto.offset.store': false,
      // It costs latency (see end-watch.ts), so only where there are no statistics to find the ends by.
      'enable.partition.eof': Number({ ...DEFAULTS, ...kafka }['statistics.interval.ms']) === 0,
      rebalance_cb: (error: LibrdKafkaError, partitions: TopicPartition[]) => this.#onRebalance(error, partitions),
      offset_commit_cb: (error: LibrdKafkaError | null, offsets: CommitResult[]) => this.#onCommitted(error, offsets),
      queue_non_empty_cb: () => listener.onRecordsAvailable(),
    };
    // auto.offset.reset is a property of topics: in the global configuration the binding would lose it.
    const topicConfig = reset === undefined ? {} : { 'auto.offset.reset': reset };
    const consumer = await makeClient(
      ({ KafkaConsumer }) => new KafkaConsumer(config as never, topicConfig as never) as Consumer,
    );
    this.#consumer = consumer;
    onClientError(consumer, (error) => listener.onError(toKafkaError(error, 'the client reports')));
    // `consume` keeps an error to itself where it has records to bring; what is fatal is in the log all the same.
    consumer.on('event.log', ({ fac, message }: LogLine) => {
      if (fac === 'FATAL') listener.onError(toKafkaError({ code: FATAL, message }, 'the client reports'));
    });
    consumer.on('event.stats', (event) => {
      const { ageMs, partitions } = readStatistics((event as unknown as { message: string }).message);
      listener.onStatistics(partitions);
      this.#ends.look(partitions, bornAt + ageMs);
      this.#watchResets(partitions);
    });
    // Before the client itself begins to count, so that its statistics seem older than they are, never younger.
    const bornAt = performance.now();
    const connecting = connectClient(consumer, this.#kafka, timeoutMs);
    await whileTelling(consumer, connecting, (error) => void this.#failures.push(error));
    // Zero: take what is there and wait for nothing; queue_non_empty_cb says when there is more.
    this.#native = consumer.getClient();
  }

  async subscribe(topics: readonly (string | RegExp)[]): Promise<readonly string[]> {
    const missing = await this.#missing(topics.filter((topic) => typeof topic === 'string'));
    const names = topics.map((topic) => (typeof topic === 'string' ? topic : (topicPattern(topic).pattern as string)));
    this.#call('subscribe', (consumer) => consumer.subscribe(names));
    return missing;
  }

  consume(recordsMax: number, done: OnConsumed): void {
    const failure = this.#failures.shift();
    if (failure !== undefined) {
      setImmediate(done, toKafkaError(failure, 'consuming failed'), [], []);
      return;
    }
    const pending = this.#ends.pending();
    (this.#native as NativeConsumer).consume(0, recordsMax, false, (error, records, ends) => {
      if (error) done(toKafkaError(error, 'consuming failed'), [], []);
      else if (records.length > 0 || pending.length === 0) done(undefined, records, ends);
      else done(undefined, records, [...ends, ...this.#ends.foundNothing(pending)]);
    });
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    const offsets = await new Promise<CommitResult[]>((resolve, reject) => {
      this.#connected().committed(partitions as never, COMMITTED_MS, (error, answer) => {
        if (error) reject(toKafkaError(error, 'the committed offsets cannot be read'));
        else resolve(answer as CommitResult[]);
      });
    });
    if (this.#resets !== undefined) this.#onGivenUp(offsets.filter(({ offset }) => !isOffset(offset)));
    return offsets
      .filter(({ offset }) => isOffset(offset))
      .map(({ topic, partition, offset, metadata, leaderEpoch }) => ({
        topic,
        partition,
        offset: offset as number,
        metadata: metadata ?? '',
        leaderEpoch,
      }));
  }

  watermarks({ topic, partition }: TopicPartition): Watermarks | undefined {
    try {
      const { lowOffset, highOffset } = this.#connected().getWatermarkOffsets(topic, partition);
      return lowOffset < 0 || highOffset < 0 ? undefined : { low: lowOffset, high: highOffset };
    } catch {
      // A partition the client has just given back is one it no longer knows.
      return undefined;
    }
  }

  assign(partitions: readonly (TopicPartition & { readonly offset?: number })[]): void {
    this.#answer((consumer) => {
      if (isCooperative(consumer)) consumer.incrementalAssign(partitions);
      else consumer.assign(partitions as never);
      this.#resets?.onAssigned(partitions);
      this.#ends.onAssigned(partitions);
    });
  }

  unassign(partitions: readonly TopicPartition[]): void {
    this.#resets?.onUnassigned(partitions);
    this.#ends.onUnassigned(partitions);
    this.#answer((consumer) => {
      if (isCooperative(consumer)) consumer.incrementalUnassign(partitions);
      else consumer.unassign();
    });
  }

  seek(offset: PartitionOffset): Promise<void> {
    this.#ends.onMoved([offset], performance.now());
    return new Promise((resolve, reject) => {
      this.#connected().seek(offset, SEEK_MS, (error) => {
        this.#ends.onMoved([offset], performance.now());
        if (error)
          reject(toKafkaError(error, `${offset.topic}[${offset.partition}] cannot be read from ${offset.offset}`));
        else resolve();
      });
    });
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#ends.onMoved(partitions, performance.now(), true);
    this.#call('pause', (consumer) => consumer.pause(partitions as never));
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#call('resume', (consumer) => consumer.resume(partitions as never));
    this.#ends.onMoved(partitions, performance.now(), false);
  }

  commit(offsets: readonly CommittedOffset[]): void {
    this.#call('commit', (consumer) => consumer.commit(offsets as never));
  }

  async disconnect(): Promise<void> {
    this.#leaving = true;
    // A connection that is being made would otherwise outlive this.
    await this.#connecting;
    const consumer = this.#consumer;
    if (consumer === undefined) return;
    await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
    this.#consumer = undefined;
  }

  #connected(): Consumer {
    if (this.#consumer === undefined)
      throw new KafkaError('ERR_KAFKA', 'the client is not connected', { kafkaCode: WRONG_STATE });
    return this.#consumer;
  }

  /** A call whose failure is Kafka's, and no fault of ours. */
  #call(name: string, call: (consumer: Consumer) => void): void {
    const consumer = this.#connected();
    try {
      call(consumer);
    } catch (error) {
      throw toKafkaError(error as LibrdKafkaError, `the client refused ${name}()`);
    }
  }

  /** Literal topics the cluster does not know, by asking for each by name. */
  async #missing(topics: readonly string[]): Promise<string[]> {
    const answers = topics.map(
      (topic) =>
        new Promise<string[]>((resolve, reject) => {
          this.#connected().getMetadata({ topic, timeout: 10_000 } as never, (error, metadata) => {
            const found = metadata?.topics.find(({ name }) => name === topic) as
              | { error?: unknown; partitions: unknown[] }
              | undefined;
            if (error && error.code !== UNKNOWN_TOPIC_OR_PARTITION)
              reject(toKafkaError(error, `topic ${topic} cannot be looked up`));
            else resolve(found === undefined || found.partitions.length === 0 ? [topic] : []);
          });
        }),
    );
    return (await Promise.all(answers)).flat();
  }

  #watchResets(statistics: readonly PartitionDetails[]): void {
    if (this.#resets === undefined) return;
    const { givenUp, unknown } = this.#resets.look(statistics);
    this.#onGivenUp(givenUp);
    // Where there is none, that is told from there; where the broker does not say, the client does not know either.
    if (unknown.length > 0) void this.committed(unknown).catch(() => undefined);
  }

  #onGivenUp(partitions: readonly TopicPartition[]): void {
    if (partitions.length === 0) return;
    const message =
      `${partitions.map(partitionName).join(', ')}: there is no committed offset that the log still holds, and ` +
      "'auto.offset.reset' is 'error'. Commit where to begin, or set it to 'earliest' or 'latest'";
    this.#listener?.onError(new KafkaError('ERR_KAFKA', message, { kafkaCode: AUTO_OFFSET_RESET, fatal: true }));
  }

  #onRebalance(error: LibrdKafkaError, partitions: readonly TopicPartition[]): void {
    const names = partitions.map(({ topic, partition }) => ({ topic, partition }));
    const isAssigned = error.code === ASSIGN_PARTITIONS;
    if (!isAssigned && error.code !== REVOKE_PARTITIONS) {
      this.#listener?.onError(toKafkaError(error, 'a rebalance failed'));
      return;
    }
    this.#ends.onRebalance();
    if (isAssigned) this.#listener?.onAssigned(names);
    else this.#listener?.onRevoked(names, this.#consumer?.assignmentLost() ?? false);
  }

  #onCommitted(error: LibrdKafkaError | null | undefined, offsets: readonly CommitResult[] | undefined): void {
    const answers = (offsets ?? []).map(({ topic, partition, offset, error: refusal }) => ({
      topic,
      partition,
      offset: offset as number,
      ...(refusal !== undefined &&
        refusal !== null && { error: toKafkaError(refusal, 'the broker refused the offset') }),
    }));
    this.#listener?.onCommitAnswered(answers, error ? toKafkaError(error, 'the broker refused the commit') : undefined);
  }

  /** Answers a rebalance. While the client leaves there may be nobody left to answer. */
  #answer(call: (consumer: Consumer) => void): void {
    if (this.#consumer === undefined) return;
    try {
      call(this.#consumer);
      this.#ends.onAnswered(performance.now());
    } catch (error) {
      if (!this.#leaving) throw toKafkaError(error as LibrdKafkaError, 'a rebalance could not be answered');
    }
  }
}

/** A line of librdkafka's log. */
interface LogLine {
  readonly fac: string;
  readonly message: string;
}

type CommitResult = TopicPartitionOffsetAndMetadata & { error?: LibrdKafkaError | null };

/** KIP-848's protocol brings its own assignor, and the client refuses one of ours. */
function defaultsFor(kafka: KafkaOptions): Record<string, unknown> {
  const { 'partition.assignment.strategy': strategy, ...others } = DEFAULTS;
  return kafka['group.protocol'] === 'consumer' ? others : { 'partition.assignment.strategy': strategy, ...others };
}

function isCooperative(consumer: Consumer): boolean {
  return consumer.rebalanceProtocol() === 'COOPERATIVE';
}

/** A negative one says that there is none. */
function isOffset(offset: number | undefined): boolean {
  return offset !== undefined && offset >= 0;
}

/**
 * Reading a topic from one offset to another, and what a group has committed. A consumer that is assigned what it
 * reads: it joins no group and commits nothing. With `producer.ts` the only importer of the Kafka client.
 */
import confluent, { type LibrdKafkaError } from '@confluentinc/kafka-javascript';
import type { RecordHeader } from 'keylane';
import { CliError, type ClientError, kafkaError, unreachable } from '../errors.ts';
import type { Settings } from './settings.ts';

/** A record as the log holds it. */
export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since the epoch; -1 where there is none. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/** Offsets of a partition, from the first to before the last one. */
export interface Span {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** What a group has committed for a partition. */
export interface CommittedOffset {
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
}

/** What consumers and producers have in common. */
interface Connectable {
  on(event: 'event.log', listener: (line: { message: string }) => void): unknown;
  off(event: 'event.log', listener: (line: { message: string }) => void): unknown;
  connect(options: never, done: never): unknown;
}

type Done<T> = (error: LibrdKafkaError | null | undefined, answer?: T) => void;

/** Records taken in one call. */
const RECORDS_PER_CALL_MAX = 500;
/** How long one call waits for a first record. */
const CALL_MS = 100;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
/** A coordinator that loads, moves or has a transaction to end. */
const ASK_AGAIN: ReadonlySet<number> = new Set([14, 15, 16, 88]);
const ASK_AGAIN_MS = 200;
/** Topics that an error message names. */
const NAMED_MAX = 5;
/** Lines of the client's log that one does. */
const CAUSES_MAX = 2;

/** A callback of the client as a promise. */
export function call<T>(start: (done: Done<T>) => unknown): Promise<T> {
  return new Promise((resolve, reject) => start((error, answer) => (error ? reject(error) : resolve(answer as T))));
}

/** Makes a client and connects it; rejects with what the brokers, or the network, said. */
export async function connected<T extends Connectable>(
  make: () => T,
  settings: Settings,
  timeoutMs: number,
): Promise<T> {
  let client: T;
  try {
    client = make();
  } catch (error) {
    throw new CliError(
      `the client refuses its configuration: ${(error as Error).message}. Check --kafka and --config.`,
    );
  }
  // What goes wrong is told by the client's log; the call itself only says that no broker answered.
  const said = new Set<string>();
  const onLog = ({ message }: { message: string }) =>
    said.add(message.replace(/^\[thrd:.*?\]: /, '').replace(/ \(after .*\)$/, ''));
  client.on('event.log', onLog);
  try {
    await call((done) => client.connect({ timeout: timeoutMs, allTopics: false } as never, done as never));
  } catch (error) {
    // Disconnecting waits for the same brokers; the process ends without.
    const servers = settings['bootstrap.servers'] ?? settings['metadata.broker.list'];
    const what = `no broker of ${String(servers)} let us in within ${timeoutMs / 1_000} s`;
    throw unreachable(what, [...said].slice(0, CAUSES_MAX), error as ClientError);
  } finally {
    client.off('event.log', onLog);
  }
  return client;
}

/** Frees a client, for at most a while: what hangs in it is no reason to hang as well. */
export async function disconnected(client: { disconnect(done: () => void): unknown }): Promise<void> {
  await Promise.race([
    new Promise<void>((resolve) => client.disconnect(() => resolve())),
    new Promise<void>((resolve) => setTimeout(resolve, 5_000).unref()),
  ]);
}

export class Reader {
  /** For a producer's transactions. */
  readonly consumer: InstanceType<typeof confluent.KafkaConsumer>;
  readonly #timeoutMs: number;

  private constructor(consumer: Reader['consumer'], timeoutMs: number) {
    this.consumer = consumer;
    this.#timeoutMs = timeoutMs;
  }

  /** Connects. The group is only asked what it has committed. */
  static async open(settings: Settings, group: string, timeoutMs: number): Promise<Reader> {
    const config = {
      'queued.max.messages.kbytes': 16_384,
      'fetch.wait.max.ms': 50,
      log_level: 3,
      ...settings,
      'group.id': group,
      'enable.auto.commit': false,
      'enable.auto.offset.store': false,
      'enable.partition.eof': true,
      'isolation.level': 'read_committed',
      'allow.auto.create.topics': false,
    };
    const topics = { 'auto.offset.reset': 'earliest' };
    const make = () => new confluent.KafkaConsumer(config as never, topics as never);
    const consumer = await connected(make, settings, timeoutMs);
    consumer.setDefaultConsumeTimeout(CALL_MS);
    // Left out of its type declarations.
    (
      consumer as never as { setDefaultIsTimeoutOnlyForFirstMessage(on: boolean): void }
    ).setDefaultIsTimeoutOnlyForFirstMessage(true);
    return new Reader(consumer, timeoutMs);
  }

  /** How many partitions a topic has; `undefined` where there is none of that name, or none that we may see. */
  async partitions(topic: string): Promise<number | undefined> {
    const count = (await this.#topics(topic)).find(({ name }) => name === topic)?.partitions.length ?? 0;
    return count === 0 ? undefined : count;
  }

  /** All that each partition of a topic holds now. Rejects where there is no such topic. */
  async spans(topic: string): Promise<Span[]> {
    const count = await this.partitions(topic);
    if (count === undefined) throw await this.#noSuchTopic(topic);
    const spans = Array.from({ length: count }, async (_, partition) => {
      const { lowOffset, highOffset } = await this.#asked<{ lowOffset: number; highOffset: number }>(
        `the offsets of ${topic}[${partition}] cannot be had`,
        (done) => this.consumer.queryWatermarkOffsets(topic, partition, this.#timeoutMs, done as never),
      );
      return { partition, from: lowOffset, to: highOffset };
    });
    return Promise.all(spans);
  }

  /** What our group has committed for the topic, where it has. */
  async committed(topic: string, partitions: readonly number[]): Promise<CommittedOffset[]> {
    const asked = partitions.map((partition) => ({ topic, partition }));
    const answer = await this.#asked<{ partition: number; offset?: number; metadata?: string | null }[]>(
      `what was replayed of ${topic} cannot be read`,
      (done) => this.consumer.committed(asked as never, this.#timeoutMs, done as never),
    );
    return answer.flatMap(({ partition, offset = -1, metadata }) =>
      offset < 0 ? [] : [{ partition, offset, metadata: metadata ?? '' }],
    );
  }

  /** The records of a span in the order of their offsets. */
  async *read(topic: string, { partition, from, to }: Span): AsyncGenerator<LogRecord> {
    if (from >= to) return;
    let ended = false;
    const onEnd = (at: { topic: string; partition: number; offset: number }) => {
      // An end before ours is not the end: it may be of what was assigned before.
      if (at.topic === topic && at.partition === partition && at.offset >= to) ended = true;
    };
    this.consumer.on('partition.eof', onEnd as never);
    this.consumer.assign([{ topic, partition, offset: from }] as never);
    try {
      let waiting = performance.now();
      while (!ended) {
        const records = await this.#asked<ClientRecord[]>(`${topic}[${partition}] cannot be read`, (done) =>
          this.consumer.consume(RECORDS_PER_CALL_MAX, done as never),
        );
        for (const record of records) {
          // A call that was under way may still bring what was assigned before.
          if (record.topic !== topic || record.partition !== partition || record.offset < from) continue;
          if (record.offset >= to) return;
          yield logRecord(record);
          if (record.offset === to - 1) return;
        }
        if (records.length > 0) waiting = performance.now();
        if (!ended && performance.now() - waiting > this.#timeoutMs) {
          throw new CliError(
            `${topic}[${partition}] sent nothing for ${this.#timeoutMs / 1_000} s. Check that its leader can be ` +
              'reached; --timeout gives it more time.',
          );
        }
      }
    } finally {
      this.consumer.off('partition.eof', onEnd as never);
      this.consumer.unassign();
    }
  }

  close(): Promise<void> {
    return disconnected(this.consumer);
  }

  async #noSuchTopic(topic: string): Promise<CliError> {
    const word = topic.split(/[-._]/)[0] as string;
    const near = (await this.#topics()).map(({ name }) => name).filter((name) => name.includes(word));
    const named = near.sort().slice(0, NAMED_MAX).join(', ');
    const hint = named === '' ? 'Check its name and the cluster, and ask for Describe on it.' : `There are: ${named}.`;
    return new CliError(`there is no topic ${topic}, or none that this user may see. ${hint}`);
  }

  async #topics(topic?: string): Promise<readonly { name: string; partitions: readonly unknown[] }[]> {
    const what = topic === undefined ? 'the topics cannot be listed' : `topic ${topic} cannot be looked up`;
    const options = { ...(topic === undefined ? { allTopics: true } : { topic }), timeout: this.#timeoutMs };
    try {
      const metadata = await call<{ topics: { name: string; partitions: unknown[] }[] }>((done) =>
        this.consumer.getMetadata(options as never, done as never),
      );
      return metadata.topics;
    } catch (error) {
      if ((error as ClientError).code === UNKNOWN_TOPIC_OR_PARTITION) return [];
      throw kafkaError(what, error as ClientError);
    }
  }

  /** What the brokers answer, asking again for as long as they say that somebody else is about to know. */
  async #asked<T>(what: string, start: (done: Done<T>) => unknown): Promise<T> {
    const begun = performance.now();
    for (;;) {
      try {
        return await call(start);
      } catch (error) {
        const isOver = performance.now() - begun > this.#timeoutMs;
        if (isOver || !ASK_AGAIN.has((error as ClientError).code)) throw kafkaError(what, error as ClientError);
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
      }
    }
  }
}

interface ClientRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp?: number;
  readonly key?: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly Readonly<Record<string, Buffer>>[];
}

function logRecord({ topic, partition, offset, timestamp = -1, key, value, headers }: ClientRecord): LogRecord {
  const pairs = (headers ?? []).flatMap((header) => Object.entries(header));
  return { topic, partition, offset, timestamp, key: key ?? null, value, headers: pairs };
}

/**
 * Reads a topic from its beginning to its end with a client of its own that joins no group and commits nothing. For
 * park topics, which are short and seldom read: the client lives no longer than the reading.
 */
import { KafkaError } from '../errors.ts';
import { type ClientRecord, headersOf, type PartitionOffset, type TopicPartition } from './client.ts';
import {
  connectClient,
  type KafkaConsumer,
  type KafkaOptions,
  makeClient,
  type NativeConsumer,
  onClientError,
  toKafkaError,
} from './confluent.ts';
import type { ParkTopicRecord } from './park.ts';
import type { TopicReader } from './parking.ts';

const CONNECT_MS = 30_000;
const METADATA_MS = 10_000;
/** With nothing coming for so long, its end will not come either: a leader is away. */
const STALLED_MS = 30_000;
const RECORDS_PER_POLL = 1_000;
const IDLE_MS = 20;
/** Of members of a group only; this client is none. */
const OF_MEMBERS = ['group.protocol', 'group.instance.id', 'partition.assignment.strategy', 'statistics.interval.ms'];

type Consumer = KafkaConsumer & { getClient(): NativeConsumer };

interface Metadata {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly { readonly id: number }[] }[];
}

export class ConfluentReader implements TopicReader {
  readonly #kafka: KafkaOptions;
  #closed = false;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(kafka: KafkaOptions) {
    this.#kafka = kafka;
  }

  async read(topic: string, onRecord: (record: ParkTopicRecord) => void): Promise<void> {
    const reading = this.#read(topic, onRecord);
    this.#reading = reading.catch(() => undefined);
    await reading;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#reading;
  }

  async #read(topic: string, onRecord: (record: ParkTopicRecord) => void): Promise<void> {
    const own = Object.entries(this.#kafka).filter(([name]) => !OF_MEMBERS.includes(name));
    const config = { ...Object.fromEntries(own), 'enable.auto.commit': false, 'enable.partition.eof': true };
    const begin = { 'auto.offset.reset': 'earliest' } as const;
    const consumer = await makeClient(({ KafkaConsumer }) => new KafkaConsumer(config, begin) as Consumer);
    // What goes wrong shows in what the calls say.
    onClientError(consumer, () => undefined);
    try {
      await connectClient(consumer, this.#kafka, CONNECT_MS);
      await this.#readAll(consumer, await partitionsOf(consumer, topic), onRecord);
    } finally {
      await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
    }
  }

  async #readAll(
    consumer: Consumer,
    partitions: readonly TopicPartition[],
    onRecord: (record: ParkTopicRecord) => void,
  ): Promise<void> {
    if (partitions.length === 0) return;
    consumer.assign(partitions.map((at) => ({ ...at, offset: BEGINNING })));
    const left = new Set(partitions.map(({ partition }) => partition));
    let movedAt = performance.now();
    while (left.size > 0) {
      if (this.#closed) throw new KafkaError('ERR_KAFKA', 'the consumer closes', { kafkaCode: -1 });
      const { records, ends } = await consume(consumer.getClient());
      for (const record of records) onRecord({ ...record, headers: headersOf(record) });
      for (const { partition } of ends) left.delete(partition);
      if (records.length > 0 || ends.length > 0) movedAt = performance.now();
      else if (performance.now() - movedAt > STALLED_MS) throw stalled(partitions, left);
      else await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    }
  }
}

/** librdkafka's word for the beginning of a log. */
const BEGINNING = -2;

/** None where there is no such topic. */
async function partitionsOf(consumer: Consumer, topic: string): Promise<TopicPartition[]> {
  const { topics } = await new Promise<Metadata>((resolve, reject) => {
    // Of all topics: to ask for one by its name would create it, where brokers do that.
    consumer.getMetadata({ allTopics: true, timeout: METADATA_MS } as never, (error, metadata) => {
      if (error) reject(toKafkaError(error, 'topics cannot be looked up'));
      else resolve(metadata as never);
    });
  });
  const found = topics.find(({ name }) => name === topic);
  return (found?.partitions ?? []).map(({ id }) => ({ topic, partition: id }));
}

function consume(native: NativeConsumer): Promise<{ records: ClientRecord[]; ends: PartitionOffset[] }> {
  return new Promise((resolve, reject) => {
    native.consume(0, RECORDS_PER_POLL, false, (error, records, ends) => {
      if (error) reject(toKafkaError(error, 'reading failed'));
      else resolve({ records, ends });
    });
  });
}

function stalled(partitions: readonly TopicPartition[], left: ReadonlySet<number>): KafkaError {
  const what =
    `${left.size} of its ${partitions.length} partitions were not read to their end, and nothing came for ` +
    `${STALLED_MS} ms. Look whether their leaders are there`;
  return new KafkaError('ERR_KAFKA', what, { kafkaCode: TIMED_OUT });
}

const TIMED_OUT = -185;

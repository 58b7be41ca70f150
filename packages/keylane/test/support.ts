/**
 * What the broker tests share: the brokers to run on, names nobody else uses, and a consumer whose every step is
 * logged.
 */
import { randomUUID } from 'node:crypto';
import {
  type Cluster,
  connectCluster,
  type EmbeddedBroker,
  type ProducedRecord,
  type RecordToProduce,
  type SharedLog,
  startEmbeddedBroker,
} from '@keylane/testing';
import { type Consumer, type ConsumerEvents, type ConsumerOptions, type KafkaRecord, startConsumer } from 'keylane';
import { afterAll, beforeAll, inject } from 'vitest';

/** A broker of a test file. */
export interface TestBroker {
  readonly servers: string;
  readonly cluster: Cluster;
  /** What consumers of it need. */
  readonly kafka: Readonly<Record<string, unknown>>;
  /** A topic nobody else uses; the embedded broker's have 4 partitions whatever is asked for. */
  topic(partitions?: number): Promise<string>;
}

/** The kinds of broker there are here. */
export const brokers: readonly ('embedded' | 'real')[] = inject('kafka') === '' ? ['embedded'] : ['embedded', 'real'];

/** Connects to a broker for all tests of a file or a describe block. */
export function useBroker(kind: 'embedded' | 'real'): TestBroker {
  const broker = {} as { servers: string; cluster: Cluster };
  let embedded: EmbeddedBroker | undefined;
  const topics: string[] = [];
  beforeAll(async () => {
    if (kind === 'embedded') embedded = await startEmbeddedBroker();
    broker.servers = embedded?.bootstrapServers ?? inject('kafka');
    broker.cluster = await connectCluster(broker.servers);
  });
  afterAll(async () => {
    if (kind === 'real') for (const topic of topics) await broker.cluster.deleteTopic(topic).catch(() => undefined);
    await broker.cluster.close();
    await embedded?.close();
  });
  return Object.assign(broker, {
    // The embedded broker lets a classic group wait for seconds before it may begin; the newer protocol begins at once.
    kafka: kind === 'embedded' ? { 'group.protocol': 'consumer' } : {},
    async topic(partitions = 8) {
      const topic = uniqueName('t');
      if (kind === 'real') await broker.cluster.createTopic(topic, partitions);
      topics.push(topic);
      return topic;
    },
  });
}

export function uniqueName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

export function handlerFile(name: string): URL {
  return new URL(`./handlers/${name}.mjs`, import.meta.url);
}

/** Longer than anything here takes: a wait that gets there never ends by itself. */
const WAIT_MS = 60_000;

/**
 * Resolves when the condition holds. Rejects when the consumer fails, and, with where it stands, when it never does.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  consumer?: Consumer,
  waitMs: number = WAIT_MS,
): Promise<void> {
  let failure: Error | undefined;
  consumer?.closed.catch((error: Error) => {
    failure = error;
  });
  const start = performance.now();
  while (!(await condition())) {
    if (failure !== undefined) throw failure;
    if (performance.now() - start > waitMs) {
      throw new Error(`in ${waitMs} ms never: ${condition}\n${JSON.stringify(consumer?.snapshot(), undefined, 1)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Options every test needs; the rest is its own. */
export function baseOptions(
  broker: TestBroker,
  group: string,
  kafka: Record<string, unknown> = {},
): Pick<ConsumerOptions, 'kafka'> {
  return {
    kafka: {
      'bootstrap.servers': broker.servers,
      'group.id': group,
      'auto.offset.reset': 'earliest',
      'statistics.interval.ms': 200,
      ...broker.kafka,
      ...kafka,
    },
  };
}

/** Notes what was produced; per partition in the order of the offsets. */
export function logProduced(log: SharedLog, produced: readonly ProducedRecord[]): void {
  for (const { topic, partition, offset, key } of [...produced].sort((a, b) => a.offset - b.offset)) {
    log.append({
      kind: 'produced',
      topic,
      partition,
      offset,
      key: key === null || key === undefined ? null : String(key),
    });
  }
}

/** Starts a consumer whose assignments and commits go into the log beside what its handlers write there. */
export async function startLogged(log: SharedLog, options: ConsumerOptions): Promise<Consumer> {
  const consumer = await startConsumer(options);
  consumer.on('assigned', ({ partitions }) => {
    for (const { topic, partition } of partitions) log.append({ kind: 'assigned', topic, partition });
  });
  consumer.on('committed', ({ offsets }) => {
    for (const { topic, partition, offset } of offsets) log.append({ kind: 'committed', topic, partition, offset });
  });
  return consumer;
}

/** Whether the group committed the end of every partition that has records. */
export async function isCommittedToEnd(cluster: Cluster, group: string, topic: string): Promise<boolean> {
  const [committed, ends] = [await cluster.committedOffsets(group, topic), await cluster.endOffsets(topic)];
  return ends.every((end, partition) => end === 0 || committed[partition] === end);
}

/** Every record of a topic so far, partition by partition in the order of the offsets. */
export async function readTopic(broker: TestBroker, topic: string): Promise<KafkaRecord[]> {
  const count = (await broker.cluster.endOffsets(topic)).reduce((sum, end) => sum + end, 0);
  const records: KafkaRecord[] = [];
  await using consumer = await startConsumer({
    ...baseOptions(broker, uniqueName('reader')),
    topics: [topic],
    handler: (record) => void records.push(record),
  });
  await until(() => records.length >= count, consumer);
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

/** The headers of a record as text; of a name that is repeated the last one. */
export function textHeaders({ headers }: Pick<KafkaRecord, 'headers'>): Record<string, string> {
  return Object.fromEntries(headers.map(([name, value]) => [name, String(value)]));
}

const HEARD = ['retry', 'dead-letter', 'parked', 'released', 'skipped', 'halted', 'warning', 'committed'] as const;

/** Every event from here on, by its name. */
export function hear(consumer: Consumer): { readonly [Name in (typeof HEARD)[number]]: ConsumerEvents[Name][] } {
  const heard = Object.fromEntries(HEARD.map((name) => [name, [] as unknown[]]));
  for (const name of HEARD) consumer.on(name, (event) => void heard[name]?.push(event));
  return heard as never;
}

/** Records of one partition, with these values, in this order. */
export function recordsOf(
  topic: string,
  values: readonly string[],
  rest: Partial<RecordToProduce> = {},
): RecordToProduce[] {
  return values.map((value) => ({ topic, partition: 0, key: null, value, ...rest }));
}

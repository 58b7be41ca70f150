/**
 * A test's own view of a cluster: producing, and reading what is committed and where partitions end.
 */
import confluent, { type LibrdKafkaError } from '@confluentinc/kafka-javascript';
import { bytes, call, connect, disconnect, TIMEOUT_MS } from './calls.ts';
import { startTransactions, type Transactions } from './transactions.ts';

/** A record to produce. */
export interface RecordToProduce {
  readonly topic: string;
  /** Left out: the partitioner decides by the key, as the Java client does. */
  readonly partition?: number;
  readonly key?: string | Uint8Array | null;
  readonly value?: string | Uint8Array | null;
  readonly headers?: readonly (readonly [name: string, value: string | Uint8Array])[];
  readonly timestamp?: number;
}

/** A produced record and where it went. */
export interface ProducedRecord extends RecordToProduce {
  readonly partition: number;
  readonly offset: number;
}

export interface ProduceOptions {
  /** Called now and then with the number of records acknowledged so far. */
  readonly onProgress?: (produced: number) => void;
}

/** What a group has committed in a partition. */
export interface CommittedOffset {
  readonly topic: string;
  readonly partition: number;
  /** -1 where nothing is committed. */
  readonly offset: number;
  readonly metadata?: string;
}

/** Connections to a cluster for a test. */
export interface Cluster extends AsyncDisposable {
  /** Produces the records in their order, idempotently; resolves, once all are acknowledged, with where each went. */
  produce(records: Iterable<RecordToProduce>, options?: ProduceOptions): Promise<ProducedRecord[]>;
  /** Creates a topic. The embedded broker cannot: there a topic appears on first use. */
  createTopic(topic: string, partitions: number, config?: Readonly<Record<string, string>>): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  partitions(topic: string): Promise<number>;
  /** The nodes that have each partition, and which of them leads it; -1 where none does. */
  replicas(topic: string): Promise<readonly { readonly leader: number; readonly nodes: readonly number[] }[]>;
  /** One past the last record of each partition. */
  endOffsets(topic: string): Promise<number[]>;
  /** What the group committed in each partition; -1 where nothing. */
  committedOffsets(group: string, topic: string): Promise<number[]>;
  /** The same with its metadata. */
  committed(group: string, topic: string): Promise<CommittedOffset[]>;
  /** Sets what a group without members has committed. */
  commit(group: string, offsets: readonly CommittedOffset[]): Promise<void>;
  /** Deletes the records below these offsets, as retention would. Not on the embedded broker. */
  deleteRecords(below: readonly { topic: string; partition: number; offset: number }[]): Promise<void>;
  /** A producer of transactions; fences an earlier one of the same id. */
  transactions(transactionalId: string): Promise<Transactions>;
  close(): Promise<void>;
}

/** The producer's queue holds 100,000 records; half of it in flight keeps it busy. */
const IN_FLIGHT_MAX = 50_000;

/** Connects to a cluster, embedded or real. */
export async function connectCluster(bootstrapServers: string): Promise<Cluster> {
  const common = { 'bootstrap.servers': bootstrapServers };
  const producer = new confluent.Producer({
    ...common,
    dr_cb: true,
    'enable.idempotence': true,
    // With more, the first batch for a topic that was just made may be refused, be sent again after the next one, and
    // then be taken for written: reported as delivered, without an offset, and lost (measured: 8 of 2,033 topics).
    'max.in.flight.requests.per.connection': 1,
    'linger.ms': 5,
    'message.max.bytes': 16 * 2 ** 20,
    partitioner: 'murmur2_random',
  } as never);
  await connect(producer);
  // Only while it works: the poll interval would keep the process alive.
  producer.setPollInterval(10);

  return {
    produce: (records, options) => produceAll(producer, records, options ?? {}),
    createTopic: (topic, partitions, config = {}) =>
      withAdmin(common, (admin, done) =>
        admin.createTopic(
          { topic, num_partitions: partitions, replication_factor: -1, config: { ...config } },
          TIMEOUT_MS,
          done,
        ),
      ),
    deleteTopic: (topic) => withAdmin(common, (admin, done) => admin.deleteTopic(topic, TIMEOUT_MS, done)),
    partitions: async (topic) => (await metadataOf(producer, topic)).length,
    replicas: async (topic) =>
      (await metadataOf(producer, topic)).map(({ leader, replicas }) => ({ leader, nodes: replicas })),
    async endOffsets(topic) {
      const ends: number[] = [];
      for (let partition = 0; partition < (await metadataOf(producer, topic)).length; partition += 1) {
        ends.push(
          await call<{ highOffset: number }>((done) =>
            producer.queryWatermarkOffsets(topic, partition, TIMEOUT_MS, done as never),
          ).then(({ highOffset }) => highOffset),
        );
      }
      return ends;
    },
    async committedOffsets(group, topic) {
      return (await committedOf(producer, common, group, topic)).map(({ offset }) => offset);
    },
    committed: (group, topic) => committedOf(producer, common, group, topic),
    commit: (group, offsets) => commitAs(common, group, offsets),
    deleteRecords: (below) =>
      withAdmin(common, (admin, done) =>
        (admin as never as RecordDeleter).deleteRecords(below, { timeout: TIMEOUT_MS }, done),
      ),
    transactions: (transactionalId) => startTransactions(common, transactionalId),
    close: () => disconnect(producer),
    [Symbol.asyncDispose]: () => disconnect(producer),
  };
}

type Producer = InstanceType<typeof confluent.Producer>;
type Admin = ReturnType<typeof confluent.AdminClient.create>;

/** What the type declarations leave out. */
interface RecordDeleter {
  deleteRecords(below: readonly unknown[], options: object, done: (error: LibrdKafkaError) => void): void;
}

async function committedOf(
  producer: Producer,
  common: object,
  group: string,
  topic: string,
): Promise<CommittedOffset[]> {
  const count = (await metadataOf(producer, topic)).length;
  const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
  const consumer = consumerOf(common, group);
  await connect(consumer);
  const committed = await call<{ offset?: number; metadata?: string }[]>((done) =>
    consumer.committed(partitions as never, TIMEOUT_MS, done as never),
  );
  await disconnect(consumer);
  return committed.map(({ offset = -1, metadata = '' }, partition) => ({ topic, partition, offset, metadata }));
}

async function commitAs(common: object, group: string, offsets: readonly CommittedOffset[]): Promise<void> {
  const consumer = consumerOf(common, group);
  await connect(consumer);
  consumer.commitSync(offsets as never);
  await disconnect(consumer);
}

function consumerOf(common: object, group: string): InstanceType<typeof confluent.KafkaConsumer> {
  return new confluent.KafkaConsumer({ ...common, 'group.id': group, 'enable.auto.commit': false } as never, {});
}

async function withAdmin(
  common: object,
  start: (admin: Admin, done: (error: LibrdKafkaError) => void) => void,
): Promise<void> {
  const admin = confluent.AdminClient.create(common as never);
  try {
    await call((done) => start(admin, done));
  } finally {
    admin.disconnect();
  }
}

interface PartitionMetadata {
  readonly id: number;
  readonly leader: number;
  readonly replicas: readonly number[];
}

async function metadataOf(producer: Producer, topic: string): Promise<PartitionMetadata[]> {
  const metadata = await call<{ topics: { name: string; partitions: PartitionMetadata[] }[] }>((done) =>
    producer.getMetadata({ topic, timeout: TIMEOUT_MS } as never, done as never),
  );
  const { partitions = [] } = metadata.topics.find(({ name }) => name === topic) ?? {};
  return [...partitions].sort((a, b) => a.id - b.id);
}

async function produceAll(
  producer: Producer,
  records: Iterable<RecordToProduce>,
  { onProgress }: ProduceOptions,
): Promise<ProducedRecord[]> {
  const produced: ProducedRecord[] = [];
  let sent = 0;
  let acknowledged = 0;
  let failure: Error | undefined;
  let wake = () => {};
  const onReport = (error: LibrdKafkaError | null, report: { partition: number; offset: number; opaque?: unknown }) => {
    const { index, record } = report.opaque as { index: number; record: RecordToProduce };
    if (error) failure ??= error as unknown as Error;
    produced[index] = { ...record, partition: report.partition, offset: report.offset };
    acknowledged += 1;
    wake();
  };
  const changed = () => new Promise<void>((resolve) => (wake = resolve));
  producer.on('delivery-report', onReport as never);
  try {
    for (const record of records) {
      while (sent - acknowledged >= IN_FLIGHT_MAX && failure === undefined) await changed();
      if (failure !== undefined) throw failure;
      const headers = record.headers?.map(([name, value]) => ({ [name]: bytes(value) }));
      producer.produce(
        record.topic,
        record.partition ?? null,
        bytes(record.value ?? null) as never,
        bytes(record.key ?? null) as never,
        record.timestamp ?? null,
        { index: sent, record },
        headers as never,
      );
      sent += 1;
      if (sent % 10_000 === 0) onProgress?.(acknowledged);
    }
    while (acknowledged < sent && failure === undefined) await changed();
    if (failure !== undefined) throw failure;
    onProgress?.(acknowledged);
    return produced;
  } finally {
    producer.off('delivery-report', onReport as never);
  }
}

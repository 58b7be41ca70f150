/**
 * Produces records and says, in the same transaction, what was replayed: both happen or neither. The transactional id
 * is one for each topic that is replayed, so that a second replay of it takes over from the first, which the brokers
 * then refuse.
 */
import confluent, { type LibrdKafkaError } from '@confluentinc/kafka-javascript';
import type { RecordHeader } from 'keylane';
import { type ClientError, isFenced, kafkaError, produceError } from '../errors.ts';
import { type CommittedOffset, call, connected, disconnected, type Reader } from './client.ts';
import type { Settings } from './settings.ts';

/** A record to produce. */
export interface OutgoingRecord {
  readonly topic: string;
  /** Left out: the partitioner decides by the key, as the Java client does. */
  readonly partition?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
  /** Milliseconds since the epoch; -1 where there is none. */
  readonly timestamp: number;
}

type Producer = InstanceType<typeof confluent.Producer>;

/** For as long a killed replay may keep readers of the target topics from going on. */
const TRANSACTION_TIMEOUT_MS = 20_000;
const POLL_INTERVAL_MS = 10;
const UNCONFIRMED = { code: -1, message: 'it was reported as delivered, without an offset' } as ClientError;

/** No bytes, but at an address: the binding takes an empty buffer without one for null. */
const EMPTY = Buffer.alloc(1).subarray(0, 0);

export class TransactionalProducer {
  readonly #producer: Producer;
  readonly #timeoutMs: number;

  private constructor(producer: Producer, timeoutMs: number) {
    this.#producer = producer;
    this.#timeoutMs = timeoutMs;
  }

  /** Connects and takes over: an earlier producer of this id can finish nothing from here on. */
  static async open(settings: Settings, id: string, timeoutMs: number): Promise<TransactionalProducer> {
    const config = {
      log_level: 3,
      'linger.ms': 5,
      ...settings,
      // The brokers say what is too large.
      'message.max.bytes': 100 * 2 ** 20,
      'transactional.id': id,
      'transaction.timeout.ms': TRANSACTION_TIMEOUT_MS,
      'enable.idempotence': true,
      partitioner: 'murmur2_random',
      dr_cb: true,
    };
    const producer = await connected(() => new confluent.Producer(config as never), settings, timeoutMs);
    producer.setPollInterval(POLL_INTERVAL_MS);
    const opened = new TransactionalProducer(producer, timeoutMs);
    await opened.#step('the replay cannot begin', (done) => producer.initTransactions(timeoutMs, done));
    return opened;
  }

  /**
   * Produces the records in their order and commits the offsets of the reader's group, all or nothing. Rejects with a
   * RefusedError where it was a record that the brokers do not take.
   */
  async transaction(
    records: readonly OutgoingRecord[],
    reader: Reader,
    topic: string,
    offsets: readonly CommittedOffset[],
  ): Promise<void> {
    await this.#step('a transaction cannot begin', (done) => this.#producer.beginTransaction(done as never));
    try {
      await this.#produce(records);
      const committed = offsets.map((offset) => ({ topic, ...offset }));
      await this.#step(`what was replayed of ${topic} cannot be noted`, (done) =>
        this.#producer.sendOffsetsToTransaction(committed as never, reader.consumer, this.#timeoutMs, done as never),
      );
      await this.#step('the transaction cannot be committed', (done) =>
        this.#producer.commitTransaction(this.#timeoutMs, done as never),
      );
    } catch (error) {
      // Where this fails too, the next replay or the transaction's time limit ends it.
      const abort = call((done) => this.#producer.abortTransaction(this.#timeoutMs, done as never));
      const failure = await abort.catch((reason: ClientError) => reason);
      // Records are purged for it before it is told.
      if (failure && isFenced(failure as ClientError)) throw kafkaError('the replay ends', failure as ClientError);
      throw error;
    }
  }

  close(): Promise<void> {
    return disconnected(this.#producer);
  }

  /** Resolves once every in-sync replica of each record's partition has it. */
  async #produce(records: readonly OutgoingRecord[]): Promise<void> {
    const producer = this.#producer;
    let outstanding = 0;
    let onReport: (error: LibrdKafkaError | null, report: { opaque?: unknown; offset?: number }) => void = () => {};
    const reported = new Promise<void>((resolve, reject) => {
      onReport = (error, { opaque, offset = -1 }) => {
        const { record } = opaque as { record: OutgoingRecord };
        if (error) return reject(produceError(`${record.topic} refuses a record`, error as unknown as ClientError));
        // Taken for written already, and maybe it is not: the transaction is undone.
        if (offset < 0) return reject(produceError(`${record.topic} does not say where a record is`, UNCONFIRMED));
        outstanding -= 1;
        if (outstanding === 0) resolve();
      };
    });
    producer.on('delivery-report', onReport as never);
    try {
      for (const record of records) {
        const headers = record.headers.map(([name, value]) => ({ [name]: bytes(value) }));
        outstanding += 1;
        try {
          producer.produce(
            record.topic,
            record.partition ?? null,
            bytes(record.value) as never,
            bytes(record.key) as never,
            record.timestamp < 0 ? null : record.timestamp,
            { record },
            headers as never,
          );
        } catch (error) {
          reported.catch(() => undefined);
          throw produceError(`${record.topic} refuses a record`, error as ClientError);
        }
      }
      await reported;
    } finally {
      producer.off('delivery-report', onReport as never);
    }
  }

  /** One call, twice where the first says that it may be said again (it then goes on where it was). */
  async #step(what: string, start: (done: (error?: LibrdKafkaError | null) => void) => unknown): Promise<void> {
    try {
      await call(start).catch((error: ClientError) => {
        if (error.isRetriable !== true) throw error;
        return call(start);
      });
    } catch (error) {
      throw kafkaError(what, error as ClientError);
    }
  }
}

function bytes<T extends Buffer | null>(value: T): Buffer | null {
  return value?.length === 0 ? EMPTY : value;
}

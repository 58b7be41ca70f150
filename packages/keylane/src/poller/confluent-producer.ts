/**
 * The producer port on @confluentinc/kafka-javascript's callback API (librdkafka). Owns what is under way: each record
 * settles once, whatever happens to the client.
 *
 * A record is not given up for time: librdkafka tries again, in order and without writing it twice, for as long as
 * brokers are away. Giving it up after a while would say that it failed although it may have been written, and let
 * those behind it overtake it. So that nobody waits in silence, `onDelayed` is told after `DELAYED_MS`. What a broker
 * refuses for good is rejected at once.
 */
import { KafkaError } from '../errors.ts';
import type { RecordHeader } from '../wire/record.ts';
import { type PartitionOffset, partitionName } from './client.ts';
import { type Clock, systemClock, type Timer, within } from './clock.ts';
import {
  connectClient,
  type KafkaOptions,
  type KafkaProducer,
  type LibrdKafkaError,
  makeClient,
  onClientError,
  toKafkaError,
  WRONG_STATE,
} from './confluent.ts';
import type { OutgoingRecord, Producer } from './producer.ts';

/** Nothing goes through this client any more: it says so itself, or takes back what was under way. */
const FATAL: ReadonlySet<number> = new Set([-150, -151, -152]);
const TIMED_OUT = -185;
/** Ours, for a report without an offset. */
const NOT_CONFIRMED = -1;
/** As syslog counts; less is worse. */
const LOG_ERROR = 3;
/** The topic or the partition is not there: as the client knows, and as the broker says. */
const MISSING: ReadonlySet<number> = new Set([-188, -190, 3]);
/** What helps, by librdkafka's code. */
const REMEDIES: Readonly<Record<number, string>> = {
  [-188]: 'create the topic',
  [-190]: 'the topic has fewer partitions',
  3: 'create the topic, or give it more partitions',
  10: "raise the topic's max.message.bytes",
  29: 'allow this client to write to the topic',
  31: 'allow this client to write to the topic, or to write idempotently to the cluster',
};
const NO_ANSWER = 'the brokers have not confirmed it yet';
/** When the caller hears that a record is still under way. */
const DELAYED_MS = 5_000;
const METADATA_MS = 10_000;
/** How long it takes a client that replaces another one to connect, at most. */
const RECONNECT_MS = 10_000;

/** Ours unless `overrides` say otherwise. */
const DEFAULTS: KafkaOptions = {
  // The Java client's, so that a key goes where other producers put it.
  partitioner: 'murmur2_random',
  'message.timeout.ms': 0,
  // A refusal is of a whole batch: one record that is too large would take others with it, again and again.
  'batch.num.messages': 1,
  'linger.ms': 0,
  // The broker knows how large a record may be. What was consumed fits, but for the headers that are added.
  'message.max.bytes': 1_000_000_000,
  // What is under way counts against the consumer's own budget.
  'queue.buffering.max.messages': 0,
  'queue.buffering.max.kbytes': 2_097_151,
  // So long a topic that is not there may be one that was just made.
  'topic.metadata.propagation.max.ms': 5_000,
};

/** Not for `overrides`: what the port promises depends on it. */
const FIXED: KafkaOptions = {
  'enable.idempotence': true,
  // With more under way, one that has to be sent again can come after a later one and be taken for written.
  'max.in.flight.requests.per.connection': 1,
  acks: 'all',
  dr_cb: true,
  'delivery.report.only.error': false,
};

/**
 * What librdkafka knows of consumers alone, and warns about at a producer. A list of these and not of what a producer
 * may have: an option that is missing here is a line in the log, one that was missing there would be a producer that
 * cannot connect. The statistics would be read by nobody.
 */
const OF_CONSUMERS: ReadonlySet<string> = new Set([
  ...['group.id', 'group.instance.id', 'group.protocol', 'group.protocol.type', 'group.remote.assignor'],
  ...['partition.assignment.strategy', 'session.timeout.ms', 'heartbeat.interval.ms', 'coordinator.query.interval.ms'],
  ...['max.poll.interval.ms', 'max.poll.records', 'auto.offset.reset', 'isolation.level', 'check.crcs'],
  ...['enable.auto.commit', 'auto.commit.enable', 'auto.commit.interval.ms', 'enable.auto.offset.store'],
  ...['offset.store.method', 'offset.store.path', 'offset.store.sync.interval.ms', 'enable.partition.eof'],
  ...['queued.min.messages', 'queued.max.messages.kbytes', 'consume.callback.max.messages'],
  ...['fetch.wait.max.ms', 'fetch.queue.backoff.ms', 'fetch.error.backoff.ms', 'fetch.min.bytes', 'fetch.max.bytes'],
  ...['fetch.message.max.bytes', 'max.partition.fetch.bytes', 'share.acknowledgement.mode'],
  ...['consume_cb', 'rebalance_cb', 'offset_commit_cb', 'statistics.interval.ms'],
]);

/** What the producer of a consumer with these options is made with. */
export function producerConfig(kafka: KafkaOptions, overrides: KafkaOptions): Record<string, unknown> {
  const taken = Object.entries(kafka).filter(([name]) => !OF_CONSUMERS.has(name));
  return { ...DEFAULTS, ...Object.fromEntries(taken), ...overrides, ...FIXED };
}

/** A record under way. */
interface Flight {
  readonly record: OutgoingRecord;
  readonly delayed: Timer;
  readonly resolve: (at: PartitionOffset) => void;
  readonly reject: (error: KafkaError) => void;
}

/** The client with what its type declarations leave out. */
type Client = KafkaProducer & {
  /** What `disconnect` does once it has waited for what is under way. */
  _disconnect(done: () => void): void;
};

interface Metadata {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly unknown[] }[];
}

export class ConfluentProducer implements Producer {
  readonly #config: KafkaOptions;
  readonly #clock: Clock;
  #client: Client | undefined = undefined;
  /** Another client is on its way; resolves when it is there, or does not come. */
  #replacing: Promise<void> | undefined = undefined;
  #state: 'new' | 'connected' | 'closed' = 'new';
  readonly #flights: Map<number, Flight> = new Map();
  #lastFlight = 0;
  #onIdle: () => void = () => {};
  /** What the client said last was wrong, since a record last arrived. */
  #trouble = NO_ANSWER;

  constructor(kafka: KafkaOptions, overrides: KafkaOptions = {}, clock: Clock = systemClock) {
    this.#config = producerConfig(kafka, overrides);
    this.#clock = clock;
  }

  async connect(timeoutMs: number): Promise<void> {
    const client = await makeClient(({ Producer }) => new Producer(this.#config as never) as Client);
    // The log says which broker and why, where the errors only say that something was.
    client.on('event.log', ({ severity, message }) => {
      if (severity <= LOG_ERROR) this.#trouble = message.replace(/^\[thrd:.*?\]: /, '');
    });
    onClientError(client, ({ message }) => {
      if (this.#trouble === NO_ANSWER) this.#trouble = message;
    });
    client.on('delivery-report', (error, report) => this.#onReport(client, error, report));
    try {
      await connectClient(client, this.#config, timeoutMs);
    } catch (error) {
      await free(client);
      throw error;
    }
    if (this.#state === 'closed') return free(client);
    // Reports come from librdkafka's own thread then, and so does the call for a new token when nothing is under way.
    client.setPollInBackground(true);
    this.#client = client;
    this.#state = 'connected';
  }

  async partitions(topic: string): Promise<number | undefined> {
    // Of all topics: to ask for one by its name would create it, where brokers do that.
    const { topics } = await this.#metadata({ allTopics: true });
    const found = topics.find(({ name }) => name === topic);
    return found === undefined || found.partitions.length === 0 ? undefined : found.partitions.length;
  }

  produce(record: OutgoingRecord, onDelayed: (error: KafkaError) => void = () => {}): Promise<PartitionOffset> {
    const client = this.#client;
    if (client === undefined) {
      if (this.#state === 'connected') this.#replace();
      return Promise.reject(refusal(record, { code: WRONG_STATE, message: this.#whyNot() }));
    }
    this.#lastFlight += 1;
    const id = this.#lastFlight;
    return new Promise((resolve, reject) => {
      const delayed = this.#clock.after(DELAYED_MS, () => onDelayed(delay(record, this.#trouble)));
      this.#flights.set(id, { record, delayed, resolve, reject });
      const { topic, partition = null, key, value, timestamp, headers } = record;
      try {
        client.produce(topic, partition, bytes(value), bytes(key), time(timestamp), id, headers.map(toHeader));
      } catch (error) {
        this.#refused(client, id, error as LibrdKafkaError);
      }
    });
  }

  async disconnect(timeoutMs: number): Promise<void> {
    this.#state = 'closed';
    const idle = new Promise<void>((resolve) => {
      if (this.#flights.size === 0) resolve();
      else this.#onIdle = resolve;
    });
    await within(this.#clock, timeoutMs, Promise.all([idle, this.#replacing]));
    await this.#drop();
  }

  #onReport(client: Client, error: LibrdKafkaError | null, report: { opaque?: number } & PartitionOffset): void {
    const { topic, partition, offset, opaque: id = 0 } = report;
    if (error) {
      this.#refused(client, id, error);
    } else if (offset < 0) {
      // The broker saw a later record of ours first, as it may in a topic that was just made, and so takes this one for
      // written already. Measured: it is not. Better twice than never.
      this.#refused(client, id, { code: NOT_CONFIRMED, message: 'no broker said where it is' } as LibrdKafkaError);
    } else {
      this.#trouble = NO_ANSWER;
      this.#land(id)?.resolve({ topic, partition, offset });
    }
  }

  /** The record failed for good; whether others can be produced depends on why. */
  #refused(client: Client, id: number, error: LibrdKafkaError): void {
    const flight = this.#land(id);
    if (flight === undefined) return;
    const { topic } = flight.record;
    const isFatal = FATAL.has(error.code);
    const message = isFatal ? `${error.message} (${this.#trouble})` : error.message;
    flight.reject(refusal(flight.record, { code: error.code, message }));
    if (client !== this.#client) return;
    // Without being asked again, the client would go on refusing from memory what may be there by now.
    if (MISSING.has(error.code)) this.#metadata({ topic }).catch(() => undefined);
    if (isFatal) this.#replace();
  }

  /** After a fatal error, such as a right that was taken away, only another client can go on. */
  #replace(): void {
    this.#replacing ??= this.#drop()
      .then(() => (this.#state === 'closed' ? undefined : this.connect(RECONNECT_MS)))
      .catch((error: KafkaError) => {
        this.#trouble = error.message;
      })
      .finally(() => {
        this.#replacing = undefined;
      });
  }

  /** Frees the client; what is still under way then, nobody will report. */
  async #drop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) await free(client);
    const message = this.#whyNot();
    for (const id of [...this.#flights.keys()]) {
      const flight = this.#land(id) as Flight;
      flight.reject(refusal(flight.record, { code: WRONG_STATE, message }));
    }
  }

  #land(id: number): Flight | undefined {
    const flight = this.#flights.get(id);
    flight?.delayed.stop();
    if (this.#flights.delete(id) && this.#flights.size === 0) this.#onIdle();
    return flight;
  }

  #whyNot(): string {
    const why = { new: 'is not connected', connected: 'is being replaced', closed: 'is closed' }[this.#state];
    return `the producer ${why} (${this.#trouble})`;
  }

  #metadata(of: { readonly topic: string } | { readonly allTopics: true }): Promise<Metadata> {
    return new Promise((resolve, reject) => {
      if (this.#client === undefined) {
        reject(new KafkaError('ERR_KAFKA', this.#whyNot(), { kafkaCode: WRONG_STATE }));
        return;
      }
      this.#client.getMetadata({ ...of, timeout: METADATA_MS } as never, (error, metadata) => {
        if (error) reject(toKafkaError(error, 'topics cannot be looked up'));
        else resolve(metadata);
      });
    });
  }
}

/** Whether it is connected or not; `disconnect` would throw where it is not. */
function free(client: Client): Promise<void> {
  return new Promise((resolve) => client._disconnect(() => resolve()));
}

function refusal({ topic, partition }: OutgoingRecord, error: { code: number; message: string }): KafkaError {
  const remedy = REMEDIES[error.code];
  const where = partition === undefined ? topic : partitionName({ topic, partition });
  const what = `a record cannot be produced to ${where}${remedy === undefined ? '' : ` (${remedy})`}`;
  return toKafkaError(error as LibrdKafkaError, what, 'ERR_PRODUCE');
}

function delay({ topic }: OutgoingRecord, trouble: string): KafkaError {
  const what = `a record for ${topic} is under way for ${DELAYED_MS} ms, and is tried again until the brokers have it`;
  return new KafkaError('ERR_PRODUCE', `${what}: ${trouble}`, { kafkaCode: TIMED_OUT });
}

/** The client takes 0 for now. */
function time(timestamp: number): number {
  return timestamp === 0 ? 1 : timestamp;
}

/** No bytes, but at an address: the binding takes an empty buffer without one for null. */
const EMPTY = Buffer.alloc(1).subarray(0, 0);

function bytes<T extends Buffer | null>(value: T): T | Buffer {
  return value?.length === 0 ? EMPTY : value;
}

function toHeader([name, value]: RecordHeader): Record<string, Buffer> {
  return { [name]: bytes(value) };
}

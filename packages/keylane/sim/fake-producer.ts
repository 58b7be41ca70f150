/**
 * A producer that writes into memory, as librdkafka was measured to: the records of a partition keep their order and
 * are written once, however long the brokers are away; what is refused does not stop those behind it. A process that
 * dies never hears of what it had sent, and that may be written all the same.
 */
import { KafkaError } from '../src/errors.ts';
import type { PartitionOffset, TopicPartition } from '../src/poller/client.ts';
import type { Clock, Timer } from '../src/poller/clock.ts';
import type { OutgoingRecord, Producer } from '../src/poller/producer.ts';
import { nameOf } from './fake-cluster.ts';
import type { Random } from './random.ts';

const DELAYED_MS = 5_000;
const UNKNOWN_PARTITION = -190;
/** What a broker says that will not take a record: too large, not allowed, invalid, and a fatal error of the client. */
const REFUSALS = [10, 29, 87, -150];

/** How often what happens to a record; between 0 and 1. */
export interface ProducerWeather {
  /** It is refused, and so are the next few. */
  readonly refused: number;
  /** The brokers are away for up to `awayMaxMs`; then everything goes through. */
  readonly away: number;
  readonly awayMaxMs: number;
  /** It is written, or not, and nobody says so until the producer disconnects. */
  readonly unanswered: number;
  /** Topics cannot be looked up. */
  readonly unknown: number;
}

/** Topics that are produced to; all producers of a cluster write here. */
export class ProducedTopics {
  readonly #partitions: Map<string, number>;
  readonly #logs: Map<string, OutgoingRecord[]> = new Map();

  constructor(topics: Readonly<Record<string, number>>) {
    this.#partitions = new Map(Object.entries(topics));
  }

  partitions(topic: string): number | undefined {
    return this.#partitions.get(topic);
  }

  create(topic: string, partitions: number): void {
    this.#partitions.set(topic, partitions);
  }

  /** What a partition holds; a record's place in it is its offset. */
  log(at: TopicPartition): OutgoingRecord[] {
    const log = this.#logs.get(nameOf(at)) ?? [];
    this.#logs.set(nameOf(at), log);
    return log;
  }

  append(at: TopicPartition, record: OutgoingRecord): PartitionOffset {
    const log = this.log(at);
    log.push(record);
    return { ...at, offset: log.length - 1 };
  }
}

export interface ProducerParts {
  readonly topics: Pick<ProducedTopics, 'partitions'> & {
    append(at: TopicPartition, record: OutgoingRecord, sentAt: number): PartitionOffset;
  };
  readonly random: Random;
  readonly weather: ProducerWeather;
  /** The process's event loop. */
  readonly inbox: Clock;
  /** The network, which goes on when the process does not. */
  readonly network: Clock;
}

interface Flight {
  readonly delayed: Timer;
  readonly resolve: (at: PartitionOffset) => void;
  readonly reject: (error: KafkaError) => void;
}

export class FakeProducer implements Producer {
  readonly #parts: ProducerParts;
  #connected = false;
  readonly #flights: Set<Flight> = new Set();
  #onIdle: () => void = () => {};
  /** When the last record that was sent arrives; those behind it come later. */
  #arrivesAt = 0;
  #refusals = 0;

  constructor(parts: ProducerParts) {
    this.#parts = parts;
  }

  async connect(): Promise<void> {
    this.#connected = true;
  }

  partitions(topic: string): Promise<number | undefined> {
    const { inbox, random, weather, topics } = this.#parts;
    const fails = random.chance(weather.unknown);
    return new Promise((resolve, reject) => {
      inbox.after(random.next() * 5, () => {
        if (fails || !this.#connected) reject(new KafkaError('ERR_KAFKA', 'nobody can say', { kafkaCode: -185 }));
        else resolve(topics.partitions(topic));
      });
    });
  }

  produce(record: OutgoingRecord, onDelayed: (error: KafkaError) => void = () => {}): Promise<PartitionOffset> {
    const { inbox, network, random, weather, topics } = this.#parts;
    if (!this.#connected) return Promise.reject(refusal(record, -172));
    const count = topics.partitions(record.topic) ?? 0;
    const { partition = random.int(0, count - 1) } = record;
    const code = partition >= count ? UNKNOWN_PARTITION : this.#refusal();
    const sentAt = network.now();
    return new Promise((resolve, reject) => {
      const error = new KafkaError('ERR_PRODUCE', `a record for ${record.topic} is delayed`, { kafkaCode: -185 });
      const flight = { resolve, reject, delayed: inbox.after(DELAYED_MS, () => onDelayed(error)) };
      this.#flights.add(flight);
      const awayMs = random.chance(weather.away) ? random.next() * weather.awayMaxMs : 0;
      this.#arrivesAt = Math.max(this.#arrivesAt, network.now() + random.next() * 5 + awayMs);
      network.after(this.#arrivesAt - network.now(), () => {
        const at = code === undefined ? topics.append({ topic: record.topic, partition }, record, sentAt) : undefined;
        if (random.chance(weather.unanswered)) return;
        inbox.after(random.next() * 5, () => {
          if (at === undefined) this.#land(flight)?.reject(refusal(record, code as number));
          else this.#land(flight)?.resolve(at);
        });
      });
    });
  }

  async disconnect(timeoutMs: number): Promise<void> {
    this.#connected = false;
    if (this.#flights.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#parts.inbox.after(timeoutMs, resolve);
        this.#onIdle = () => {
          timer.stop();
          resolve();
        };
      });
    }
    for (const flight of [...this.#flights])
      this.#land(flight)?.reject(new KafkaError('ERR_PRODUCE', 'the producer is closed', { kafkaCode: -172 }));
  }

  #land(flight: Flight): Flight | undefined {
    if (!this.#flights.delete(flight)) return undefined;
    flight.delayed.stop();
    if (this.#flights.size === 0) this.#onIdle();
    return flight;
  }

  #refusal(): number | undefined {
    const { random, weather } = this.#parts;
    if (this.#refusals > 0) this.#refusals -= 1;
    else if (random.chance(weather.refused)) this.#refusals = random.int(0, 3);
    else return undefined;
    return random.pick(REFUSALS);
  }
}

function refusal({ topic }: OutgoingRecord, kafkaCode: number): KafkaError {
  return new KafkaError('ERR_PRODUCE', `a record cannot be produced to ${topic}`, { kafkaCode });
}

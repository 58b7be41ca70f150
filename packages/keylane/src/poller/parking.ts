/**
 * Finds out which keys of a partition are parked before anything of it is handed out, by reading its park topic. Runs
 * on the poller's thread.
 *
 * Invariant: a partition hands nothing out until its parked keys are known, however long that takes.
 */
import { asError, KafkaError } from '../errors.ts';
import type { Events } from '../events.ts';
import { partitionName } from './client.ts';
import type { Clock, Timer } from './clock.ts';
import type { Guard } from './guard.ts';
import { type ParkPolicy, type ParkTopicRecord, parkTopicOf, readParked } from './park.ts';
import { ParkedKeys } from './parked-keys.ts';
import type { Partition } from './partition.ts';

/** Between two tries. */
const AGAIN_MS = 1_000;

/** Reads topics from their beginning to where they end now; see `confluent-reader.ts`. */
export interface TopicReader {
  /**
   * Every record of a topic, each partition's in order; none where there is no such topic. Rejects with a KafkaError
   * where it cannot be read.
   */
  read(topic: string, onRecord: (record: ParkTopicRecord) => void): Promise<void>;
  /** What is being read ends in a rejection. */
  close(): Promise<void>;
}

export interface ParkingParts {
  readonly policy: ParkPolicy;
  readonly reader: TopicReader;
  readonly clock: Clock;
  readonly events: Events;
  readonly guard: Guard;
  /** Its parked keys are known: it may hand out. */
  readonly onKnown: (partition: Partition) => void;
}

export class Parking {
  /** One topic is read at a time. */
  #reading: Promise<void> = Promise.resolve();
  readonly #timers: Set<Timer> = new Set();
  #stopped = false;
  readonly #parts: ParkingParts;

  constructor(parts: ParkingParts) {
    this.#parts = parts;
  }

  /** These partitions were assigned. */
  load(partitions: readonly Partition[]): void {
    const byTopic = new Map<string, Partition[]>();
    for (const partition of partitions) {
      const topic = parkTopicOf(this.#parts.policy, partition.topic);
      byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
    }
    for (const [topic, sources] of byTopic) {
      const read = () => this.#load(topic, sources);
      this.#reading = this.#reading.then(read, read);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.stop();
    this.#timers.clear();
  }

  async #load(topic: string, sources: readonly Partition[]): Promise<void> {
    const { reader, guard } = this.#parts;
    const open = sources.filter(({ state }) => state === 'active');
    if (this.#stopped || open.length === 0) return;
    const keys = new Map(open.map((source) => [partitionName(source), new ParkedKeys()]));
    await reader
      .read(topic, (record) => readParked(record, (topic, partition) => keys.get(partitionName({ topic, partition }))))
      .then(
        guard(() => {
          for (const source of open) this.#know(source, keys.get(partitionName(source)) as ParkedKeys);
        }),
        guard((error: unknown) => this.#failed(topic, open, asError(error))),
      );
  }

  #know(source: Partition, keys: ParkedKeys): void {
    if (this.#stopped || source.state === 'closed') return;
    keys.known = true;
    source.parked = keys;
    this.#parts.onKnown(source);
  }

  #failed(topic: string, sources: readonly Partition[], error: Error): void {
    if (this.#stopped) return;
    const { clock, events } = this.#parts;
    const names = sources.map(partitionName).join(', ');
    const message =
      `park topic ${topic} cannot be read, so it is not known which keys are parked, and nothing of ${names} is handed ` +
      `out; the next try is in ${AGAIN_MS} ms: ${error.message}`;
    const kafkaCode = error instanceof KafkaError ? error.kafkaCode : -1;
    events.emit('warning', new KafkaError('ERR_KAFKA', message, { kafkaCode, cause: error }));
    const timer = clock.after(AGAIN_MS, () => {
      this.#timers.delete(timer);
      this.load(sources);
    });
    this.#timers.add(timer);
  }
}

/**
 * Reads topics of the fake cluster to where they ended when that was asked for; it may take long, or fail half-way.
 */
import { KafkaError } from '../src/errors.ts';
import type { Clock } from '../src/poller/clock.ts';
import type { ParkTopicRecord } from '../src/poller/park.ts';
import type { TopicReader } from '../src/poller/parking.ts';
import type { ProducedTopics } from './fake-producer.ts';
import type { Random } from './random.ts';

export interface ReaderParts {
  readonly topics: ProducedTopics;
  readonly random: Random;
  readonly weather: { readonly readFails: number; readonly readSlow: number };
  /** The process's event loop. */
  readonly inbox: Clock;
}

export class FakeReader implements TopicReader {
  readonly #parts: ReaderParts;
  #closed = false;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  read(topic: string, onRecord: (record: ParkTopicRecord) => void): Promise<void> {
    const { topics, random, weather, inbox } = this.#parts;
    const fails = random.chance(weather.readFails);
    const logs = Array.from({ length: topics.partitions(topic) ?? 0 }, (_, partition) =>
      topics.log({ topic, partition }).map(({ headers }, offset) => ({ topic, partition, offset, headers })),
    );
    const records = logs.flat();
    if (fails) records.length = random.int(0, records.length);
    return new Promise((resolve, reject) => {
      inbox.after(random.next() * (random.chance(weather.readSlow) ? 2_000 : 10), () => {
        if (!this.#closed) for (const record of records) onRecord(record);
        if (!fails && !this.#closed) resolve();
        else reject(new KafkaError('ERR_KAFKA', 'the topic cannot be read', { kafkaCode: -195 }));
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

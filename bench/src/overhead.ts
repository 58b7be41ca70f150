/**
 * What Keylane costs beside the bare client: records of 100 bytes, 10,000 keys, a handler that does nothing.
 */
import { randomUUID } from 'node:crypto';
import confluent from '@confluentinc/kafka-javascript';
import { handlerModule, type Place, type Scenario, withKeylane } from './scenario.ts';

const VALUE = Buffer.alloc(100, 'x');
const KEYS = 10_000;

export const overhead: Scenario = {
  title: 'No-op handler, records of 100 bytes',
  records: 1_000_000,
  *produce(topic, from, to) {
    for (let index = from; index < to; index += 1) yield { topic, key: `key-${index % KEYS}`, value: VALUE };
  },
  variants: [
    { name: 'bare client, consume(1000)', run: bareClient },
    { name: 'keylane, 1 thread', run: (place) => withKeylane(place, { handler: handlerModule('no-op'), threads: 1 }) },
    { name: 'keylane, 2 threads', run: (place) => withKeylane(place, { handler: handlerModule('no-op'), threads: 2 }) },
  ],
  ratios: [
    { name: 'vsRawClient', of: 'keylane, 1 thread', over: 'bare client, consume(1000)' },
    { name: 'vsRawClientTwoThreads', of: 'keylane, 2 threads', over: 'bare client, consume(1000)' },
  ],
};

/** The client's own loop: it keeps no order over threads, commits nothing and handles nothing. */
async function bareClient({ servers, topic, records }: Place): Promise<number> {
  const consumer = new confluent.KafkaConsumer(
    { 'bootstrap.servers': servers, 'group.id': randomUUID(), 'enable.auto.commit': false },
    { 'auto.offset.reset': 'earliest' },
  );
  await new Promise<void>((resolve, reject) => {
    consumer.connect({}, (error) => (error ? reject(error) : resolve()));
  });
  consumer.subscribe([topic]);
  consumer.setDefaultConsumeTimeout(100);
  let seen = 0;
  let start = 0;
  await new Promise<void>((resolve, reject) => {
    const next = (): void =>
      consumer.consume(1_000, (error, batch) => {
        if (error) return reject(error);
        if (start === 0 && batch.length > 0) start = performance.now();
        seen += batch.length;
        if (seen >= records) resolve();
        else next();
      });
    next();
  });
  const seconds = (performance.now() - start) / 1_000;
  await new Promise<void>((resolve) => consumer.disconnect(() => resolve()));
  return records / seconds;
}

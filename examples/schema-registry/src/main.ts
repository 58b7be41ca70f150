/**
 * Orders in Avro, Protobuf and JSON Schema, decoded in handler threads; and one that nobody can decode.
 */
import { randomUUID } from 'node:crypto';
import { connectCluster, startEmbeddedBroker } from '@keylane/testing';
import { HandlerError, startConsumer } from 'keylane';
import type { Setting } from './handle-order.ts';
import { encode } from './produce.ts';
import type { Topics } from './schemas.ts';

const ORDERS = [
  { id: 1, item: 'rope' },
  { id: 2, item: 'lantern' },
];

const registryUrl = process.env['SCHEMA_REGISTRY_URL'] ?? 'mock://keylane';
const topics: Topics = { avro: 'orders-avro', protobuf: 'orders-protobuf', json: 'orders-json' };
const setting: Setting = { registryUrl, topics, channel: `orders-${randomUUID()}` };

await using broker = await startEmbeddedBroker();
await using cluster = await connectCluster(broker.bootstrapServers);
const heard = new BroadcastChannel(setting.channel);
const records = await encode(registryUrl, topics, ORDERS);
const told = new Promise<void>((resolve) => {
  let left = records.length;
  heard.onmessage = ({ data }: MessageEvent) => {
    const { topic, key, ...order } = data as { topic: string; key: string };
    console.log(`${topic.padEnd(15)} key ${key}  ${JSON.stringify(order)}`);
    left -= 1;
    if (left === 0) resolve();
  };
});

await cluster.produce(records);
await using consumer = await startConsumer({
  kafka: {
    'bootstrap.servers': broker.bootstrapServers,
    'group.id': 'orders',
    'group.protocol': 'consumer',
    'auto.offset.reset': 'earliest',
  },
  topics: Object.values(topics),
  handler: new URL('./handle-order.js', import.meta.url),
  handlerData: setting,
  threads: 2,
});
await Promise.race([told, consumer.closed]);

// No schema has this id: the record is exhausted on its first attempt.
await cluster.produce([{ topic: topics.avro, key: '3', value: Uint8Array.of(0, 0, 0, 0, 99, 6) }]);
const failure: unknown = await consumer.closed.catch((error: unknown) => error);
heard.close();
if (!(failure instanceof HandlerError) || failure.stage !== 'deserialize') throw failure;
console.log(`${failure.code}  ${failure.message}`);

/**
 * The example's handler in real threads: what it decodes, and what it cannot.
 */
import { randomUUID } from 'node:crypto';
import { type Cluster, connectCluster, type EmbeddedBroker, startEmbeddedBroker } from '@keylane/testing';
import { type Consumer, HandlerError, startConsumer } from 'keylane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Setting } from '../src/handle-order.ts';
import { encode } from '../src/produce.ts';
import type { Format, Topics } from '../src/schemas.ts';

const FORMATS: readonly Format[] = ['avro', 'protobuf', 'json'];
const ORDERS = [
  { id: 1, item: 'rope' },
  { id: 2, item: 'größe 🔑' },
];

describe('records of a schema registry', () => {
  let broker: EmbeddedBroker;
  let cluster: Cluster;
  beforeAll(async () => {
    broker = await startEmbeddedBroker();
    cluster = await connectCluster(broker.bootstrapServers);
  });
  afterAll(async () => {
    await cluster.close();
    await broker.close();
  });

  function settingOf(): Setting {
    const name = randomUUID().slice(0, 8);
    const topics: Topics = { avro: `avro-${name}`, protobuf: `protobuf-${name}`, json: `json-${name}` };
    return { registryUrl: 'mock://keylane', topics, channel: name };
  }

  function consumerOf(setting: Setting): Promise<Consumer> {
    return startConsumer({
      kafka: {
        'bootstrap.servers': broker.bootstrapServers,
        'group.id': setting.channel,
        'group.protocol': 'consumer',
        'auto.offset.reset': 'earliest',
      },
      topics: Object.values(setting.topics),
      handler: new URL('../dist/handle-order.js', import.meta.url),
      handlerData: setting,
      threads: 2,
    });
  }

  test('are decoded in every thread, whatever their format', async () => {
    const setting = settingOf();
    const { topics } = setting;
    await cluster.produce(await encode(setting.registryUrl, topics, ORDERS));
    const heard: { topic: string; key: string; id: number; item: string }[] = [];
    const channel = new BroadcastChannel(setting.channel);
    const all = new Promise<void>((resolve) => {
      channel.onmessage = ({ data }: MessageEvent) => {
        if (heard.push(data) === FORMATS.length * ORDERS.length) resolve();
      };
    });
    await using consumer = await consumerOf(setting);
    await Promise.race([all, consumer.closed]);
    channel.close();
    for (const format of FORMATS) {
      const orders = heard.filter(({ topic }) => topic === topics[format]).toSorted((a, b) => a.id - b.id);
      expect(orders).toEqual(ORDERS.map((order) => ({ topic: topics[format], key: String(order.id), ...order })));
    }
  });

  const truncated = (value: Buffer) => value.subarray(0, -3);
  test.each<{ name: string; format: Format; spoil: (value: Buffer) => Uint8Array; says: RegExp }>([
    { name: 'Avro that is cut off', format: 'avro', spoil: truncated, says: /truncated/ },
    { name: 'Protobuf that is cut off', format: 'protobuf', spoil: truncated, says: /EOF/i },
    {
      name: 'JSON against its schema',
      format: 'json',
      spoil: (value) => Buffer.concat([value.subarray(0, 5), Buffer.from('{"id":0,"item":"rope"}')]),
      says: /must be >= 1/,
    },
    ...FORMATS.flatMap((format) => [
      {
        name: `${format} of a schema nobody has`,
        format,
        spoil: (value: Buffer) => Buffer.concat([Buffer.of(0, 0, 0, 0, 99), value.subarray(5)]),
        says: /Schema not found/,
      },
      { name: `${format} without its schema's id`, format, spoil: () => Buffer.from('{}'), says: /magic byte/i },
    ]),
  ])('that cannot be decoded are exhausted at once: $name', async ({ format, spoil, says }) => {
    const setting = settingOf();
    const topic = setting.topics[format];
    const produced = await encode(setting.registryUrl, setting.topics, ORDERS.slice(0, 1));
    const spoilt = produced.map((one) => (one.topic === topic ? { ...one, value: spoil(one.value as Buffer) } : one));
    await cluster.produce(spoilt);
    const consumer = await consumerOf(setting);
    const retries: Error[] = [];
    consumer.on('retry', ({ error }) => void retries.push(error));
    const failure: unknown = await consumer.closed.catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(HandlerError);
    expect(failure).toMatchObject({ code: 'ERR_RECORD_UNDECODABLE', stage: 'deserialize', topic, attempt: 1 });
    expect((failure as Error).message).toMatch(says);
    expect(retries).toEqual([]);
  });
});

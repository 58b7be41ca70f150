/**
 * The example's handler in real threads: what it decodes, and what it cannot.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
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

  function consumerOf(setting: Setting, topics = Object.values(setting.topics)): Promise<Consumer> {
    return startConsumer({
      kafka: {
        'bootstrap.servers': broker.bootstrapServers,
        'group.id': setting.channel,
        'group.protocol': 'consumer',
        'auto.offset.reset': 'earliest',
      },
      topics,
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

  test('are tried again while the registry is away', async () => {
    await using registry = await startRegistry(['an error', 'no answer']);
    const mock = settingOf();
    const produced = await encode(mock.registryUrl, mock.topics, ORDERS.slice(0, 1));
    const topic = mock.topics.json;
    const setting = { ...mock, registryUrl: registry.url };
    await cluster.produce(produced.filter((one) => one.topic === topic));
    const channel = new BroadcastChannel(setting.channel);
    const heard = new Promise<unknown>((resolve) => {
      channel.onmessage = ({ data }: MessageEvent) => resolve(data);
    });
    await using consumer = await consumerOf(setting, [topic]);
    const retries: string[] = [];
    consumer.on('retry', ({ error }) => void retries.push(`${error.stage} ${error.attempt}`));
    expect(await Promise.race([heard, consumer.closed])).toMatchObject(ORDERS[0] as object);
    channel.close();
    expect(retries).toEqual(['deserialize 1', 'deserialize 2']);
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

/** A registry over HTTP, as far as consumers need one; the first of them that look a schema up get this instead. */
async function startRegistry(troubles: ('an error' | 'no answer')[]) {
  const schemas: { schema: string }[] = [];
  const server = createServer(async (request, response) => {
    const isLookUp = request.method === 'GET';
    const trouble = isLookUp ? troubles.shift() : undefined;
    if (trouble === 'no answer') return request.socket.destroy();
    response.writeHead(trouble === undefined ? 200 : 503, { 'content-type': 'application/json' });
    if (trouble !== undefined) return response.end('{}');
    const lookedUp = Number(/^\/schemas\/ids\/(\d+)/.exec(request.url ?? '')?.[1]);
    if (isLookUp) return response.end(JSON.stringify(schemas[lookedUp - 1]));
    const given = (await json(request)) as { schema: string };
    const known = schemas.findIndex(({ schema }) => schema === given.schema);
    const id = known < 0 ? schemas.push(given) : known + 1;
    return response.end(JSON.stringify({ ...given, id }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * The producer of dead letters on brokers: what arrives is what was given, byte for byte and in order; every record
 * settles once, with what became of it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectCluster } from '@keylane/testing';
import { type KafkaRecord, type RecordHeader, startConsumer } from 'keylane';
import { describe, expect, inject, test } from 'vitest';
import { startKafka } from '../../../scripts/kafka.ts';
import type { KafkaError } from '../src/errors.ts';
import { ConfluentProducer } from '../src/poller/confluent-producer.ts';
import type { OutgoingRecord } from '../src/poller/producer.ts';
import { baseOptions, brokers, type TestBroker, uniqueName, until, useBroker } from './support.ts';

const BINARY = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const NOW = Date.now();
/** Past librdkafka's and the broker's own default of a megabyte. */
const BIG = Buffer.alloc(2 ** 20 + 100_000, BINARY);

const outgoing = (record: Partial<OutgoingRecord> & { topic: string }): OutgoingRecord => ({
  key: null,
  value: null,
  headers: [],
  timestamp: NOW,
  ...record,
});

/** A producer that is connected, and disconnected after the test. */
async function connected(kafka: Record<string, unknown>, overrides?: Record<string, unknown>) {
  const producer = new ConfluentProducer(kafka, overrides);
  await producer.connect(30_000);
  return Object.assign(producer, { [Symbol.asyncDispose]: () => producer.disconnect(10_000) });
}

/** The consumer's options, as they are in an application. */
const optionsOf = (broker: TestBroker, more: Record<string, unknown> = {}) =>
  baseOptions(broker, uniqueName('g'), more).kafka;

/** All records of a topic, in the order of their offsets. */
async function read(broker: TestBroker, topic: string, count: number): Promise<KafkaRecord[]> {
  const records: KafkaRecord[] = [];
  await using consumer = await startConsumer({
    ...baseOptions(broker, uniqueName('reader')),
    topics: [topic],
    handler: (record) => void records.push(record),
  });
  await until(() => records.length >= count, consumer);
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

const PAYLOADS: readonly (Partial<OutgoingRecord> & { name: string })[] = [
  { name: 'null key and value', key: null, value: null },
  { name: 'empty key and value', key: Buffer.alloc(0), value: Buffer.alloc(0) },
  { name: 'null key, empty value', key: null, value: Buffer.from('') },
  { name: 'binary key and value', key: BINARY, value: BINARY },
  { name: 'a part of a larger buffer', key: BINARY.subarray(7, 9), value: BINARY.subarray(200) },
  { name: 'more than a megabyte', key: Buffer.from('big'), value: BIG },
  { name: 'a time long ago', timestamp: 1 },
  { name: 'the very first time', timestamp: 0 },
  {
    name: 'headers of every kind',
    headers: [
      ['trace', Buffer.from('one')],
      ['bytes', BINARY],
      ['trace', Buffer.from('two')],
      ['empty', Buffer.alloc(0)],
      ['trace', Buffer.from('one')],
      ['ünïcode', Buffer.from('ok')],
      ['', Buffer.from('no name')],
      ['7', Buffer.from('a number')],
      ['__proto__', Buffer.from('no prototype')],
    ],
  },
];

describe.each(brokers)('a producer on the %s broker', (kind) => {
  const broker = useBroker(kind);

  test('writes what it is given, byte for byte', async () => {
    const topic = await broker.topic(4);
    await using producer = await connected(optionsOf(broker));
    const places = await Promise.all(
      PAYLOADS.map(({ name: _, ...record }) => producer.produce(outgoing({ topic, partition: 2, ...record }))),
    );
    expect(places).toEqual(PAYLOADS.map((_, offset) => ({ topic, partition: 2, offset })));
    const records = await read(broker, topic, PAYLOADS.length);
    const same = (a: Buffer | null, b: Buffer | null) => (a === null || b === null ? a === b : a.equals(b));
    for (const [index, payload] of PAYLOADS.entries()) {
      const { name, key = null, value = null, headers = [], timestamp = NOW } = payload;
      const record = records[index] as KafkaRecord;
      expect(same(record.key, key), name).toBe(true);
      expect(same(record.value, value), name).toBe(true);
      expect(record.headers as RecordHeader[], name).toEqual(headers);
      // The client cannot write 0, which it takes for now.
      expect(record.timestamp, name).toBe(timestamp === 0 ? 1 : timestamp);
    }
  });

  test('a record without a partition goes where its key belongs', async () => {
    const topic = await broker.topic(4);
    await using producer = await connected(optionsOf(broker));
    const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`);
    const theirs = await broker.cluster.produce(keys.map((key) => ({ topic, key, value: '' })));
    const ours = await Promise.all(keys.map((key) => producer.produce(outgoing({ topic, key: Buffer.from(key) }))));
    expect(ours.map(({ partition }) => partition)).toEqual(theirs.map(({ partition }) => partition));
  });

  test('a partition keeps the order of the calls', async () => {
    const topic = await broker.topic(4);
    await using producer = await connected(optionsOf(broker));
    const places = await Promise.all(
      Array.from({ length: 3_000 }, (_, index) => producer.produce(outgoing({ topic, partition: index % 3 }))),
    );
    expect(places.map(({ partition, offset }) => offset * 3 + partition)).toEqual(places.map((_, index) => index));
  });

  test('knows how many partitions a topic has, and makes none by asking', async () => {
    const topic = await broker.topic(4);
    await using producer = await connected(optionsOf(broker));
    const missing = uniqueName('missing');
    expect(await producer.partitions(missing)).toBe(undefined);
    await producer.produce(outgoing({ topic }));
    expect(await producer.partitions(topic)).toBe(4);
    expect(await producer.partitions(missing)).toBe(undefined);
  });

  test('a partition that is not there is refused, and nothing else', async () => {
    const topic = await broker.topic(4);
    await using producer = await connected(optionsOf(broker));
    await producer.produce(outgoing({ topic, partition: 3 }));
    const all = await Promise.allSettled(
      [3, 4, 99, 3].map((partition) => producer.produce(outgoing({ topic, partition }))),
    );
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    const { reason } = all[1] as PromiseRejectedResult;
    expect(reason).toMatchObject({ name: 'KafkaError', code: 'ERR_PRODUCE', kafkaCode: -190, fatal: false });
    expect(reason.message).toContain(`${topic}[4]`);
  });

  test('before it is connected and after it is not, records are refused', async () => {
    const topic = await broker.topic(4);
    const producer = new ConfluentProducer(optionsOf(broker));
    await expect(producer.produce(outgoing({ topic }))).rejects.toThrow('is not connected');
    await expect(producer.partitions(topic)).rejects.toThrow('is not connected');
    await producer.connect(30_000);
    const last = producer.produce(outgoing({ topic }));
    await producer.disconnect(30_000);
    await expect(last).resolves.toMatchObject({ topic });
    await producer.disconnect(30_000);
    await expect(producer.produce(outgoing({ topic }))).rejects.toThrow('is closed');
  });
});

test('no broker at all: connecting says so, and frees everything', async () => {
  const producer = new ConfluentProducer({ 'bootstrap.servers': '127.0.0.1:1' });
  await expect(producer.connect(1_000)).rejects.toMatchObject({ code: 'ERR_KAFKA' });
  await producer.disconnect(1_000);
});

test('a configuration that the client does not take is an error that names it', async () => {
  const producer = new ConfluentProducer({ 'bootstrap.servers': '127.0.0.1:1' }, { 'no.such.thing': 1 });
  await expect(producer.connect(1_000)).rejects.toThrow('no.such.thing');
});

describe.runIf(brokers.includes('real'))('a producer and what a real broker refuses', () => {
  const broker = useBroker('real');

  test('a record that is too large is refused alone, and the order of the others stays', async () => {
    const topic = uniqueName('small');
    await broker.cluster.createTopic(topic, 1, { 'max.message.bytes': '10000' });
    await using producer = await connected(optionsOf(broker));
    const sizes = Array.from({ length: 60 }, (_, index) => (index % 10 === 5 ? 20_000 : 4_000));
    const all = await Promise.allSettled(
      sizes.map((size, index) => producer.produce(outgoing({ topic, partition: 0, value: Buffer.alloc(size, index) }))),
    );
    expect(all.map(({ status }) => status)).toEqual(sizes.map((size) => (size > 10_000 ? 'rejected' : 'fulfilled')));
    expect((all[5] as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_PRODUCE', kafkaCode: 10 });
    const records = await read(broker, topic, 54);
    const kept = sizes.flatMap((size, index) => (size > 10_000 ? [] : [index]));
    expect(records.map(({ value }) => value?.[0])).toEqual(kept);
  });

  test('a topic that is missing is refused; once it is there, the next record goes through', async () => {
    const topic = uniqueName('late');
    await using producer = await connected(optionsOf(broker));
    const refused = () => expect(producer.produce(outgoing({ topic }))).rejects.toMatchObject({ code: 'ERR_PRODUCE' });
    await refused();
    await refused();
    await broker.cluster.createTopic(topic, 2);
    const isThere = () =>
      producer.produce(outgoing({ topic })).then(
        () => true,
        () => false,
      );
    await until(isThere);
  });

  test('what the client may not do is refused, again and again, and ends nothing', async ({ skip }) => {
    if (inject('securedKafka') === '') skip();
    const secured = {
      'bootstrap.servers': inject('securedKafka'),
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanism': 'PLAIN',
      'sasl.username': 'app',
      'sasl.password': 'app-secret',
    };
    await using producer = await connected(secured);
    const reasons: KafkaError[] = [];
    for (let count = 0; count < 20; count += 1) {
      await producer.produce(outgoing({ topic: 't' })).catch((error: KafkaError) => reasons.push(error));
      // The client that replaces the one that was refused needs a moment.
      await sleep(100);
    }
    expect(reasons.length).toBe(20);
    for (const reason of reasons) {
      expect(reason).toMatchObject({ name: 'KafkaError', code: 'ERR_PRODUCE', fatal: false });
      expect(reason.message).toContain('authorization failed');
    }
  });
});

describe.runIf(brokers.includes('real'))('a producer whose broker goes away', { timeout: 120_000 }, () => {
  test('waits and says so; then everything is written once, in order', async () => {
    await using kafka = await startKafka();
    await using cluster = await connectCluster(kafka.bootstrapServers);
    await cluster.createTopic('t', 1);
    await using producer = await connected({
      'bootstrap.servers': kafka.bootstrapServers,
      'reconnect.backoff.max.ms': 500,
    });
    const settled: number[] = [];
    const delayed: KafkaError[] = [];
    const sent: Promise<unknown>[] = [];
    const send = () => {
      const index = sent.length;
      const record = outgoing({ topic: 't', partition: 0, value: Buffer.from(`${index}`) });
      sent.push(producer.produce(record, (error) => void delayed.push(error)).then(() => settled.push(index)));
    };
    // One after the other without a pause, so that some are on their way at the moment the broker is killed.
    let stopped = false;
    const sending = (async () => {
      while (!stopped) {
        for (let count = 0; count < 20; count += 1) send();
        await sleep(1);
      }
    })();
    await until(() => settled.length > 500);
    await kafka.stop('SIGKILL');
    const written = settled.length;
    await sleep(100);
    stopped = true;
    await sending;
    await until(() => delayed.length === sent.length - settled.length);
    expect(delayed.length).toBeGreaterThan(100);
    expect(delayed[0]).toMatchObject({ code: 'ERR_PRODUCE' });
    expect(settled.length).toBeLessThan(written + 200);
    await kafka.start();
    await Promise.all(sent);
    expect(settled).toEqual(sent.map((_, index) => index));
    expect(delayed.length).toBeLessThanOrEqual(sent.length);
    const end = (await cluster.endOffsets('t'))[0];
    expect(end).toBe(sent.length);
  });

  test('ends in time, and rejects what is under way', async () => {
    await using kafka = await startKafka();
    await using cluster = await connectCluster(kafka.bootstrapServers);
    await cluster.createTopic('t', 1);
    const producer = await connected({ 'bootstrap.servers': kafka.bootstrapServers });
    await producer.produce(outgoing({ topic: 't' }));
    await kafka.stop('SIGKILL');
    const all = Promise.allSettled(Array.from({ length: 300 }, () => producer.produce(outgoing({ topic: 't' }))));
    await producer.disconnect(1_000);
    for (const { status, reason } of (await all) as PromiseRejectedResult[]) {
      expect(status).toBe('rejected');
      expect(reason).toMatchObject({ code: 'ERR_PRODUCE' });
    }
  });
});

/**
 * A consumer that ends, whatever is in its way: it leaves the group, and its process ends.
 */
import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectCluster } from '@keylane/testing';
import { type ConsumerOptions, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { startKafka } from '../../../scripts/kafka.ts';
import { start } from '../src/consumer.ts';
import { InlineExecutor } from '../src/executor/inline-executor.ts';
import { resolveOptions } from '../src/options.ts';
import { systemClock } from '../src/poller/clock.ts';
import { ConfluentClient } from '../src/poller/confluent-client.ts';
import { startApp } from './app.ts';
import { baseOptions, brokers, uniqueName, until, useBroker } from './support.ts';

describe.each(brokers)('the group of a consumer that ends, on the %s broker', (kind) => {
  const broker = useBroker(kind);
  // So long that whoever waits for it, rather than for a member that leaves, waits for ever.
  const patient = kind === 'real' ? { 'session.timeout.ms': 600_000, 'max.poll.interval.ms': 600_000 } : {};

  async function scene() {
    const [topic, group] = [await broker.topic(4), uniqueName('g')];
    await broker.cluster.produce([0, 1, 2, 3].map((partition) => ({ topic, partition, key: 'k', value: 'v' })));
    return { topic, options: { ...baseOptions(broker, group, patient), topics: [topic] } };
  }

  /** A member that joins now gets all partitions, and so what the one that left had not committed. */
  async function takeOver(options: Omit<ConsumerOptions, 'handler'>): Promise<void> {
    const seen = new Set<number>();
    await using consumer = await startConsumer({ ...options, handler: ({ partition }) => void seen.add(partition) });
    await until(() => seen.size === 4, consumer);
  }

  test('a fault of ours inside a callback: it fails loudly and leaves', async () => {
    const { options } = await scene();
    const fault = new TypeError('not a number');
    const handler = () => Promise.reject(new Error('again'));
    const resolved = resolveOptions({ ...options, handler });
    const consumer = await start(resolved, {
      client: new ConfluentClient(resolved.kafka),
      producer: undefined,
      reader: undefined,
      executor: new InlineExecutor({ handle: handler }, resolved),
      clock: systemClock,
      // Asked for the delay of a retry, while outcomes are settled.
      random: () => {
        throw fault;
      },
    });
    await expect(consumer.closed).rejects.toMatchObject({ code: 'ERR_INVARIANT', cause: fault });
    await takeOver(options);
  });

  test('a handler that hangs: it leaves when the time of its drain is up', async () => {
    const { options } = await scene();
    let started = 0;
    const handler = async () => {
      started += 1;
      await new Promise(() => undefined);
    };
    const consumer = await startConsumer({ ...options, handler });
    consumer.on('warning', () => undefined);
    await until(() => started === 4, consumer);
    await consumer.close({ drainTimeoutMs: 200 });
    await takeOver(options);
  });
});

describe.runIf(brokers.includes('real'))('a consumer on a real broker', () => {
  const broker = useBroker('real');

  /** Blocks this thread for long enough that all there is to fetch is fetched. */
  const block = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);

  test('polls on while it drains: a handler longer than max.poll.interval.ms is still its own, and committed', async () => {
    const [topic, group] = [await broker.topic(1), uniqueName('g')];
    await broker.cluster.produce([{ topic, partition: 0, value: 'slow' }]);
    const lost: unknown[] = [];
    let started = 0;
    const times = { 'session.timeout.ms': 6_000, 'max.poll.interval.ms': 6_000 };
    const consumer = await startConsumer({
      ...baseOptions(broker, group, times),
      topics: [topic],
      handler: async () => {
        started += 1;
        await sleep(9_000);
      },
    });
    consumer.on('lost', (event) => void lost.push(event));
    await until(() => started === 1, consumer);
    await consumer.close();
    expect([lost, await broker.cluster.committedOffsets(group, topic)]).toEqual([[], [1]]);
  });

  test("auto.offset.reset is error: a partition given up behind another one's records fails the consumer", async () => {
    const [topic, group] = [await broker.topic(2), uniqueName('g')];
    const produce = () =>
      broker.cluster.produce(Array.from({ length: 200 }, (_, index) => ({ topic, partition: index % 2, value: 'v' })));
    await produce();
    await broker.cluster.commit(
      group,
      [0, 1].map((partition) => ({ topic, partition, offset: 0 })),
    );
    const completed = [0, 0];
    const consumer = await startConsumer({
      ...baseOptions(broker, group, { 'auto.offset.reset': 'error' }),
      topics: [topic],
      handler: ({ partition }) => {
        completed[partition] = (completed[partition] as number) + 1;
      },
    });
    await until(() => completed.join() === '100,100', consumer);
    consumer.pause();
    await produce();
    await broker.cluster.deleteRecords([{ topic, partition: 1, offset: 150 }]);
    // What is fetched meanwhile waits in the client: the records of one, and then the error of the other.
    for (const partition of [0, 1]) {
      consumer.resume([{ topic, partition }]);
      block();
    }
    await expect(consumer.closed).rejects.toMatchObject({
      ...{ code: 'ERR_KAFKA', kafkaCode: -140, fatal: true },
      message: expect.stringContaining(`${topic}[1]: there is no committed offset that the log still holds`),
    });
    expect(completed[1]).toBe(100);
  });

  test('the same where nothing is committed in one of them', async () => {
    const [topic, group] = [await broker.topic(2), uniqueName('g')];
    await broker.cluster.produce([0, 1].map((partition) => ({ topic, partition, value: 'v' })));
    await broker.cluster.commit(group, [{ topic, partition: 0, offset: 0 }]);
    const consumer = await startConsumer({
      ...baseOptions(broker, group, { 'auto.offset.reset': 'error' }),
      topics: [topic],
      handler: () => undefined,
    });
    consumer.on('assigned', block);
    await expect(consumer.closed).rejects.toThrow(`${topic}[1]: there is no committed offset`);
  });

  test('another one with its group.instance.id: it fails, also where records are in front of the error', async () => {
    const [topic, group] = [await broker.topic(1), uniqueName('g')];
    const produce = () =>
      broker.cluster.produce(Array.from({ length: 200 }, () => ({ topic, partition: 0, value: 'v' })));
    await produce();
    const options: ConsumerOptions = {
      ...baseOptions(broker, group, { 'group.instance.id': 'one' }),
      topics: [topic],
      commitIntervalMs: 50,
      handler: () => undefined,
    };
    const consumer = await startConsumer(options);
    consumer.on('warning', () => undefined);
    await until(() => consumer.snapshot().completed === 200, consumer);
    const failure = consumer.closed.catch((error: Error) => error);
    await using other = await startConsumer(options);
    other.on('warning', () => undefined);
    await produce();
    block();
    expect(await failure).toMatchObject({ code: 'ERR_KAFKA', kafkaCode: -150, fatal: true });
    expect(((await failure) as Error).message).toContain('fenced');
  });

  test('the broker is away when it closes: it says so, and its process ends', { timeout: 120_000 }, async () => {
    await using away = await startKafka();
    const cluster = await connectCluster(away.bootstrapServers);
    await cluster.createTopic('t', 1);
    await cluster.produce([{ topic: 't', partition: 0, value: 'v' }]);
    await cluster.close();
    const app = startApp({
      kafka: {
        ...{ 'bootstrap.servers': away.bootstrapServers, 'group.id': 'g', 'auto.offset.reset': 'earliest' },
        'session.timeout.ms': 6_000,
      },
      topic: 't',
      hangs: false,
      drainTimeoutMs: 500,
    });
    await until(() => app.lines.some((line) => line.startsWith('started')));
    await away.stop('SIGKILL');
    await until(() => app.lines.some((line) => line.startsWith('completed')));
    app.child.kill('SIGTERM');
    expect(await app.exited).toEqual([0, null]);
    expect(app.lines.at(-1)).toBe('closed');
  });
});

describe('a signal that aborts during the start', () => {
  const opensForEver = new URL('data:text/javascript,export default { open: () => new Promise(() => 0), handle() {} }');
  test.each([
    { name: 'while no broker answers', handler: () => undefined },
    { name: 'while a handler opens', handler: opensForEver },
  ])('$name: the start rejects with its reason, and nothing is left', async ({ handler }) => {
    const aborter = new AbortController();
    const starting = startConsumer({
      kafka: { 'bootstrap.servers': '127.0.0.1:1', 'group.id': 'g' },
      topics: ['t'],
      handler,
      threads: 1,
      signal: aborter.signal,
      installSignalHandlers: true,
      startTimeoutMs: 10_000,
    }).catch((error: Error) => error);
    // By now it is in the middle of it; left alone, it would reject with a KafkaError in the end, or never settle.
    await sleep(500);
    const reason = new Error('not any more');
    aborter.abort(reason);
    expect(await starting).toBe(reason);
    expect([getEventListeners(aborter.signal, 'abort'), process.listenerCount('SIGTERM')]).toEqual([[], 0]);
  });
});

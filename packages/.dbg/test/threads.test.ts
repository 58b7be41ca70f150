/**
 * What a handler thread is like from inside: no addon, living timers, replaced when it dies.
 */
import { SharedLog } from '@keylane/testing';
import { startConsumer, ThreadLostError } from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, handlerFile, uniqueName, until, useBroker } from './support.ts';

describe('a handler thread', () => {
  const broker = useBroker('embedded');

  async function produce(count: number, keys = count): Promise<string> {
    const topic = await broker.topic();
    await broker.cluster.produce(
      Array.from({ length: count }, (_, index) => ({ topic, key: `k${index % keys}`, value: `${index}` })),
    );
    return topic;
  }

  test("imports 'keylane' and 'keylane/handler' without loading the client's addon", async () => {
    const topic = await produce(1);
    const channel = new BroadcastChannel(uniqueName('modules'));
    const loaded = new Promise<string[]>((resolve) => {
      channel.onmessage = (event) => resolve((event as MessageEvent).data);
    });
    await using consumer = await startConsumer({
      ...baseOptions(broker, uniqueName('g')),
      topics: [topic],
      handler: handlerFile('modules'),
      handlerData: channel.name,
      threads: 1,
    });
    await until(() => consumer.snapshot().completed === 1, consumer);
    const modules = await loaded;
    channel.close();
    expect(modules.filter((name) => name.includes('kafka-javascript') || name.endsWith('.node'))).toEqual([]);
    // The list is not just empty: what the handler itself requires is on it.
    expect(modules.some((name) => name.includes('probe.cjs'))).toBe(true);
  });

  test('turns its event loop between records, and while it has none', async () => {
    const records = 300;
    const topic = await produce(records);
    const counts = new Int32Array(new SharedArrayBuffer(8));
    await using consumer = await startConsumer({
      ...baseOptions(broker, uniqueName('g')),
      topics: [topic],
      handler: handlerFile('ticking'),
      handlerData: counts.buffer,
      threads: 1,
    });
    await until(() => consumer.snapshot().completed === records, consumer);
    // Each record computes for about a millisecond without a pause; a timer of 1 ms must get its turns all the same.
    const ticksBetweenRecords = Atomics.load(counts, 1);
    expect(ticksBetweenRecords).toBeGreaterThan(records / 10);
    const ticks = Atomics.load(counts, 0);
    await until(() => Atomics.load(counts, 0) > ticks + 5);
  });

  test.each(['exit', 'throw-later', 'reject-later', 'out-of-memory'])(
    'that dies (%s) is replaced, and its records run again',
    async (way) => {
      const records = 200;
      const topic = await produce(records, 20);
      const log = new SharedLog(records * 4);
      const group = uniqueName('g');
      const warnings: Error[] = [];
      await using consumer = await startConsumer({
        ...baseOptions(broker, group),
        topics: [topic],
        handler: handlerFile('dying'),
        handlerData: { log: log.buffer, way, died: new SharedArrayBuffer(4) },
        threads: 2,
        threadOptions: { resourceLimits: { maxOldGenerationSizeMb: 64 } },
      });
      consumer.on('warning', (warning) => void warnings.push(warning));
      const completed = () =>
        new Set(
          log.entries().map(({ partition, ...entry }) => ('offset' in entry ? `${partition} ${entry.offset}` : '')),
        );
      await until(() => completed().size === records && consumer.snapshot().completed === records, consumer);
      expect(warnings.filter((warning) => warning instanceof ThreadLostError)).toHaveLength(1);
      expect(
        consumer
          .snapshot()
          .threads.map(({ restarts }) => restarts)
          .sort(),
      ).toEqual([0, 1]);
    },
  );

  test('that dies of a record again and again fails the consumer with that record and the cause', async () => {
    const topic = await produce(1);
    const consumer = await startConsumer({
      ...baseOptions(broker, uniqueName('g')),
      topics: [topic],
      handler: handlerFile('dying'),
      handlerData: { log: new SharedLog(100).buffer, way: 'exit-always', died: new SharedArrayBuffer(4) },
      threads: 1,
    });
    consumer.on('warning', () => undefined);
    await expect(consumer.closed).rejects.toMatchObject({
      code: 'ERR_HANDLER_CRASHED',
      topic,
      offset: 0,
      attempt: 5,
      stage: 'thread-lost',
      cause: { code: 'ERR_THREAD_LOST', threadId: 0, exitCode: 3, running: [{ topic, offset: 0 }] },
    });
    expect(consumer.state).toBe('failed');
  });
});

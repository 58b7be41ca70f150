/**
 * Partitions, topics and keys that share one consumer: none starves, none waits for another one's key.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, isCommittedToEnd, uniqueName, until, useBroker } from './support.ts';

describe.each(brokers)('sharing on the %s broker', (kind) => {
  const broker = useBroker(kind);

  test('PartitionOrderProcessing: with large backlogs everywhere, every partition is served from the start', async () => {
    const [topic, group] = [await broker.topic(5), uniqueName('g')];
    const partitions = kind === 'real' ? 5 : 4;
    await broker.cluster.produce(
      Array.from({ length: 10_000 }, (_, index) => ({ topic, partition: index % partitions, value: `${index}` })),
    );
    const served = new Map<number, number>();
    let handled = 0;
    const consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      ordering: 'partition',
      concurrencyPerThread: partitions,
      handler: async ({ partition }) => {
        await sleep(2);
        handled += 1;
        if (handled <= 500) served.set(partition, (served.get(partition) ?? 0) + 1);
      },
    });
    await until(() => handled >= 500, consumer);
    await consumer.close();
    expect(served.size).toBe(partitions);
    for (const count of served.values()) expect(count).toBeGreaterThan(500 / partitions / 4);
  });

  test('MultiTopic: the same key in three topics is three keys, and all are committed', async () => {
    const topics = [await broker.topic(1), await broker.topic(1), await broker.topic(1)];
    const group = uniqueName('g');
    const records = topics.flatMap((topic) => Array.from({ length: 3 }, () => ({ topic, partition: 0, key: 'same' })));
    await broker.cluster.produce(records);
    let running = 0;
    let most = 0;
    const consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics,
      commitIntervalMs: 50,
      handler: async () => {
        running += 1;
        most = Math.max(most, running);
        // The first of each topic waits for the others: they can only meet if none waits for another one's key.
        if (most < 3) await until(() => most === 3);
        running -= 1;
      },
    });
    for (const topic of topics) await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    await consumer.close();
    expect(most).toBe(3);
  });

  test('NullKeys: keyless records run at once beside ordered keys', async () => {
    const [topic, group] = [await broker.topic(1), uniqueName('g')];
    await broker.cluster.produce(
      Array.from({ length: 400 }, (_, index) => ({
        topic,
        partition: 0,
        key: index % 20 === 0 ? 'keyed' : null,
        value: `${index}`,
      })),
    );
    const keyed: number[] = [];
    let keyless = 0;
    let most = 0;
    const consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      commitIntervalMs: 50,
      handler: async ({ key, offset }) => {
        if (key !== null) {
          keyed.push(offset);
          await sleep(1);
          return;
        }
        keyless += 1;
        most = Math.max(most, keyless);
        if (most < 10) await until(() => most >= 10);
        keyless -= 1;
      },
    });
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    await consumer.close();
    expect(most).toBeGreaterThanOrEqual(10);
    expect(keyed).toEqual([...keyed].sort((a, b) => a - b));
    expect(keyed).toHaveLength(20);
  });
});

/**
 * TransactionMarkers: offsets that hold no record lie between, behind and instead of records. Real broker only: the
 * embedded one writes no markers.
 */
import type { Transactions } from '@keylane/testing';
import { startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, isCommittedToEnd, uniqueName, until, useBroker } from './support.ts';

describe.runIf(brokers.includes('real'))('TransactionMarkers', () => {
  const broker = useBroker('real');
  const values = (topic: string, ...names: string[]) =>
    names.map((value) => ({ topic, partition: 0, key: value, value }));

  /** Consumes everything; `blocked` waits until all others are complete. */
  async function consume(topic: string, blocked?: string) {
    const group = uniqueName('g');
    const seen: string[] = [];
    let release = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      commitIntervalMs: 50,
      handler: async ({ value }) => {
        if (String(value) === blocked) await gate;
        seen.push(String(value));
      },
    });
    return { group, seen, release, consumer };
  }

  const CASES: readonly {
    readonly what: string;
    readonly blocked?: string;
    readonly expected: string[];
    write(topic: string, one: Transactions, two: Transactions, three: Transactions): Promise<void>;
  }[] = [
    {
      what: 'a single transaction',
      expected: ['a'],
      async write(topic, one) {
        await one.begin();
        await one.produce(values(topic, 'a'));
        await one.commit();
      },
    },
    {
      what: 'two markers behind one another, the second of an aborted transaction',
      expected: ['a'],
      async write(topic, one) {
        await one.begin();
        await one.produce(values(topic, 'a'));
        await one.commit();
        await one.begin();
        await one.produce(values(topic, 'never'));
        await one.abort();
      },
    },
    {
      what: 'several transactions',
      expected: ['a', 'b', 'c', 'd'],
      async write(topic, one) {
        for (const name of ['a', 'b', 'c', 'd']) {
          await one.begin();
          await one.produce(values(topic, name));
          await one.commit();
        }
      },
    },
    {
      what: 'several transactions, the first record blocked',
      blocked: 'a',
      expected: ['b', 'c', 'a'],
      async write(topic, one) {
        for (const name of ['a', 'b', 'c']) {
          await one.begin();
          await one.produce(values(topic, name));
          await one.commit();
        }
      },
    },
    {
      what: 'only an aborted transaction',
      expected: [],
      async write(topic, one) {
        await one.begin();
        await one.produce(values(topic, 'never', 'ever'));
        await one.abort();
      },
    },
    {
      what: 'three overlapping transactions, three markers in a row, one of them an abort',
      expected: ['1a', '3a', '1b', '3b'],
      async write(topic, one, two, three) {
        const all = [one, two, three];
        for (const [index, producer] of all.entries()) {
          await producer.begin();
          await producer.produce(values(topic, `${index + 1}a`));
        }
        for (const [index, producer] of all.entries()) await producer.produce(values(topic, `${index + 1}b`));
        await one.commit();
        await two.abort();
        await three.commit();
      },
    },
  ];

  test.each(CASES)('$what: every record once, and lag 0 past the markers', async ({ blocked, expected, write }) => {
    const topic = await broker.topic(1);
    const producers = await Promise.all([1, 2, 3].map(() => broker.cluster.transactions(uniqueName('tx'))));
    await write(topic, ...(producers as [Transactions, Transactions, Transactions]));
    const { group, seen, release, consumer } = await consume(topic, blocked);
    await until(() => seen.length >= expected.length - (blocked === undefined ? 0 : 1), consumer);
    release();
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    await until(() => consumer.snapshot().partitions[0]?.lag === 0, consumer);
    await consumer.close();
    for (const producer of producers) await producer.close();
    expect([...seen].sort()).toEqual([...expected].sort());
    const [end] = await broker.cluster.endOffsets(topic);
    expect(await broker.cluster.committedOffsets(group, topic)).toEqual([end]);
    expect(end).toBeGreaterThan(expected.length);
  });
});

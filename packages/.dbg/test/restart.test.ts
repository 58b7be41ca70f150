/**
 * What a restart runs again, and what it does not: the offset map in the commit's metadata, and committed offsets that
 * are not what they were.
 */
import { type KeylaneError, OffsetError, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, isCommittedToEnd, type TestBroker, uniqueName, until, useBroker } from './support.ts';

/** A consumer whose handler notes every offset it completes, by partition, and fails those it is told to. */
async function startNoting(
  broker: TestBroker,
  at: { topic: string; group: string; kafka?: Record<string, unknown> },
  fails: (offset: number) => boolean = () => false,
) {
  const completed: number[] = [];
  const attempted: number[] = [];
  const warnings: KeylaneError[] = [];
  const consumer = await startConsumer({
    ...baseOptions(broker, at.group, at.kafka),
    topics: [at.topic],
    handler: ({ offset }) => {
      attempted.push(offset);
      if (fails(offset)) throw new Error(`${offset} shall fail`);
      completed.push(offset);
    },
    commitIntervalMs: 50,
    // What fails stays what it is: neither complete nor exhausted.
    retry: { attemptsMax: 1_000_000, delayMs: 200, jitter: 'none' },
  });
  consumer.on('warning', (warning) => void warnings.push(warning));
  return { consumer, completed, attempted, warnings };
}

const sorted = (offsets: readonly number[]) => [...offsets].sort((a, b) => a - b);
const numbers = (first: number, end: number) => Array.from({ length: end - first }, (_, index) => first + index);

function produce(broker: TestBroker, topic: string, count: number, from = 0) {
  return broker.cluster.produce(
    numbers(from, from + count).map((number) => ({ topic, partition: 0, key: `k${number}`, value: `${number}` })),
  );
}

/** The whole of partition 0 is committed. */
const isDone = (broker: TestBroker, at: { topic: string; group: string }) => () =>
  isCommittedToEnd(broker.cluster, at.group, at.topic);

describe.each(brokers)('a restart on the %s broker', (kind) => {
  const broker = useBroker(kind);
  const place = async (partitions?: number) => ({ topic: await broker.topic(partitions), group: uniqueName('g') });

  test('CloseAndOpenOffset: of 10,000 records 3 fail, and a restart runs exactly those 3', async () => {
    const at = await place(1);
    await produce(broker, at.topic, 10_000);
    const failing = [123, 2_345, 8_765];
    const first = await startNoting(broker, at, (offset) => failing.includes(offset));
    await until(() => first.completed.length === 9_997 && failing.every((o) => first.attempted.includes(o)));
    await first.consumer.close();
    expect(await broker.cluster.committedOffsets(at.group, at.topic)).toContain(123);

    const second = await startNoting(broker, at);
    await until(isDone(broker, at), second.consumer);
    await second.consumer.close();
    expect(sorted(second.attempted)).toEqual(failing);
    expect(second.warnings).toEqual([]);
  });

  test('two restarts in quick succession keep what the first one knew', async () => {
    const at = await place(1);
    await produce(broker, at.topic, 3_000);
    const first = await startNoting(broker, at, (offset) => offset === 5);
    await until(() => first.completed.length === 2_999);
    await first.consumer.close();
    const second = await startNoting(broker, at, () => true);
    await until(() => second.attempted.includes(5));
    await second.consumer.close();
    const third = await startNoting(broker, at);
    await until(isDone(broker, at), third.consumer);
    await third.consumer.close();
    expect(third.attempted).toEqual([5]);
  });

  test('OffsetCommittingSanity: one record, close, one record, close: each offset once', async () => {
    const at = await place(1);
    for (const offset of numbers(0, 4)) {
      await produce(broker, at.topic, 1, offset);
      const { consumer, attempted } = await startNoting(broker, at);
      await until(() => attempted.length > 0, consumer);
      await consumer.close();
      expect(attempted).toEqual([offset]);
      expect((await broker.cluster.committedOffsets(at.group, at.topic))[0]).toBe(offset + 1);
    }
  });

  test('DrainClose: what runs is finished and committed at the close, and nothing new begins', async () => {
    const at = await place(1);
    await produce(broker, at.topic, 2);
    const done: number[] = [];
    let release = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    let running = 0;
    const consumer = await startConsumer({
      ...baseOptions(broker, at.group),
      topics: [at.topic],
      handler: async ({ offset }) => {
        running += 1;
        await gate;
        done.push(offset);
      },
    });
    await until(() => running === 2, consumer);
    const closed = consumer.close();
    await produce(broker, at.topic, 10, 2);
    release();
    await closed;
    expect(sorted(done)).toEqual([0, 1]);
    expect((await broker.cluster.committedOffsets(at.group, at.topic))[0]).toBe(2);
  });

  test.each([
    { what: "another program's", metadata: 'AgAAAYxlT2vz' },
    { what: 'random', metadata: 'kl1\u{1}\uFFFD???' },
    { what: "a later version's", metadata: 'kl9\u4000\u4001' },
  ])('$what metadata costs a warning and a replay', async ({ metadata }) => {
    const at = await place(1);
    await produce(broker, at.topic, 20);
    await broker.cluster.commit(at.group, [{ topic: at.topic, partition: 0, offset: 10, metadata }]);
    const { consumer, attempted, warnings } = await startNoting(broker, at);
    await until(isDone(broker, at), consumer);
    await consumer.close();
    expect(sorted(attempted)).toEqual(numbers(10, 20));
    expect(warnings.map(({ code }) => code)).toEqual(['ERR_OFFSET_MAP']);
  });
});

/** What the embedded broker cannot do. */
describe.runIf(brokers.includes('real'))('PartitionStateCommittedOffset', () => {
  const broker = useBroker('real');
  const place = async (partitions?: number) => ({ topic: await broker.topic(partitions), group: uniqueName('g') });

  test.each([25, 75])('a committed offset that was moved from 50 to %i is where it goes on', async (moved) => {
    const at = await place(1);
    await produce(broker, at.topic, 50);
    const first = await startNoting(broker, at);
    await until(isDone(broker, at), first.consumer);
    await first.consumer.close();
    await produce(broker, at.topic, 50, 50);
    await broker.cluster.commit(at.group, [{ topic: at.topic, partition: 0, offset: moved }]);
    const second = await startNoting(broker, at);
    await until(isDone(broker, at), second.consumer);
    await second.consumer.close();
    expect(sorted(second.attempted)).toEqual(numbers(moved, 100));
  });

  test('what a moved offset leaves behind of the map is not believed', async () => {
    const at = await place(1);
    await produce(broker, at.topic, 100);
    const first = await startNoting(broker, at, (offset) => offset === 50);
    await until(() => first.completed.length === 99);
    await first.consumer.close();
    const [committed] = await broker.cluster.committed(at.group, at.topic);
    expect(committed).toMatchObject({ offset: 50, metadata: expect.stringMatching(/^kl1/) });
    await broker.cluster.commit(at.group, [{ ...(committed as object), offset: 25 } as never]);
    const second = await startNoting(broker, at);
    await until(isDone(broker, at), second.consumer);
    await second.consumer.close();
    expect(sorted(second.attempted)).toEqual(numbers(25, 100));
    expect(second.warnings.map(({ code }) => code)).toEqual(['ERR_OFFSET_MAP']);
  });

  test.each([
    { reset: 'earliest', begins: 60 },
    { reset: 'latest', begins: 100 },
  ])('records deleted past the commit, $reset: loud, and on with $begins', async ({ reset, begins }) => {
    const at = await place(1);
    await produce(broker, at.topic, 50);
    const first = await startNoting(broker, at, (offset) => offset === 40);
    await until(() => first.completed.length === 49);
    await first.consumer.close();
    await produce(broker, at.topic, 50, 50);
    await broker.cluster.deleteRecords([{ topic: at.topic, partition: 0, offset: 60 }]);

    const second = await startNoting(broker, { ...at, kafka: { 'auto.offset.reset': reset } });
    await until(() => second.warnings.length > 0, second.consumer);
    await produce(broker, at.topic, 10, 100);
    await until(isDone(broker, at), second.consumer);
    await second.consumer.close();
    expect(sorted(second.attempted)).toEqual(numbers(begins, 110));
    expect(second.warnings).toHaveLength(1);
    const [warning] = second.warnings as [OffsetError];
    expect(warning).toBeInstanceOf(OffsetError);
    expect(warning).toMatchObject({ code: 'ERR_OFFSET_SKIPPED', expected: 40, offset: begins });
  });

  test('records deleted past the commit, and auto.offset.reset is error: the consumer fails with the cause', async () => {
    const at = await place(1);
    await produce(broker, at.topic, 50);
    await broker.cluster.commit(at.group, [{ topic: at.topic, partition: 0, offset: 10 }]);
    await broker.cluster.deleteRecords([{ topic: at.topic, partition: 0, offset: 20 }]);
    const { consumer, attempted } = await startNoting(broker, { ...at, kafka: { 'auto.offset.reset': 'error' } });
    await expect(consumer.closed).rejects.toMatchObject({ code: 'ERR_KAFKA', kafkaCode: -140 });
    expect(attempted).toEqual([]);
  });

  test('no committed offset at all, and auto.offset.reset is error: the same', async () => {
    const at = await place(1);
    await produce(broker, at.topic, 5);
    const { consumer } = await startNoting(broker, { ...at, kafka: { 'auto.offset.reset': 'error' } });
    await expect(consumer.closed).rejects.toThrow(/auto\.offset\.reset/);
  });

  test('a commit past the end of the log begins again where the policy says, and says so', async () => {
    const at = await place(1);
    await produce(broker, at.topic, 20);
    await broker.cluster.commit(at.group, [{ topic: at.topic, partition: 0, offset: 500 }]);
    const { consumer, attempted, warnings } = await startNoting(broker, at);
    await until(isDone(broker, at), consumer);
    await consumer.close();
    expect(sorted(attempted)).toEqual(numbers(0, 20));
    expect(warnings.map(({ code }) => code)).toEqual(['ERR_OFFSET_BACK']);
  });

  test('a compacted topic: holes are no gaps', async () => {
    const topic = uniqueName('t');
    const config = {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
      'delete.retention.ms': '0',
      'max.compaction.lag.ms': '100',
    };
    await broker.cluster.createTopic(topic, 1, config);
    const at = { topic, group: uniqueName('g') };
    const round = (value: string | null) =>
      broker.cluster.produce(numbers(0, 100).map((number) => ({ topic, partition: 0, key: `k${number % 10}`, value })));
    await round('first');
    // Segments roll and are compacted only as further records come.
    const seen = new Set<number>();
    await until(async () => {
      await broker.cluster.produce([{ topic, partition: 0, key: 'roll', value: 'again' }]);
      await new Promise((resolve) => setTimeout(resolve, 500));
      const probe = await startNoting(broker, { topic, group: uniqueName('probe') });
      await until(() => (probe.consumer.snapshot().partitions[0]?.lag ?? 1) === 0, probe.consumer);
      await probe.consumer.close();
      seen.clear();
      for (const offset of probe.attempted) seen.add(offset);
      return seen.size < 60;
    });
    const { consumer, attempted, warnings } = await startNoting(broker, at);
    await until(isDone(broker, at), consumer);
    await consumer.close();
    expect(new Set(attempted).size).toBe(attempted.length);
    expect(attempted.length).toBeLessThan(100);
    expect(warnings).toEqual([]);
    await broker.cluster.deleteTopic(topic);
  });
});

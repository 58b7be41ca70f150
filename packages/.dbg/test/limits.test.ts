/**
 * What is held, and what is remembered, stays within its limits, whatever the handlers do.
 */
import { type Consumer, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, isCommittedToEnd, type TestBroker, uniqueName, until, useBroker } from './support.ts';

const METADATA_CHARACTERS_MAX = 4_095;

/** Handlers that wait until they are let go. */
class Gate {
  readonly waiting: (() => void)[] = [];
  entered = 0;
  #open = false;

  async pass(): Promise<void> {
    this.entered += 1;
    if (!this.#open) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  open(): void {
    this.#open = true;
    for (const go of this.waiting.splice(0)) go();
  }
}

const produce = (broker: TestBroker, topic: string, count: number, keys: number) =>
  broker.cluster.produce(
    Array.from({ length: count }, (_, index) => ({ topic, partition: 0, key: `k${index % keys}`, value: `${index}` })),
  );

describe.each(brokers)('limits on the %s broker', (kind) => {
  const broker = useBroker(kind);

  test.each([
    { shape: 'all in flight', keys: 200, inFlight: 10 },
    { shape: 'in five keys', keys: 5, inFlight: 5 },
  ])('BrokerPollerBackpressure: $shape: no more is held than may be, and it goes on', async ({ keys, inFlight }) => {
    const [topic, group] = [await broker.topic(1), uniqueName('g')];
    await produce(broker, topic, 200, keys);
    const gate = new Gate();
    const consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      concurrencyPerThread: 10,
      bufferedRecordsMax: 150,
      bufferedRecordsPerPartitionMax: 150,
      recordsPerPollMax: 50,
      commitIntervalMs: 50,
      handler: () => gate.pass(),
    });
    // Once everything is paused nothing more comes in, for as long as nothing goes out.
    const paused = () => consumer.snapshot().partitions.some((partition) => partition.paused);
    await until(() => gate.entered === inFlight && paused(), consumer);
    const held = () => consumer.snapshot().buffered.records;
    // While everything is paused each ask may bring one record that was on its way.
    expect(held()).toBeLessThanOrEqual(150 + 1);
    await produce(broker, topic, 10, keys);
    expect(held()).toBeLessThanOrEqual(150 + 2);
    expect([gate.entered, paused()]).toEqual([inFlight, true]);
    gate.open();
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    expect(consumer.snapshot()).toMatchObject({ completed: 210, buffered: { records: 0, bytes: 0 } });
    await consumer.close();
  });

  test('OffsetMetadata at its limit: behind a blocked record every second one completes, for as long as the map fits', async () => {
    const [topic, group] = [await broker.topic(1), uniqueName('g')];
    await produce(broker, topic, 70_000, 70_000);
    const completed = new Set<number>();
    const twice: number[] = [];
    let blocking = true;
    const run = (options = {}): Promise<Consumer> =>
      startConsumer({
        ...baseOptions(broker, group),
        topics: [topic],
        concurrencyPerThread: 2_000,
        bufferedRecordsMax: 100_000,
        bufferedRecordsPerPartitionMax: 100_000,
        recordsPerPollMax: 10_000,
        commitIntervalMs: 50,
        retry: { attemptsMax: 1_000_000, delayMs: 1e8, delayMaxMs: 1e8, jitter: 'none' },
        handler: ({ offset }) => {
          if (blocking && (offset === 0 || offset % 2 === 1)) throw new TypeError('not now');
          if (completed.has(offset)) twice.push(offset);
          completed.add(offset);
        },
        ...options,
      });
    const first = await run();
    first.on('retry', () => undefined);
    // Nothing is handed out past what the map can hold, so at some point nothing moves any more.
    const limit = (METADATA_CHARACTERS_MAX - 10) * 15;
    await until(() => completed.size > limit / 2 - 1_000 && first.snapshot().partitions[0]?.inFlight === 0, first);
    const before = completed.size;
    await until(async () => {
      const metadata = (await broker.cluster.committed(group, topic))[0]?.metadata ?? '';
      expect(metadata.length).toBeLessThanOrEqual(METADATA_CHARACTERS_MAX);
      return metadata.length > 0;
    }, first);
    await first.close();
    expect(before).toBeLessThan(35_000);

    blocking = false;
    const second = await run();
    await until(() => isCommittedToEnd(broker.cluster, group, topic), second);
    await second.close();
    expect([completed.size, twice]).toEqual([70_000, []]);
  });
});

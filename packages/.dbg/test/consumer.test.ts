/**
 * A consumer's life on a broker: closing, pausing, retrying, failing, many topics.
 */
import { once } from 'node:events';
import {
  type Consumer,
  type ConsumerOptions,
  DrainError,
  HandlerError,
  type KafkaRecord,
  startConsumer,
} from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, uniqueName, until, useBroker } from './support.ts';

/** A gate that handlers wait at. */
function gate(): { open: () => void; opened: Promise<void> } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

describe.each(brokers)('a consumer on the %s broker', (kind) => {
  const broker = useBroker(kind);

  async function produce(topic: string, values: readonly string[], key: string | null = null): Promise<void> {
    await broker.cluster.produce(values.map((value) => ({ topic, partition: 0, key, value })));
  }

  function start(group: string, options: Omit<ConsumerOptions, 'kafka'>): Promise<Consumer> {
    return startConsumer({ ...baseOptions(broker, group), commitIntervalMs: 50, ...options });
  }

  test('close() awaits what runs, commits it, and hands out nothing more', async () => {
    const topic = await broker.topic();
    const group = uniqueName('g');
    await produce(topic, ['a', 'b', 'c', 'd']);
    const { open, opened } = gate();
    const started: string[] = [];
    const consumer = await start(group, {
      topics: [topic],
      handler: async ({ value }) => {
        started.push(String(value));
        await opened;
      },
      concurrencyPerThread: 2,
    });
    await until(() => started.length === 2, consumer);
    const closed = consumer.close();
    expect(consumer.state).toBe('draining');
    open();
    await closed;
    await consumer.closed;
    expect(started).toEqual(['a', 'b']);
    expect(consumer.state).toBe('closed');
    expect((await broker.cluster.committedOffsets(group, topic))[0]).toBe(2);
    expect(() => consumer.pause()).toThrow('closing or closed');
  });

  test('close() gives up on handlers that hang, says so, and does not commit their records', async () => {
    const topic = await broker.topic();
    const group = uniqueName('g');
    await produce(topic, ['fine', 'hangs', 'fine']);
    const warnings: Error[] = [];
    let completed = 0;
    const consumer = await start(group, {
      topics: [topic],
      handler: async ({ value }) => {
        if (String(value) === 'hangs') await new Promise(() => {});
        completed += 1;
      },
    });
    consumer.on('warning', (warning) => void warnings.push(warning));
    await until(() => completed === 2, consumer);
    await consumer.close({ drainTimeoutMs: 50 });
    await consumer.closed;
    expect(warnings).toEqual([expect.any(DrainError)]);
    expect(warnings[0]).toMatchObject({ abandoned: 1, code: 'ERR_DRAIN_TIMEOUT' });
    expect((await broker.cluster.committedOffsets(group, topic))[0]).toBe(1);
  });

  test('a failing record is retried with a growing attempt, and only its key waits', async () => {
    const topic = await broker.topic();
    const group = uniqueName('g');
    await produce(topic, ['bad', 'after bad'], 'bad');
    await produce(topic, ['1', '2', '3'], 'good');
    const { open, opened } = gate();
    const handled: string[] = [];
    const consumer = await start(group, {
      topics: [topic],
      handler: async ({ value }: KafkaRecord, { attempt }) => {
        const text = String(value);
        if (text === 'bad' && attempt < 4) throw new Error(`attempt ${attempt}`);
        // The last attempt of the bad one waits for the others: they must not wait for it.
        if (text === 'bad') await opened;
        handled.push(text);
        if (text === '3') open();
      },
      retry: { attemptsMax: 4, delayMs: 1 },
    });
    const retries: unknown[] = [];
    consumer.on(
      'retry',
      ({ error }) => void retries.push([error.offset, error.attempt, (error.cause as Error).message]),
    );
    await until(() => handled.length === 5, consumer);
    expect(handled).toEqual(['1', '2', '3', 'bad', 'after bad']);
    expect(retries).toEqual([1, 2, 3].map((attempt) => [0, attempt, `attempt ${attempt}`]));
    await consumer.close();
    expect((await broker.cluster.committedOffsets(group, topic))[0]).toBe(5);
  });

  test('after the last attempt the consumer fails with the cause and commits nothing past the record', async () => {
    const topic = await broker.topic();
    const group = uniqueName('g');
    await produce(topic, ['1', '2', 'poison', '4', '5']);
    const consumer = await start(group, {
      topics: [topic],
      handler: ({ value }) => {
        if (String(value) === 'poison') throw new TypeError('cannot be done');
      },
      retry: { attemptsMax: 2, delayMs: 1 },
    });
    const error = await consumer.closed.catch((reason: HandlerError) => reason);
    expect(error).toBeInstanceOf(HandlerError);
    expect(error).toMatchObject({ topic, partition: 0, offset: 2, attempt: 2, cause: { message: 'cannot be done' } });
    expect(consumer.state).toBe('failed');
    await consumer.close();
    expect((await broker.cluster.committedOffsets(group, topic))[0]).toBe(2);
  });

  test('pause() stops the hand-out of what is buffered and of what comes; resume() goes on', async () => {
    const topic = await broker.topic();
    await produce(
      topic,
      Array.from({ length: 20 }, (_, index) => `${index}`),
    );
    const handled: string[] = [];
    let release = () => {};
    await using consumer = await start(uniqueName('g'), {
      topics: [topic],
      handler: async ({ value }) => {
        handled.push(String(value));
        if (handled.length === 1) await new Promise<void>((resolve) => (release = resolve));
      },
      concurrencyPerThread: 1,
    });
    await until(() => handled.length === 1, consumer);
    consumer.pause([{ topic, partition: 0 }]);
    release();
    await until(() => consumer.snapshot().completed >= 1, consumer);
    const atPause = consumer.snapshot();
    await produce(topic, ['later']);
    // A record of another partition comes through, so whatever of this one would still be handed out would have been.
    await broker.cluster.produce([{ topic, partition: 1, value: 'elsewhere' }]);
    await until(() => handled.includes('elsewhere'), consumer);
    expect(handled.length).toBe(atPause.completed + 1);
    expect(handled.length).toBeLessThan(20);
    const paused = consumer.snapshot().partitions.find(({ partition }) => partition === 0);
    expect(paused).toMatchObject({ paused: true, inFlight: 0 });
    consumer.resume();
    await until(() => handled.length === 22, consumer);
    expect(handled.at(-1)).toBe('later');
  });

  test('several topics and an expression in one consumer, also for a topic that appears later', async () => {
    const prefix = uniqueName('many');
    const names = [`${prefix}-a`, `${prefix}.x.1`, `${prefix}.x.2`];
    if (kind === 'real') for (const name of names) await broker.cluster.createTopic(name, 1);
    await broker.cluster.produce(names.map((topic) => ({ topic, partition: 0, value: topic })));
    const seen = new Set<string>();
    const kafka = { ...baseOptions(broker, uniqueName('g')).kafka, 'topic.metadata.refresh.interval.ms': 200 };
    await using consumer = await startConsumer({
      kafka,
      topics: [names[0] as string, new RegExp(`^${prefix}\\.x\\.\\d+$`)],
      handler: ({ topic, value }) => void seen.add(`${topic} ${value}`),
    });
    await until(() => seen.size === names.length, consumer);
    const late = `${prefix}.x.33`;
    if (kind === 'real') await broker.cluster.createTopic(late, 1);
    await broker.cluster.produce([{ topic: late, partition: 0, value: late }]);
    await until(() => seen.size === names.length + 1, consumer);
    expect([...seen].sort()).toEqual([...names, late].map((name) => `${name} ${name}`).sort());
  });

  test('an AbortSignal closes it, and a snapshot is plain data', async () => {
    const topic = await broker.topic();
    await produce(topic, ['1', '2', '3'], 'k');
    const aborter = new AbortController();
    const group = uniqueName('g');
    const consumer = await start(group, { topics: [topic], handler: () => undefined, signal: aborter.signal });
    await until(
      () => consumer.snapshot().partitions.some(({ lag, committed }) => lag === 0 && committed === 3),
      consumer,
    );
    const snapshot = consumer.snapshot();
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    expect(snapshot).toMatchObject({ state: 'running', completed: 3, buffered: { records: 0, bytes: 0 } });
    expect(snapshot.partitions.find(({ partition }) => partition === 0)).toEqual({
      topic,
      partition: 0,
      fetched: { records: 0, bytes: 0 },
      committed: 3,
      committable: 3,
      position: 3,
      endOffset: 3,
      lag: 0,
      buffered: 0,
      inFlight: 0,
      retrying: 0,
      paused: false,
      halted: false,
      parkedKeys: null,
    });
    aborter.abort();
    await consumer.closed;
    expect(consumer.state).toBe('closed');
  });

  test('a full buffer stops fetching but not polling: commits are still answered', async () => {
    const topic = await broker.topic();
    const group = uniqueName('g');
    await produce(
      topic,
      Array.from({ length: 500 }, (_, index) => `${index}`),
    );
    const { open, opened } = gate();
    let handled = 0;
    await using consumer = await start(group, {
      topics: [topic],
      handler: async ({ offset }) => {
        if (offset > 0) await opened;
        handled += 1;
      },
      bufferedRecordsMax: 10,
      bufferedRecordsPerPartitionMax: 10,
      recordsPerPollMax: 5,
    });
    await until(() => consumer.snapshot().partitions.some(({ committed }) => committed === 1), consumer);
    expect(consumer.snapshot().buffered.records).toBeLessThanOrEqual(15);
    open();
    await until(
      () => handled === 500 && consumer.snapshot().partitions.some(({ committed }) => committed === 500),
      consumer,
    );
  });
});

test('an AbortSignal that is aborted already starts nothing', async () => {
  const options = {
    kafka: { 'bootstrap.servers': '127.0.0.1:1', 'group.id': 'g' },
    topics: ['t'],
    handler: () => undefined,
  };
  await expect(startConsumer({ ...options, signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
});

test('a warning nobody listens for becomes a warning of the process', async () => {
  const warned = once(process, 'warning');
  const options = {
    kafka: { 'bootstrap.servers': '127.0.0.1:1', 'group.id': 'g' },
    topics: ['t'],
    handler: () => undefined,
  };
  await expect(startConsumer({ ...options, startTimeoutMs: 500 })).rejects.toMatchObject({ code: 'ERR_KAFKA' });
  expect((await warned)[0]).toMatchObject({ code: 'ERR_KAFKA' });
});

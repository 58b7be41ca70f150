/**
 * What else becomes of a record that is not tried again, on brokers: skipped, the end of the consumer, tried later, and
 * a flood of them.
 */
import {
  type ConsumerOptions,
  FloodError,
  HandlerError,
  type KafkaRecord,
  later,
  NonRetryableError,
  retry,
  startConsumer,
} from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, hear, isCommittedToEnd, readTopic, uniqueName, until, useBroker } from './support.ts';

describe.each(brokers)('exhausted records on the %s broker', (kind) => {
  const broker = useBroker(kind);

  /** A topic with records of these values in partition 0, each with a key of its own, and a consumer of it. */
  async function scene(values: readonly string[], options: Omit<ConsumerOptions, 'kafka' | 'topics'>) {
    const [topic, group] = [await broker.topic(4), uniqueName('g')];
    const produce = (partition: number, more: readonly string[]) =>
      broker.cluster.produce(more.map((value) => ({ topic, partition, key: value, value })));
    await produce(0, values);
    const consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      commitIntervalMs: 50,
      ...options,
    });
    const committed = async () => (await broker.cluster.committedOffsets(group, topic))[0];
    return { topic, group, produce, consumer, committed, heard: hear(consumer) };
  }

  const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

  test('skip: counted, told, committed past', async () => {
    const handled: string[] = [];
    const over = await scene(numbers(12), {
      handler: ({ value }) => {
        if (Number(value) % 4 === 1) throw new RangeError(`not ${value}`);
        handled.push(String(value));
      },
      retry: { attemptsMax: 2, delayMs: 1 },
      onExhausted: 'skip',
    });
    await using consumer = over.consumer;
    await until(
      () => over.heard.committed.some(({ offsets }) => offsets.some(({ offset }) => offset === 12)),
      consumer,
    );
    expect(over.heard.skipped.map(({ error }) => [error.offset, error.attempt]).sort()).toEqual([
      [1, 2],
      [5, 2],
      [9, 2],
    ]);
    expect(consumer.snapshot()).toMatchObject({ completed: 9, skipped: 3, retried: 3, deadLettered: 0 });
    expect([handled.length, over.heard.warning]).toEqual([9, []]);
  });

  test('stop: the consumer fails with it, and commits nothing past it', async () => {
    const over = await scene(numbers(8), {
      handler: ({ value }) => {
        if (String(value) === '3') throw new NonRetryableError('the end');
      },
      onExhausted: (_, error) => (error.cause instanceof NonRetryableError ? 'skip' : 'stop'),
      onError: (error) => ((error.cause as Error).name === 'NonRetryableError' ? 'stop' : undefined),
    });
    const failure = await over.consumer.closed.then(
      () => expect.unreachable(),
      (error: HandlerError) => error,
    );
    expect(failure).toBeInstanceOf(HandlerError);
    expect(failure).toMatchObject({ offset: 3, attempt: 1, stage: 'handle' });
    expect([over.consumer.state, await over.committed(), over.heard.skipped]).toEqual(['failed', 3, []]);
  });

  test('later: a downstream with a rate limit gets all there is, and nobody loses an attempt', async () => {
    const served = new Map<string, number>();
    let [left, refused] = [10, 0];
    const over = await scene(numbers(60), {
      handler: async ({ value }, { attempt }) => {
        await undefined;
        if (left === 0) {
          refused += 1;
          throw Object.assign(new Error('429'), { retryAfterMs: 20 });
        }
        left -= 1;
        served.set(String(value), attempt);
      },
      retry: { attemptsMax: 1 },
      onError: (error) => {
        const { retryAfterMs } = error.cause as { retryAfterMs?: number };
        return retryAfterMs === undefined ? undefined : later(retryAfterMs);
      },
    });
    await using consumer = over.consumer;
    const refill = setInterval(() => {
      left = 10;
    }, 50);
    await until(() => isCommittedToEnd(broker.cluster, over.group, over.topic), consumer);
    clearInterval(refill);
    expect(served.size).toBe(60);
    expect(new Set(served.values())).toEqual(new Set([1]));
    expect(refused).toBeGreaterThan(0);
    expect(over.heard.retry.length).toBe(refused);
    expect(new Set(over.heard.retry.map(({ delayMs }) => delayMs))).toEqual(new Set([20]));
  });

  test('onError routes each error its own way, and knows what came before', async () => {
    const letters = await broker.topic(4);
    const before: number[][] = [];
    const over = await scene(['bury', 'skip', 'again', 'fine'], {
      handler: ({ value }, { attempt }) => {
        if (String(value) === 'again' && attempt === 3) return;
        if (String(value) !== 'fine') throw new Error(String(value));
      },
      deadLetter: { topic: letters },
      onError: (error, { errors }) => {
        const { message } = error.cause as Error;
        if (message === 'bury') return 'dead-letter';
        if (message === 'skip') return 'skip';
        before.push(errors.map(({ attempt }) => attempt));
        return retry(1);
      },
    });
    await using consumer = over.consumer;
    await until(() => isCommittedToEnd(broker.cluster, over.group, over.topic), consumer);
    expect((await readTopic(broker, letters)).map(({ value }) => String(value))).toEqual(['bury']);
    expect(consumer.snapshot()).toMatchObject({ completed: 2, deadLettered: 1, skipped: 1, retried: 2 });
    expect(before).toEqual([[1], [1, 2]]);
  });

  test('a flood halts its partition, loudly; the others go on; resume() goes on with what failed by then', async () => {
    const letters = await broker.topic(4);
    let isBroken = true;
    const handled: KafkaRecord[] = [];
    const over = await scene(numbers(100), {
      handler: (record) => {
        if (isBroken && record.partition === 0) throw new NonRetryableError('a bad deploy');
        handled.push(record);
      },
      deadLetter: { topic: letters, consecutiveMax: 5 },
    });
    await using consumer = over.consumer;
    const { heard, produce, topic } = over;
    const zero = () => consumer.snapshot().partitions.find(({ partition }) => partition === 0);
    await until(() => heard.halted.length > 0 && zero()?.inFlight === 0 && zero()?.committed === 5, consumer);
    expect(heard.halted).toEqual([{ topic, partition: 0 }]);
    const floods = heard.warning.filter((warning) => warning instanceof FloodError);
    expect(floods).toMatchObject([{ code: 'ERR_FLOOD', at: { topic, partition: 0 } }]);
    expect(floods[0]?.message).toContain('consumer.resume()');
    expect(zero()).toMatchObject({ halted: true, paused: true });
    // Another partition is not asked, and whatever else of this one would run had run by then.
    await produce(2, numbers(20));
    await produce(0, ['more']);
    await until(() => handled.filter(({ partition }) => partition === 2).length === 20, consumer);
    expect([handled.length, heard['dead-letter'].length, zero()?.committed]).toEqual([20, 5, 5]);

    isBroken = false;
    consumer.resume([{ topic, partition: 0 }]);
    await until(() => isCommittedToEnd(broker.cluster, over.group, topic), consumer);
    expect(handled.filter(({ partition }) => partition === 0).length).toBe(96);
    expect([zero()?.halted, (await readTopic(broker, letters)).length, heard.halted.length]).toEqual([false, 5, 1]);
  });

  test('a partition that is halted is closed in time, and the next consumer goes on at the first that was not buried', async () => {
    const letters = await broker.topic(4);
    const deadLetter = { topic: letters, consecutiveMax: 3 };
    const over = await scene(numbers(30), {
      handler: () => {
        throw new NonRetryableError('a bad deploy');
      },
      deadLetter,
    });
    await until(() => over.heard.halted.length > 0, over.consumer);
    await over.consumer.close();
    await over.consumer.closed;
    expect(await over.committed()).toBe(3);
    const offsets: number[] = [];
    await using next = await startConsumer({
      ...baseOptions(broker, over.group),
      topics: [over.topic],
      handler: ({ offset }) => void offsets.push(offset),
      deadLetter,
    });
    await until(() => offsets.length === 27, next);
    expect(offsets.sort((a, b) => a - b)).toEqual(numbers(30).slice(3).map(Number));
    expect((await readTopic(broker, letters)).length).toBe(3);
  });
});

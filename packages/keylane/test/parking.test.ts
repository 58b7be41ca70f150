/**
 * Parked keys on brokers: what follows a failure into the park topic, and comes back from there in order. The replayer
 * is written here, from what the headers promise.
 */

import { type Consumer, type ConsumerOptions, type KafkaRecord, NonRetryableError, startConsumer } from 'keylane';
import { withoutDeadLetterHeaders } from 'keylane/dead-letter';
import { describe, expect, test } from 'vitest';
import {
  baseOptions,
  brokers,
  hear,
  isCommittedToEnd,
  readTopic,
  textHeaders,
  uniqueName,
  until,
  useBroker,
} from './support.ts';

describe.each(brokers)('a parked key on the %s broker', (kind) => {
  const broker = useBroker(kind);

  class Scene {
    readonly topic: string;
    readonly park: string;
    readonly group: string = uniqueName('g');
    /** What was handled to its end, as `key value`. */
    readonly handled: string[] = [];
    /** Values that cannot be handled. */
    readonly bad: Set<string> = new Set();
    readonly #replayed: Set<string> = new Set();

    constructor(topic: string, park: string) {
      this.topic = topic;
      this.park = park;
    }

    start(options: Partial<ConsumerOptions> = {}, kafka: Record<string, unknown> = {}): Promise<Consumer> {
      return startConsumer({
        ...baseOptions(broker, this.group, kafka),
        topics: [this.topic],
        handler: ({ key, value }) => {
          if (this.bad.has(String(value))) throw new NonRetryableError(`${value} is bad`);
          this.handled.push(`${key} ${value}`);
        },
        commitIntervalMs: 50,
        onExhausted: 'park',
        park: { topic: this.park },
        ...options,
      });
    }

    async produce(key: string, ...values: string[]): Promise<void> {
      await broker.cluster.produce(values.map((value) => ({ topic: this.topic, partition: 1, key, value })));
    }

    /** Resolves when everything produced so far is committed. */
    async settled(consumer: Consumer): Promise<void> {
      await until(() => consumer.snapshot().partitions.some(({ committed }) => committed !== null), consumer);
      await until(() => isCommittedToEnd(broker.cluster, this.group, this.topic), consumer);
    }

    of(key: string): string[] {
      return this.handled.filter((entry) => entry.startsWith(`${key} `)).map((entry) => entry.slice(key.length + 1));
    }

    /** The park topic as `failed a1`, `follows a2`, `released a`. */
    async parked(): Promise<string[]> {
      return (await readTopic(broker, this.park)).map((record) => {
        const said = textHeaders(record);
        return said['keylane_released'] === undefined
          ? `${said['keylane_parked']} ${record.value}`
          : `released ${record.key}`;
      });
    }

    /** What is to be replayed next: in the order of the log, and only what was not. */
    async #due(): Promise<KafkaRecord[]> {
      return (await readTopic(broker, this.park))
        .filter((record) => textHeaders(record)['keylane_parked'] !== undefined)
        .filter(({ partition, offset }) => !this.#replayed.has(`${partition}@${offset}`))
        .sort((a, b) => a.partition - b.partition || a.offset - b.offset);
    }

    /** Produces what is parked to where it came from; `between` runs after each. */
    async replay(between: (value: string) => Promise<void> = async () => undefined): Promise<number> {
      const due = await this.#due();
      for (const { partition, offset, key, value, headers, timestamp } of due) {
        this.#replayed.add(`${partition}@${offset}`);
        const said = textHeaders({ headers });
        await broker.cluster.produce([
          {
            topic: said['keylane_origin-topic'] as string,
            partition: Number(said['keylane_origin-partition']),
            key,
            value,
            timestamp,
            headers: [
              ...withoutDeadLetterHeaders(headers),
              ['keylane_replayed-from', `${this.park}[${partition}]@${offset}`],
            ],
          },
        ]);
        await between(String(value));
      }
      return due.length;
    }
  }

  const scene = async (partitions = 4) => new Scene(await broker.topic(4), await broker.topic(partitions));

  const parkedKeys = (...consumers: Consumer[]) =>
    consumers
      .flatMap((consumer) => consumer.snapshot().partitions)
      .reduce((sum, one) => sum + (one.parkedKeys ?? 0), 0);

  test('its records follow in order, over a restart, and come back in order; then it is released', async () => {
    const over = await scene();
    over.bad.add('a1');
    await over.produce('a', 'a0', 'a1', 'a2');
    await over.produce('b', 'b0', 'b1');
    const first = await over.start();
    const heard = hear(first);
    await over.settled(first);
    expect([over.of('a'), over.of('b')]).toEqual([['a0'], ['b0', 'b1']]);
    expect(heard.parked.map(({ record, error }) => [String(record.value), error?.attempt])).toEqual([
      ['a1', 1],
      ['a2', undefined],
    ]);
    expect([parkedKeys(first), first.snapshot().parked]).toEqual([1, 2]);
    await first.close();

    // What was bad is mended by now: the key's new records go behind the old ones all the same.
    over.bad.clear();
    await using second = await over.start();
    const again = hear(second);
    await over.produce('a', 'a3');
    await over.produce('b', 'b2');
    await over.settled(second);
    expect([over.of('a'), over.of('b'), parkedKeys(second)]).toEqual([['a0'], ['b0', 'b1', 'b2'], 1]);
    expect(await over.parked()).toEqual(['failed a1', 'follows a2', 'follows a3']);

    expect(await over.replay()).toBe(3);
    await until(() => again.released.length === 1, second);
    await over.produce('a', 'a4');
    await over.settled(second);
    expect(over.of('a')).toEqual(['a0', 'a1', 'a2', 'a3', 'a4']);
    expect([parkedKeys(second), String(again.released[0]?.record.value)]).toEqual([0, 'a3']);
    expect((await over.parked()).at(-1)).toBe('released a');
    expect(again.warning).toEqual([]);
  });

  test('a second failure while others are on their way back, and new ones arrive in between', async () => {
    const over = await scene();
    over.bad.add('a0').add('a1');
    await over.produce('a', 'a0', 'a1', 'a2');
    await using consumer = await over.start();
    const heard = hear(consumer);
    await over.settled(consumer);
    over.bad.delete('a0');
    // Of the key's order a3 is the last, though it is parked before a2 comes back.
    await over.replay(async (value) => {
      if (value === 'a1') await over.produce('a', 'a3');
    });
    await over.settled(consumer);
    expect([over.of('a'), heard.released]).toEqual([['a0'], []]);
    expect(await over.parked()).toEqual([
      ...['failed a0', 'follows a1', 'follows a2'],
      ...['failed a1', 'follows a3', 'follows a2'],
    ]);
    over.bad.clear();
    await over.replay(async (value) => {
      if (value === 'a1') await over.produce('a', 'a4');
    });
    await over.settled(consumer);
    // a3 came back before a2, which comes first: it followed once more.
    expect([over.of('a'), heard.released]).toEqual([['a0', 'a1', 'a2'], []]);
    while ((await over.replay()) > 0) await over.settled(consumer);
    await over.produce('a', 'a5');
    await over.settled(consumer);
    expect(over.of('a')).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5']);
    expect([heard.released.length, parkedKeys(consumer)]).toEqual([1, 0]);
  });

  test('a restart in the middle of a replay, and one more after the release', async () => {
    const over = await scene();
    over.bad.add('a0');
    await over.produce('a', 'a0', 'a1', 'a2');
    const first = await over.start();
    await over.settled(first);
    over.bad.clear();
    let left = 2;
    await over.replay(async () => {
      left -= 1;
      if (left === 0) {
        await over.settled(first);
        await first.close();
      }
    });
    const second = await over.start();
    await over.settled(second);
    expect([over.of('a'), parkedKeys(second)]).toEqual([['a0', 'a1', 'a2'], 0]);
    await second.close();
    await using third = await over.start();
    await over.produce('a', 'a3');
    await over.settled(third);
    expect([over.of('a').at(-1), parkedKeys(third), third.snapshot().parked]).toEqual(['a3', 0, 0]);
  });

  test('a park topic with fewer partitions, and the whole partition as one key', async () => {
    const over = await scene(1);
    over.bad.add('x1');
    await over.produce('x', 'x0', 'x1');
    await over.produce('y', 'y0');
    await using consumer = await over.start({ ordering: 'partition' });
    const heard = hear(consumer);
    await over.settled(consumer);
    expect([over.handled, await over.parked()]).toEqual([['x x0'], ['failed x1', 'follows y0']]);
    over.bad.clear();
    await over.replay();
    await until(() => heard.released.length === 1, consumer);
    expect(over.handled).toEqual(['x x0', 'x x1', 'y y0']);
  });

  test('records that wait for none are parked alone', async () => {
    const over = await scene();
    over.bad.add('1');
    await broker.cluster.produce(
      ['0', '1', '2'].map((value) => ({ topic: over.topic, partition: 2, key: null, value })),
    );
    await using consumer = await over.start();
    await over.settled(consumer);
    expect([over.handled.sort(), parkedKeys(consumer)]).toEqual([['null 0', 'null 2'], 0]);
    over.bad.clear();
    await over.replay();
    await over.settled(consumer);
    expect(over.handled.at(-1)).toBe('null 1');
  });

  test('whoever else parks nothing any more lets what follows a parked key follow', async () => {
    const over = await scene();
    over.bad.add('a0');
    await over.produce('a', 'a0');
    const first = await over.start();
    await over.settled(first);
    await first.close();
    await over.produce('a', 'a1');
    await using second = await over.start({ onExhausted: 'stop' });
    await over.settled(second);
    expect([over.handled, await over.parked()]).toEqual([[], ['failed a0', 'follows a1']]);
  });
});

describe.runIf(brokers.includes('real'))('parked keys and another instance', () => {
  const broker = useBroker('real');

  test('the new owner of a partition finds its keys parked, before it hands anything of it out', async () => {
    const [topic, park, group] = [await broker.topic(4), await broker.topic(4), uniqueName('g')];
    const partitions = [0, 1, 2, 3];
    const produce = (value: string) =>
      broker.cluster.produce(
        partitions.flatMap((partition) => ['bad', 'good'].map((key) => ({ topic, partition, key, value }))),
      );
    const handled: string[] = [];
    const join = () =>
      startConsumer({
        ...baseOptions(broker, group, { 'partition.assignment.strategy': 'cooperative-sticky' }),
        topics: [topic],
        handler: ({ partition, key, value }) => {
          if (String(key) === 'bad') throw new NonRetryableError('not yet');
          handled.push(`${partition} ${value}`);
        },
        commitIntervalMs: 50,
        onExhausted: 'park',
        park: { topic: park },
      });
    const settled = async (...consumers: Consumer[]) => {
      await until(() => isCommittedToEnd(broker.cluster, group, topic), consumers[0]);
    };
    const first = await join();
    await produce('one');
    await until(() => handled.length === 4, first);
    await settled(first);
    const second = await join();
    const keysOf = (consumer: Consumer) => consumer.snapshot().partitions.map(({ parkedKeys }) => parkedKeys);
    await until(() => [first, second].every((one) => keysOf(one).join() === '1,1'), second);
    await produce('two');
    await until(() => handled.length === 8, second);
    await settled(second, first);
    // Nobody was asked twice: what follows was parked, and not handled and failed.
    expect([first, second].map((consumer) => consumer.snapshot().parked)).toEqual([6, 2]);
    const parked = (await readTopic(broker, park)).map(
      (record) => `${record.partition} ${textHeaders(record)['keylane_parked']} ${record.value}`,
    );
    expect(parked).toEqual(partitions.flatMap((one) => [`${one} failed one`, `${one} follows two`]));
    await first.close();
    await second.close();
  });

  test('a park topic that is missing is said at the start; nothing is lost until it is there', async () => {
    const [topic, park, group] = [await broker.topic(2), uniqueName('missing'), uniqueName('g')];
    await broker.cluster.produce(['0', '1'].map((value) => ({ topic, partition: 0, key: 'a', value })));
    await using consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      handler: () => {
        throw new NonRetryableError('never');
      },
      onExhausted: 'park',
      park: { topic: park },
    });
    const heard = hear(consumer);
    await until(() => heard.warning.some(({ code }) => code === 'ERR_PRODUCE'), consumer);
    expect(heard.warning[0]?.message).toContain(`park topic ${park} does not exist`);
    expect([heard.parked, consumer.snapshot().partitions.map(({ committed }) => committed)]).toEqual([[], [0, 0]]);
    await broker.cluster.createTopic(park, 2);
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    expect(heard.parked.map(({ destination }) => destination.offset)).toEqual([0, 1]);
    await broker.cluster.deleteTopic(park);
  });
});

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { collectGarbage } from '../../sim/collect-garbage.ts';
import { FakeClock } from '../../sim/fake-clock.ts';
import { KafkaError, type KeylaneError } from '../errors.ts';
import { Events } from '../events.ts';
import { guardWith } from './guard.ts';
import { type Letter, type LetterSource, Outbox } from './outbox.ts';
import type { OutgoingRecord, Producer } from './producer.ts';

/** A producer whose answers the test gives, one by one. */
class TestProducer implements Producer {
  readonly produced: OutgoingRecord[] = [];
  readonly topics: Map<string, number> = new Map([['dead', 4]]);
  #answers: { resolve: () => void; reject: () => void }[] = [];

  async connect(): Promise<void> {}
  async disconnect(): Promise<void> {}

  async partitions(topic: string): Promise<number | undefined> {
    return this.topics.get(topic);
  }

  produce(record: OutgoingRecord): ReturnType<Producer['produce']> {
    const offset = this.produced.push(record);
    return new Promise((resolve, reject) => {
      this.#answers.push({
        resolve: () => resolve({ topic: record.topic, partition: record.partition ?? -1, offset }),
        reject: () => reject(new KafkaError('ERR_PRODUCE', 'no', { kafkaCode: 29 })),
      });
    });
  }

  /** Answers all that is under way. */
  async answer(how: 'resolve' | 'reject'): Promise<void> {
    for (const answer of this.#answers.splice(0)) answer[how]();
    await turn();
  }
}

function outboxOf() {
  const [producer, clock, events] = [new TestProducer(), new FakeClock(), new Events()];
  const [sent, warnings, fatal]: [string[], KeylaneError[], KeylaneError[]] = [[], [], []];
  events.on('warning', (error) => void warnings.push(error));
  const outbox = new Outbox({ producer, clock, events, guard: guardWith((error) => void fatal.push(error)) });
  const source = (partition = 0): LetterSource & { state: LetterSource['state'] } => ({
    topic: 't',
    partition,
    state: 'active',
  });
  const send = async (from: LetterSource, name: string, rest: Partial<OutgoingRecord> = {}) => {
    const record = { topic: 'dead', key: null, value: Buffer.from(name), headers: [] };
    const letter: Letter = {
      source: from,
      what: name,
      record: { ...record, timestamp: 0, ...rest },
      onSent: ({ partition }) => void sent.push(`${name} to ${partition}`),
    };
    outbox.send(letter);
    await turn();
  };
  const underWay = () => producer.produced.splice(0).map(({ value }) => String(value));
  return { producer, clock, outbox, source, send, sent, warnings, fatal, underWay };
}

describe('Outbox', () => {
  test('letters of one partition go one after the other, those of others beside them', async () => {
    const { send, source, producer, sent, underWay } = outboxOf();
    const [one, other] = [source(0), source(1)];
    await send(one, 'a');
    await send(one, 'b');
    await send(other, 'c');
    expect([underWay(), sent]).toEqual([['a', 'c'], []]);
    await producer.answer('resolve');
    expect([underWay(), sent]).toEqual([['b'], ['a to 0', 'c to 1']]);
    await producer.answer('resolve');
    expect([underWay(), sent.at(-1)]).toEqual([[], 'b to 0']);
  });

  test('of a partition that went away nothing is kept but what the producer has', async () => {
    const { send, source, producer, sent, underWay } = outboxOf();
    const gone = source(0);
    const values: WeakRef<object>[] = [];
    for (let count = 0; count < 10; count += 1) {
      const value = Buffer.allocUnsafeSlow(1);
      values.push(new WeakRef(value));
      await send(gone, 'a', { value });
    }
    gone.state = 'closed';
    await send(source(1), 'b');
    await collectGarbage();
    // This function itself may still have the last one.
    expect(values.filter((value) => value.deref() !== undefined).length).toBeLessThanOrEqual(2);
    expect(underWay().at(-1)).toBe('b');
    await producer.answer('resolve');
    expect([sent, underWay()]).toEqual([['b to 1'], []]);
  });

  test('what is refused is sent again, later and later, and what is behind it waits', async () => {
    const { send, source, producer, clock, sent, warnings, underWay } = outboxOf();
    const from = source();
    await send(from, 'a');
    await send(from, 'b');
    const times: number[] = [];
    for (let tries = 0; tries < 7; tries += 1) {
      expect(underWay()).toEqual(['a']);
      await producer.answer('reject');
      const before = clock.now();
      expect(clock.step()).toBe(true);
      times.push(clock.now() - before);
      await turn();
    }
    expect(times).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    expect(warnings).toHaveLength(7);
    expect(warnings[0]).toMatchObject({ code: 'ERR_PRODUCE', kafkaCode: 29 });
    expect(warnings[0]?.message).toContain('a was refused by topic dead');
    await producer.answer('resolve');
    expect([underWay(), sent]).toEqual([['a', 'b'], ['a to 0']]);
  });

  test.each([
    { name: 'as many partitions: the same number', partitions: 3, from: 2, to: 2 },
    { name: 'fewer: the same one each time', partitions: 2, from: 3, to: 1 },
    { name: 'none yet: as it should have', partitions: undefined, from: 3, to: 3 },
  ])('a topic with $name', async ({ partitions, from, to }) => {
    const { send, source, producer, sent } = outboxOf();
    producer.topics.clear();
    if (partitions !== undefined) producer.topics.set('dead', partitions);
    await send(source(from), 'a');
    await producer.answer('resolve');
    expect(sent).toEqual([`a to ${to}`]);
  });

  test('a topic that was refused is looked at anew', async () => {
    const { send, source, producer, clock, sent } = outboxOf();
    producer.topics.set('dead', 1);
    await send(source(3), 'a');
    await producer.answer('reject');
    producer.topics.set('dead', 4);
    clock.step();
    await turn();
    await producer.answer('resolve');
    expect(sent).toEqual(['a to 3']);
  });

  test('of a partition that is gone nothing more is sent, nor told', async () => {
    const { send, source, producer, clock, sent, underWay } = outboxOf();
    const [from, refused] = [source(0), source(1)];
    for (const name of ['a', 'b']) await send(from, name);
    await send(refused, 'c');
    from.state = 'closed';
    await producer.answer('resolve');
    expect([underWay(), sent]).toEqual([['a', 'c'], ['c to 1']]);
    await send(refused, 'd');
    refused.state = 'closed';
    await producer.answer('reject');
    expect([clock.step(), underWay()]).toEqual([false, ['d']]);
  });

  test('of one that drains it goes on: what is sent may still be committed', async () => {
    const { send, source, producer, sent } = outboxOf();
    const from = source();
    for (const name of ['a', 'b']) await send(from, name);
    from.state = 'draining';
    for (const _ of [1, 2]) await producer.answer('resolve');
    expect(sent).toEqual(['a to 0', 'b to 0']);
  });

  test('stopped, it sends and tells nothing more, and leaves no timer', async () => {
    const { outbox, send, source, producer, clock, sent, underWay } = outboxOf();
    await send(source(0), 'a');
    await producer.answer('reject');
    await send(source(1), 'b');
    outbox.stop();
    await producer.answer('resolve');
    await send(source(2), 'c');
    expect([underWay(), sent, clock.step()]).toEqual([['a', 'b'], [], false]);
  });

  test('where nobody can say how many partitions a topic has, that is a refusal', async () => {
    const { send, source, producer, clock, warnings, sent } = outboxOf();
    producer.partitions = () => Promise.reject(new KafkaError('ERR_KAFKA', 'away', { kafkaCode: -195 }));
    await send(source(), 'a');
    expect(warnings).toMatchObject([{ code: 'ERR_PRODUCE', kafkaCode: -195 }]);
    producer.partitions = async () => 1;
    clock.step();
    await turn();
    await producer.answer('resolve');
    expect(sent).toEqual(['a to 0']);
  });
});

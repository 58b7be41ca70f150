import { describe, expect, test } from 'vitest';
import type { OutgoingRecord } from '../src/poller/producer.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeProducer, ProducedTopics, type ProducerWeather } from './fake-producer.ts';
import { Random } from './random.ts';
import { outcomeOf, pass } from './stations.ts';

const FINE: ProducerWeather = { refused: 0, away: 0, awayMaxMs: 0, unanswered: 0, unknown: 0 };

async function producerIn(weather: Partial<ProducerWeather>, seed = 1) {
  const clock = new FakeClock();
  const topics = new ProducedTopics({ dlt: 2 });
  const random = new Random(seed);
  const producer = new FakeProducer({ topics, random, weather: { ...FINE, ...weather }, inbox: clock, network: clock });
  await producer.connect();
  const send = (value: string, onDelayed?: () => void, partition = 0) =>
    producer.produce(recordOf(value, partition), onDelayed);
  const written = () => topics.log({ topic: 'dlt', partition: 0 }).map(({ value }) => String(value));
  return { clock, topics, producer, send, written };
}

function recordOf(value: string, partition: number): OutgoingRecord {
  return { topic: 'dlt', partition, key: null, value: Buffer.from(value), headers: [], timestamp: 1 };
}

const VALUES = Array.from({ length: 50 }, (_, index) => `${index}`);

describe('the fake producer', () => {
  test.each([1, 2, 3])('keeps the order of a partition while brokers come and go (seed %i)', async (seed) => {
    const { clock, send, written } = await producerIn({ away: 0.2, awayMaxMs: 20_000 }, seed);
    let delayed = 0;
    const all = Promise.all(VALUES.map((value) => send(value, () => (delayed += 1))));
    pass(clock, 200_000);
    expect((await all).map(({ offset }) => offset)).toEqual(VALUES.map(Number));
    expect(written()).toEqual(VALUES);
    expect(delayed).toBeGreaterThan(0);
  });

  test('a refusal stops nobody else, and is not for good', async () => {
    const { clock, send, written } = await producerIn({ refused: 0.2 });
    const all = Promise.allSettled(VALUES.map((value) => send(value)));
    pass(clock, 1_000);
    const kept = (await all).flatMap(({ status }, index) => (status === 'fulfilled' ? [`${index}`] : []));
    expect(written()).toEqual(kept);
    expect(kept.length).toBeGreaterThan(10);
    expect(kept.length).toBeLessThan(50);
  });

  test('what nobody answers is rejected when it disconnects, at the latest', async () => {
    const { clock, send, producer } = await producerIn({ unanswered: 1 });
    const produced = send('x').catch(({ code }) => code);
    pass(clock, 100);
    expect(await outcomeOf(produced)).toBe('pending');
    const disconnected = producer.disconnect(1_000);
    pass(clock, 1_001);
    await disconnected;
    expect(await produced).toBe('ERR_PRODUCE');
    await expect(send('y')).rejects.toMatchObject({ code: 'ERR_PRODUCE' });
  });

  test('knows its topics, and refuses partitions that are not there', async () => {
    const { clock, send, producer } = await producerIn({});
    const known = Promise.all([producer.partitions('dlt'), producer.partitions('nope')]);
    const refused = send('x', undefined, 2).catch(({ kafkaCode }) => kafkaCode);
    pass(clock, 100);
    expect(await known).toEqual([2, undefined]);
    expect(await refused).toBe(-190);
  });
});

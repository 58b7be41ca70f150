/**
 * Decoders in handler threads: what handlers get of them, and what becomes of records that cannot be decoded.
 */
import { type Consumer, type ConsumerOptions, HandlerError, type KafkaRecord, startConsumer } from 'keylane';
import { readDeadLetter } from 'keylane/dead-letter';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, handlerFile, isCommittedToEnd, uniqueName, until, useBroker } from './support.ts';

interface Handled {
  readonly key: string;
  readonly value: unknown;
  readonly attempt: number;
  readonly bytes: string | null;
  /** What the attempt before failed with. */
  readonly before?: string;
}

describe.each(brokers)('records that are decoded (%s broker)', (kind) => {
  const broker = useBroker(kind);

  /** A consumer of one partition with these values, each under its own key; `null` is a tombstone. */
  async function decoding(decoder: string, values: readonly (string | null)[], options: Partial<ConsumerOptions> = {}) {
    const [topic, group, channel] = [await broker.topic(), uniqueName('g'), uniqueName('decoding')];
    await broker.cluster.produce(values.map((value, index) => ({ topic, partition: 0, key: `k${index}`, value })));
    const handled: Handled[] = [];
    const told = new BroadcastChannel(channel);
    told.onmessage = ({ data }: MessageEvent) => void handled.push(data as Handled);
    const handler = handlerFile('decoding');
    handler.searchParams.set('decoder', decoder);
    const given = { topics: [topic], handler, handlerData: channel, threads: 2, retry: { delayMs: 1 } };
    const consumer = await startConsumer({ ...baseOptions(broker, group), ...given, ...options });
    const retries: string[] = [];
    consumer.on('retry', ({ error }) => void retries.push(`${error.stage} ${error.offset} ${error.message}`));
    return { consumer, topic, group, handled, retries, done: () => told.close() };
  }

  /** What the consumer fails with, once it has closed. */
  async function failureOf(consumer: Consumer): Promise<HandlerError> {
    const failure = await consumer.closed.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(HandlerError);
    return failure as HandlerError;
  }

  test('come to the handler as its decoders made them; the bytes are there as well', async () => {
    const over = await decoding('json', ['{"id":1}', null, '[2]', 'null']);
    await until(() => over.handled.length === 4, over.consumer);
    await until(() => isCommittedToEnd(broker.cluster, over.group, over.topic), over.consumer);
    await over.consumer.close();
    over.done();
    expect(over.handled.toSorted((a, b) => a.key.localeCompare(b.key))).toEqual([
      { key: 'k0', value: { id: 1 }, attempt: 1, bytes: '{"id":1}' },
      { key: 'k1', value: null, attempt: 1, bytes: null },
      { key: 'k2', value: [2], attempt: 1, bytes: '[2]' },
      { key: 'k3', value: null, attempt: 1, bytes: 'null' },
    ]);
  });

  test('one that cannot be is exhausted on its first attempt, and the handler never sees it', async () => {
    const over = await decoding('schema', ['{"id":1}', '{"id":-1}', '{"id":3}']);
    const failure = await failureOf(over.consumer);
    over.done();
    expect(failure).toMatchObject({ code: 'ERR_RECORD_UNDECODABLE', stage: 'deserialize', attempt: 1, offset: 1 });
    expect(failure.message).toContain('value: id: is below zero');
    expect(failure.cause).toMatchObject({ name: 'UndecodableError', retryable: false, cause: { name: 'SchemaError' } });
    expect(over.retries).toEqual([]);
    expect(over.handled.map(({ key }) => key)).not.toContain('k1');
    expect((await broker.cluster.committedOffsets(over.group, over.topic))[0]).toBe(1);
  });

  test('one that cannot be stops nothing where there is a dead-letter topic, and goes there byte for byte', async () => {
    const letters: KafkaRecord[] = [];
    const deadLetterTopic = await broker.topic();
    const over = await decoding('json', ['1', '{"id":', '3'], { deadLetter: { topic: () => deadLetterTopic } });
    const told: HandlerError[] = [];
    over.consumer.on('dead-letter', ({ error }) => void told.push(error));
    await until(() => told.length === 1 && over.handled.length === 2, over.consumer);
    await until(() => isCommittedToEnd(broker.cluster, over.group, over.topic), over.consumer);
    await over.consumer.close();
    over.done();
    await using reader = await startConsumer({
      ...baseOptions(broker, uniqueName('g')),
      topics: [deadLetterTopic],
      handler: (record) => void letters.push(record),
    });
    await until(() => letters.length === 1, reader);
    expect(told[0]).toMatchObject({ stage: 'deserialize', attempt: 1, offset: 1 });
    expect([String(letters[0]?.key), String(letters[0]?.value)]).toEqual(['k1', '{"id":']);
    const letter = readDeadLetter(letters[0]?.headers ?? []);
    expect(letter).toMatchObject({ topic: over.topic, offset: 1, stage: 'deserialize', attempts: 1 });
    expect(letter?.error).toMatchObject({ name: 'UndecodableError', message: expect.stringMatching(/^value: .*JSON/) });
    expect(over.handled.map(({ value }) => value).toSorted()).toEqual([1, 3]);
  });

  test('whose decoder says that another attempt may help have another, and it knows what went before', async () => {
    const over = await decoding('away-once', ['1', '2']);
    await until(() => over.handled.length === 2, over.consumer);
    await over.consumer.close();
    over.done();
    const before = 'value: the registry is away EAWAY';
    expect(over.handled.toSorted((a, b) => a.key.localeCompare(b.key))).toEqual([
      { key: 'k0', value: 1, attempt: 2, bytes: '1', before },
      { key: 'k1', value: 2, attempt: 2, bytes: '2', before },
    ]);
    expect(over.retries).toHaveLength(2);
    expect(over.retries.join()).toMatch(/^deserialize .*value: the registry is away/);
  });

  test('one whose decoder hangs has hung: its thread is ended, and no other record loses an attempt', async () => {
    const over = await decoding('hanging', ['1', '"hang"', '3'], {
      retry: { attemptsMax: 2, delayMs: 1 },
      handlerTimeoutMs: 300,
      handlerAbortGraceMs: 100,
    });
    const failure = await failureOf(over.consumer);
    over.done();
    expect(failure).toMatchObject({ code: 'ERR_HANDLER_TIMEOUT', stage: 'timeout', attempt: 2, offset: 1 });
    expect(over.handled.map(({ attempt }) => attempt)).not.toContain(2);
  });
});

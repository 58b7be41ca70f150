/**
 * Dead letters on brokers: what ends there, what they say, and what happens while they are refused.
 */
import { type ConsumerOptions, HandlerError, type KafkaRecord, NonRetryableError, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import {
  baseOptions,
  brokers,
  handlerFile,
  hear,
  isCommittedToEnd,
  readTopic,
  recordsOf,
  textHeaders,
  uniqueName,
  until,
  useBroker,
} from './support.ts';

const RETRY = { attemptsMax: 2, delayMs: 5, jitter: 'none' } as const;

/** Where the ledger of `handlers/trouble.mjs` counts how often a record completed. */
const completedAt = (number: number) => 4 + number * 2;

const TRACE = '0af7651916cd43dd8448eb211c80319c';

describe('a poison record of each stage', () => {
  const broker = useBroker('embedded');
  const [RECORDS, POISON] = [40, 7];

  const limits = { handlerTimeoutMs: 300, handlerAbortGraceMs: 100 };
  const patient = { handlerTimeoutMs: 200, handlerAbortGraceMs: 20_000 };
  const lost = { stage: 'thread-lost', evidence: { threadId: expect.any(Number) } };

  test.each([
    { way: 'heed-signal', options: patient, stage: 'timeout', evidence: undefined },
    { way: 'spin', options: limits, stage: 'timeout', evidence: { ranForMs: 400 } },
    { way: 'ignore-signal', options: limits, stage: 'timeout', evidence: { ranForMs: 400 } },
    { way: 'exit', options: {}, ...lost, evidence: { ...lost.evidence, exitCode: 3 } },
    { way: 'throw-later', options: {}, ...lost },
    { way: 'out-of-memory', options: {}, ...lost },
    { way: 'throw', options: {}, stage: 'handle', evidence: undefined },
  ])('$way: it is in the dead-letter topic, and all others complete', async ({ way, options, stage, evidence }) => {
    const [topic, letters, group] = [await broker.topic(), await broker.topic(), uniqueName('g')];
    const numbers = Array.from({ length: RECORDS }, (_, number) => number);
    await broker.cluster.produce(
      numbers.map((number) => ({
        topic,
        key: `k${number}`,
        value: `${number}`,
        headers: number === POISON ? [['traceparent', `00-${TRACE}-b7ad6b7169203331-01`]] : [],
      })),
    );
    const ledger = new Int32Array(new SharedArrayBuffer(completedAt(RECORDS) * 4));
    await using consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      handler: handlerFile('trouble'),
      handlerData: { poison: POISON, times: 1_000, workMs: 2, way, ledger: ledger.buffer },
      threads: 1,
      concurrencyPerThread: 8,
      retry: RETRY,
      threadOptions: { resourceLimits: { maxOldGenerationSizeMb: 64 } },
      deadLetter: { topic: letters },
      ...options,
    });
    const heard = hear(consumer);
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    expect(numbers.filter((number) => ledger[completedAt(number)] !== 1)).toEqual([POISON]);

    const [event] = heard['dead-letter'];
    const { error, destination } = event as (typeof heard)['dead-letter'][number];
    expect(heard['dead-letter'].length).toBe(1);
    expect(error).toBeInstanceOf(HandlerError);
    expect(error).toMatchObject({ stage, attempt: 2, traceId: TRACE });
    expect(heard.retry.map(({ error: before }) => before.traceId)).toEqual([TRACE]);

    const [letter, ...more] = await readTopic(broker, letters);
    expect(more).toEqual([]);
    const { partition, offset } = letter as KafkaRecord;
    expect({ topic: letters, partition, offset }).toEqual(destination);
    const said = textHeaders(letter as KafkaRecord);
    expect(said).toMatchObject({
      'keylane_origin-topic': topic,
      'keylane_origin-partition': `${error.partition}`,
      'keylane_origin-offset': `${error.offset}`,
      keylane_group: group,
      keylane_stage: stage,
      keylane_attempts: '2',
      'keylane_trace-id': TRACE,
    });
    const shown = said['keylane_evidence'];
    if (evidence === undefined) expect(shown).toBe(undefined);
    else expect(JSON.parse(shown ?? '')).toMatchObject(evidence);
    expect(said['kafka_dlt-exception-message']).toBe((error.cause as Error).message);
  });
});

describe.each(brokers)('dead letters on the %s broker', (kind) => {
  const broker = useBroker(kind);
  const fail = { ...RETRY, attemptsMax: 1 };

  /** Handles a topic to its end; every record fails, or those that are said to. */
  async function bury(topic: string, options: Partial<ConsumerOptions>, fails = (_: KafkaRecord) => true) {
    const group = uniqueName('g');
    await using consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      handler: (record) => {
        if (fails(record)) throw new RangeError('too far', { cause: new SyntaxError('beneath it') });
      },
      retry: fail,
      ...options,
    });
    const heard = hear(consumer);
    await until(() => heard.committed.length > 0, consumer);
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    return { group, heard };
  }

  const BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const PAYLOADS = [
    { key: null, value: null, timestamp: 1_000_000_000_000 },
    { key: '', value: '', timestamp: 2 },
    { key: BYTES, value: BYTES, timestamp: 1_700_000_000_123 },
    { key: null, value: '', timestamp: 1_700_000_000_124 },
  ];
  const HEADERS: readonly (readonly [string, string | Buffer])[] = [
    ['trace', 'one'],
    ['bytes', BYTES],
    ['trace', 'two'],
    ['empty', ''],
    ['trace', 'one'],
    ['ünïcode', 'ok'],
    ['__proto__', 'no prototype'],
  ];

  test('an independent reader finds what Spring and Connect promise, and the record as it was', async () => {
    const [topic, letters] = [await broker.topic(), await broker.topic()];
    await broker.cluster.produce(PAYLOADS.map((payload) => ({ topic, partition: 2, headers: HEADERS, ...payload })));
    const { group, heard } = await bury(topic, { deadLetter: { topic: letters, headers: 'both' } });
    const records = await readTopic(broker, letters);
    expect(records.map(({ partition }) => partition)).toEqual(PAYLOADS.map(() => 2));
    for (const [offset, { key, value, timestamp }] of PAYLOADS.entries()) {
      const letter = records[offset] as KafkaRecord;
      expect(letter.key).toEqual(key === null ? null : Buffer.from(key));
      expect(letter.value).toEqual(value === null ? null : Buffer.from(value));
      expect(letter.timestamp).toBe(timestamp);
      const own = letter.headers.slice(0, HEADERS.length);
      expect(own).toEqual(HEADERS.map(([name, content]) => [name, Buffer.from(content)]));
      const added = new Map(letter.headers.slice(HEADERS.length));
      expect(added.size).toBe(letter.headers.length - HEADERS.length);
      const bytes = (name: string) => added.get(name) as Buffer;
      const text = (name: string) => bytes(name).toString('utf8');
      // Spring's: ByteBuffer.allocate(4).putInt() and allocate(8).putLong(), big-endian.
      expect(bytes('kafka_dlt-original-partition')).toEqual(Buffer.from([0, 0, 0, 2]));
      expect(bytes('kafka_dlt-original-offset')).toEqual(Buffer.from([0, 0, 0, 0, 0, 0, 0, offset]));
      expect(bytes('kafka_dlt-original-timestamp').readBigInt64BE()).toBe(BigInt(timestamp));
      expect(text('kafka_dlt-original-topic')).toBe(topic);
      expect(text('kafka_dlt-original-consumer-group')).toBe(group);
      expect(text('kafka_dlt-exception-fqcn')).toBe('RangeError');
      expect(text('kafka_dlt-exception-cause-fqcn')).toBe('SyntaxError');
      expect(text('kafka_dlt-exception-message')).toBe('too far');
      expect(text('kafka_dlt-exception-stacktrace')).toMatch(/^RangeError: too far\n +at /);
      // Connect's: text all of them (KIP-298).
      expect(text('__connect.errors.topic')).toBe(topic);
      expect(text('__connect.errors.partition')).toBe('2');
      expect(text('__connect.errors.offset')).toBe(`${offset}`);
      expect(text('__connect.errors.connector.name')).toBe(group);
      expect(text('__connect.errors.task.id')).toBe('0');
      expect(text('__connect.errors.stage')).toBe('TASK_PUT');
      expect(text('__connect.errors.class.name')).toBe('keylane');
      expect(text('__connect.errors.exception.class.name')).toBe('RangeError');
      expect(text('__connect.errors.exception.message')).toBe('too far');
      expect(text('__connect.errors.exception.stacktrace')).toMatch(/^RangeError: too far\n +at /);
      const event = heard['dead-letter'].find(({ error }) => error.offset === offset);
      expect(text('keylane_trace-id')).toBe(event?.error.traceId);
      expect(text('keylane_trace-id')).toMatch(/^[\da-f]{32}$/);
    }
  });

  test('those of one source partition keep their order, whatever became of their keys', async () => {
    const [topic, letters] = [await broker.topic(4), await broker.topic(4)];
    const records = Array.from({ length: 120 }, (_, index) => ({
      ...{ topic, partition: index % 3, key: `k${index % 12}`, value: `${index}` },
    }));
    await broker.cluster.produce(records);
    // One lane for a partition, so that its records fail in order; one letter after the other then.
    const deadLetter = { topic: letters, consecutiveMax: 1_000, shareMax: 1 };
    const { heard } = await bury(topic, { ordering: 'partition', deadLetter }, ({ offset }) => offset % 4 !== 3);
    const buried = await readTopic(broker, letters);
    const wanted = [0, 1, 2].flatMap((partition) =>
      Array.from({ length: 40 }, (_, offset) => offset)
        .filter((offset) => offset % 4 !== 3)
        .map((offset) => `${partition}@${offset}`),
    );
    expect(buried.map((letter) => `${letter.partition}@${textHeaders(letter)['keylane_origin-offset']}`)).toEqual(
      wanted,
    );
    // What is told is in that order as well.
    for (const source of [0, 1, 2]) {
      const told = heard['dead-letter'].filter(({ error }) => error.partition === source);
      expect(told.map(({ destination }) => destination.offset)).toEqual(told.map((_, index) => index));
    }
  });

  test('a function names the topic, another says the headers', async () => {
    const [topic, one, other] = [await broker.topic(), await broker.topic(), await broker.topic()];
    await broker.cluster.produce(recordsOf(topic, ['a', 'b', 'a']));
    await bury(topic, {
      deadLetter: {
        topic: ({ value }) => (String(value) === 'a' ? one : other),
        headers: ({ error, attempts }) => [['why', Buffer.from(`${error.cause} ${attempts}`)]],
      },
    });
    const [ones, others] = [await readTopic(broker, one), await readTopic(broker, other)];
    expect([ones.map(({ value }) => String(value)), others.map(({ value }) => String(value))]).toEqual([
      ['a', 'a'],
      ['b'],
    ]);
    expect(textHeaders(ones[0] as KafkaRecord)).toMatchObject({
      why: 'RangeError: too far 1',
      keylane_stage: 'handle',
    });
    expect(textHeaders(ones[0] as KafkaRecord)['kafka_dlt-original-topic']).toBe(undefined);
  });
});

describe.runIf(brokers.includes('real'))('dead letters that a real broker refuses', () => {
  const broker = useBroker('real');
  const RECORDS = 30;
  const isPoison = (offset: number) => offset % 3 === 1;

  /** 30 records of a partition, every third of which is poison, and a consumer of them. */
  async function scene(letters: string, options: Partial<ConsumerOptions> = {}) {
    const [topic, group] = [await broker.topic(2), uniqueName('g')];
    await broker.cluster.produce(
      Array.from({ length: RECORDS }, (_, index) => ({ topic, partition: 1, key: `k${index}`, value: `${index}` })),
    );
    const handled: number[] = [];
    const consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      handler: ({ offset }) => {
        if (isPoison(offset)) throw new NonRetryableError('never');
        handled.push(offset);
      },
      commitIntervalMs: 50,
      deadLetter: { topic: letters },
      ...options,
    });
    return { topic, group, handled, consumer, heard: hear(consumer) };
  }

  const poison = Array.from({ length: RECORDS }, (_, offset) => offset).filter(isPoison);
  const produceErrors = (warnings: readonly Error[]) =>
    warnings.filter((warning) => 'code' in warning && warning.code === 'ERR_PRODUCE');

  async function expectAllThere(over: Awaited<ReturnType<typeof scene>>, letters: string) {
    const { consumer, group, topic, handled } = over;
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    const buried = await readTopic(broker, letters);
    expect(buried.map((letter) => Number(textHeaders(letter)['keylane_origin-offset'])).sort((a, b) => a - b)).toEqual(
      poison,
    );
    expect(handled.length).toBe(RECORDS - poison.length);
  }

  test('a topic that is missing: said at the start, commits wait, and then all letters arrive', async () => {
    const letters = uniqueName('missing');
    const over = await scene(letters);
    await using consumer = over.consumer;
    const { heard, handled } = over;
    await until(() => handled.length === RECORDS - poison.length && produceErrors(heard.warning).length >= 5, consumer);
    const [first] = heard.warning;
    expect(first).toMatchObject({ code: 'ERR_KAFKA', kafkaCode: 3 });
    expect(first?.message).toContain(`dead-letter topic ${letters} does not exist`);
    expect(produceErrors(heard.warning).some(({ message }) => message.includes(`refused by topic ${letters}`))).toBe(
      true,
    );
    // Nothing that is behind the first refused letter is committed, or told to be dead.
    const { committed, inFlight } = consumer.snapshot().partitions.find(({ partition }) => partition === 1) ?? {};
    expect([committed, inFlight, heard['dead-letter']]).toEqual([1, poison.length, []]);
    expect((await broker.cluster.committedOffsets(over.group, over.topic))[1]).toBe(1);
    await broker.cluster.createTopic(letters, 2);
    await expectAllThere(over, letters);
    expect(heard['dead-letter'].map(({ destination }) => destination.offset)).toEqual(poison.map((_, index) => index));
    await broker.cluster.deleteTopic(letters);
  });

  test('a topic whose records may not be as large: the same, until it is another one', async () => {
    const letters = uniqueName('small');
    await broker.cluster.createTopic(letters, 1, { 'max.message.bytes': '100' });
    const over = await scene(letters);
    await using consumer = over.consumer;
    const { heard } = over;
    await until(() => produceErrors(heard.warning).length >= 3, consumer);
    expect(heard.warning[0]).toMatchObject({ code: 'ERR_PRODUCE', kafkaCode: 10 });
    expect(heard.warning[0]?.message).toContain('max.message.bytes');
    expect((await broker.cluster.committedOffsets(over.group, over.topic))[1]).toBe(1);
    await broker.cluster.deleteTopic(letters);
    await until(() => broker.cluster.partitions(letters).then((count) => count === 0));
    await broker.cluster.createTopic(letters, 1);
    await expectAllThere(over, letters);
    await broker.cluster.deleteTopic(letters);
  });

  test('a close in between ends in time, says what is left, and the next consumer has it', async () => {
    const letters = uniqueName('missing');
    const over = await scene(letters);
    const { consumer, heard, handled, topic, group } = over;
    await until(() => handled.length === RECORDS - poison.length && produceErrors(heard.warning).length > 0, consumer);
    await consumer.close({ drainTimeoutMs: 200 });
    await consumer.closed;
    expect(heard.warning.at(-1)).toMatchObject({ code: 'ERR_DRAIN_TIMEOUT', abandoned: poison.length });
    expect((await broker.cluster.committedOffsets(group, topic))[1]).toBe(1);
    await broker.cluster.createTopic(letters, 2);
    const again: number[] = [];
    const handler = ({ offset }: KafkaRecord) => {
      again.push(offset);
      throw new NonRetryableError('never');
    };
    await using next = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      handler,
      deadLetter: { topic: letters },
    });
    await until(() => isCommittedToEnd(broker.cluster, group, topic), next);
    // What completed is in the commit's map, so only what was left runs again.
    expect(again.sort((a, b) => a - b)).toEqual(poison);
    const buried = await readTopic(broker, letters);
    expect(buried.map((letter) => Number(textHeaders(letter)['keylane_origin-offset'])).sort((a, b) => a - b)).toEqual(
      poison,
    );
    await broker.cluster.deleteTopic(letters);
  });
});

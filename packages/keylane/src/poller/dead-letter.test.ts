import { describe, expect, test } from 'vitest';
import { RESOLVED } from '../../sim/stations.ts';
import { readDeadLetter } from '../dead-letter.ts';
import { HandlerError, hungError, ThreadLostError } from '../errors.ts';
import type { KafkaRecord, RecordHeader } from '../wire/record.ts';
import { deadLetterOf, deadLetterTopicOf, traceIdOf } from './dead-letter.ts';
import { withoutDeadLetterHeaders } from './dead-letter-headers.ts';

const BINARY = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const OWN: RecordHeader[] = [
  ['trace', Buffer.from('one')],
  ['empty', Buffer.alloc(0)],
  ['trace', BINARY],
];
const AT = { topic: 'orders', partition: 258, offset: 2 ** 40 + 7, timestamp: 1_700_000_000_123, leaderEpoch: 3 };

function recordWith(headers: readonly RecordHeader[] = OWN): KafkaRecord {
  return { ...AT, key: BINARY, value: Buffer.alloc(0), headers };
}

function failureOf(cause: Error = new RangeError('too far'), stage: HandlerError['stage'] = 'handle'): HandlerError {
  return new HandlerError({ ...AT, attempt: 3, traceId: 'f'.repeat(32) }, cause, stage);
}

function letterOf(policy: object, error = failureOf(), record = recordWith()) {
  return deadLetterOf({ policy: { ...RESOLVED.deadLetter, ...policy }, group: 'billing' }, record, error, 1_000);
}

const mapOf = (headers: readonly RecordHeader[]) => new Map(headers);

describe('a dead letter', () => {
  test.each(['spring', 'connect', 'both'])('%s: key, value, timestamp and own headers are untouched', (headers) => {
    const letter = letterOf({ headers });
    expect(letter).toMatchObject({ topic: 'orders-dlt', timestamp: AT.timestamp });
    expect([letter.key?.equals(BINARY), letter.value]).toEqual([true, Buffer.alloc(0)]);
    expect(letter.headers.slice(0, OWN.length)).toEqual(OWN);
    expect(withoutDeadLetterHeaders(letter.headers)).toEqual(OWN);
  });

  test('says it as Spring Kafka does: numbers big-endian, int32 and int64', () => {
    const cause = new RangeError('too far', { cause: new TypeError('inner') });
    const headers = mapOf(letterOf({ headers: 'spring' }, failureOf(cause)).headers);
    const text = (name: string) => headers.get(`kafka_dlt-${name}`)?.toString();
    expect(text('original-topic')).toBe('orders');
    expect(headers.get('kafka_dlt-original-partition')).toEqual(Buffer.from([0, 0, 1, 2]));
    expect(headers.get('kafka_dlt-original-offset')).toEqual(Buffer.from([0, 0, 1, 0, 0, 0, 0, 7]));
    expect(headers.get('kafka_dlt-original-timestamp')?.readBigInt64BE()).toBe(1_700_000_000_123n);
    expect(text('original-consumer-group')).toBe('billing');
    expect([text('exception-fqcn'), text('exception-cause-fqcn')]).toEqual(['RangeError', 'TypeError']);
    expect(text('exception-message')).toBe('too far');
    expect(text('exception-stacktrace')).toContain('dead-letter.test');
  });

  test('says it as Kafka Connect does: text', () => {
    const headers = mapOf(letterOf({ headers: 'connect' }, failureOf(new Error('no JSON'), 'deserialize')).headers);
    const text = (name: string) => headers.get(`__connect.errors.${name}`)?.toString();
    expect([text('topic'), text('partition'), text('offset')]).toEqual(['orders', '258', '1099511627783']);
    expect([text('stage'), text('exception.class.name'), text('exception.message')]).toEqual([
      'VALUE_CONVERTER',
      'Error',
      'no JSON',
    ]);
    expect(text('exception.stacktrace')).toContain('dead-letter.test');
  });

  test('says whether a key or a value cannot be decoded, and what caused what', () => {
    const cause = new Error('key: no JSON', { cause: new SyntaxError('at position 3') });
    const headers = mapOf(letterOf({ headers: 'connect' }, failureOf(cause, 'deserialize')).headers);
    expect(headers.get('__connect.errors.stage')?.toString()).toBe('KEY_CONVERTER');
    const stack = headers.get('__connect.errors.exception.stacktrace')?.toString();
    expect(stack).toMatch(/^Error: key: no JSON\n[\s\S]*\nCaused by: SyntaxError: at position 3\n/);
  });

  test('says what the application wants it to', () => {
    const headers = letterOf({
      headers: ({ stage, attempts, traceId }: { stage: string; attempts: number; traceId: string }) => [
        ['why', Buffer.from(`${stage} ${attempts} ${traceId}`)],
      ],
    }).headers;
    expect(headers.at(-1)).toEqual(['why', Buffer.from(`handle 3 ${'f'.repeat(32)}`)]);
    expect(headers.some(([name]) => name.startsWith('kafka_dlt'))).toBe(false);
  });

  test('does not go where its record came from', () => {
    expect(() => letterOf({ topic: 'orders' })).toThrow(/orders\[258\]@.*the record's own topic/);
  });

  test('cuts stack traces', () => {
    const headers = mapOf(letterOf({ headers: 'both', stackCharactersMax: 10 }).headers);
    expect(headers.get('kafka_dlt-exception-stacktrace')?.toString()).toBe('RangeError');
    expect(headers.get('__connect.errors.exception.stacktrace')?.toString()).toBe('RangeError');
  });

  test('of a record that was one before: where it came from stays, why it failed is of now, nothing doubles', () => {
    const first = letterOf({ headers: 'both' }, failureOf(new Error('first'))).headers;
    const again = { ...recordWith(first), topic: 'elsewhere', offset: 5 };
    const second = deadLetterOf(
      { policy: { ...RESOLVED.deadLetter, headers: 'both' }, group: 'other' },
      again,
      failureOf(new Error('second')),
      2_000,
    ).headers;
    const names = second.map(([name]) => name);
    expect(names.filter((name) => name !== 'trace')).toEqual([...new Set(names)].filter((name) => name !== 'trace'));
    const headers = mapOf(second);
    expect(headers.get('kafka_dlt-original-topic')?.toString()).toBe('orders');
    expect(headers.get('__connect.errors.offset')?.toString()).toBe('1099511627783');
    expect(headers.get('kafka_dlt-exception-message')?.toString()).toBe('second');
    expect(second.slice(0, OWN.length)).toEqual(OWN);
  });

  test('tells what was known of a hang and of a crash', () => {
    const hung = hungError(AT, { handlerTimeoutMs: 100, handlerAbortGraceMs: 50 });
    const lost = new ThreadLostError('ERR_THREAD_LOST', 4, 'thread 4 was lost', { running: [AT], exitCode: 7 });
    const read = (error: HandlerError) => readDeadLetter(letterOf({}, error).headers)?.evidence;
    expect(read(failureOf(hung, 'timeout'))).toMatchObject({ ranForMs: 150 });
    expect(read(failureOf(lost, 'thread-lost'))).toMatchObject({
      threadId: 4,
      exitCode: 7,
      running: [{ offset: AT.offset }],
    });
    expect(read(failureOf())).toBeUndefined();
  });
});

describe('readDeadLetter', () => {
  test.each(['spring', 'connect', 'both'])('reads what was written, in the form %s', (form) => {
    expect(readDeadLetter(letterOf({ headers: form }).headers)).toMatchObject({
      format: 'keylane',
      topic: 'orders',
      partition: 258,
      offset: AT.offset,
      group: 'billing',
      stage: 'handle',
      attempts: 3,
      traceId: 'f'.repeat(32),
      failedAt: 1_000,
      error: { name: 'RangeError', message: 'too far', stack: expect.stringContaining('RangeError: too far') },
    });
  });

  test.each(['spring', 'connect'] as const)('reads what only %s wrote', (form) => {
    const theirs = letterOf({ headers: form }).headers.filter(([name]) => !name.startsWith('keylane_'));
    expect(readDeadLetter(theirs)).toMatchObject({
      format: form,
      topic: 'orders',
      partition: 258,
      offset: AT.offset,
      group: 'billing',
      error: { name: 'RangeError', message: 'too far' },
    });
  });

  test.each([
    { name: 'no headers', headers: [] },
    { name: 'headers of something else', headers: OWN },
  ])('$name: no dead letter', ({ headers }) => {
    expect(readDeadLetter(headers)).toBeUndefined();
  });

  test('nonsense in the headers does not make it throw', () => {
    const nonsense: RecordHeader[] = [
      ['kafka_dlt-original-topic', Buffer.from('orders')],
      ['kafka_dlt-original-partition', Buffer.from([1])],
      ['kafka_dlt-original-offset', Buffer.from('seven')],
      ['keylane_evidence', Buffer.from('{')],
      ['keylane_failed-at', Buffer.from('soon')],
    ];
    expect(readDeadLetter(nonsense)).toMatchObject({ topic: 'orders', partition: -1, offset: -1, evidence: '{' });
  });
});

describe('the trace of a record', () => {
  const trace = 'a1'.repeat(16);
  test.each([
    {
      name: 'of its traceparent',
      headers: [['traceparent', Buffer.from(`00-${trace}-b7ad6b7169203331-01`)]],
      id: trace,
    },
    { name: 'of none', headers: [], id: '8'.repeat(32) },
    { name: 'of one nobody can read', headers: [['traceparent', Buffer.from('00-xyz')]], id: '8'.repeat(32) },
  ] as { name: string; headers: RecordHeader[]; id: string }[])('$name', ({ headers, id }) => {
    expect(traceIdOf(recordWith(headers), () => 0.5)).toBe(id);
  });
});

test.each([
  { name: 'by default', topic: RESOLVED.deadLetter.topic, known: 'orders-dlt' },
  { name: 'where it is one for all', topic: 'dead', known: 'dead' },
  { name: 'by a function nobody knows', topic: () => 'dead', known: undefined },
])('the dead-letter topic is known without a record $name: $known', ({ topic, known }) => {
  expect(deadLetterTopicOf({ ...RESOLVED.deadLetter, topic }, 'orders')).toBe(known);
});

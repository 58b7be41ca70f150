import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ConfigurationError } from './errors.ts';
import { type ConsumerOptions, resolveOptions } from './options.ts';
import { defaultIsFailure } from './poller/breaker.ts';
import { defaultDeadLetterTopic } from './poller/dead-letter.ts';

const handler = () => undefined;
const inlineHandler = { handle: handler };
const KAFKA = { 'bootstrap.servers': 'localhost:9092', 'group.id': 'billing' };
const VALID = { kafka: KAFKA, topics: ['orders'], handler };

/** Options as JavaScript may give them: with anything in them. */
function resolve(options: Record<string, unknown>) {
  return resolveOptions({ ...VALID, ...options } as ConsumerOptions);
}

/** What is wrong with these options. */
function problemsOf(options: unknown): readonly string[] {
  try {
    resolveOptions(options as ConsumerOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error).toMatchObject({ code: 'ERR_OPTION_INVALID' });
    return (error as ConfigurationError).problems;
  }
  return [];
}

const problemsWith = (options: Record<string, unknown>) => problemsOf({ ...VALID, ...options });

describe('resolveOptions, defaults', () => {
  test('the least there can be gives all of them', () => {
    const { threads, ...rest } = resolve({});
    expect(rest).toEqual({
      ...VALID,
      ordering: 'key',
      nullKeys: 'unordered',
      concurrencyPerThread: 16,
      affinity: 'preferred',
      bufferedRecordsMax: 10_000,
      bufferedBytesMax: 67_108_864,
      bufferedRecordsPerPartitionMax: undefined,
      recordsPerPollMax: 1_000,
      commitIntervalMs: 1_000,
      commitRecordsMax: 100_000,
      offsetMapCharactersMax: 4_095,
      drainTimeoutMs: 20_000,
      handlerTimeoutMs: 30_000,
      handlerAbortGraceMs: 1_000,
      startTimeoutMs: 30_000,
      retry: {
        attemptsMax: 5,
        delayMs: 200,
        delayMaxMs: 30_000,
        factor: 2,
        jitter: 'full',
        waitingRecordsMax: 10_000,
      },
      onExhausted: 'stop',
      deadLetter: {
        topic: defaultDeadLetterTopic,
        headers: 'spring',
        stackCharactersMax: 4_096,
        shareMax: 0.5,
        windowRecords: 200,
        consecutiveMax: 50,
        producer: {},
      },
      threadOptions: {},
      installSignalHandlers: false,
    });
    expect(Number.isInteger(threads) && threads >= 1).toBe(true);
  });

  test('a breaker that is asked for has defaults', () => {
    expect(resolve({ breaker: { openMs: 1_000 } }).breaker).toEqual({
      failureShareMax: 0.5,
      windowMs: 10_000,
      recordsMin: 20,
      openMs: 1_000,
      openMsMax: 60_000,
      isFailure: defaultIsFailure,
    });
  });

  test('where dead letters are spoken of, exhausted records become some', () => {
    expect(resolve({ deadLetter: {} })).toMatchObject({ onExhausted: 'dead-letter' });
    expect(resolve({ deadLetter: { topic: 'dead' } })).toMatchObject({ deadLetter: { topic: 'dead', shareMax: 0.5 } });
    expect(resolve({ deadLetter: {}, onExhausted: 'skip' })).toMatchObject({ onExhausted: 'skip' });
  });

  test('what is given stays, and what is left out beside it is filled in', () => {
    const orderingKey = () => 'k';
    const signal = new AbortController().signal;
    const given = { ordering: 'unordered', threads: 3, drainTimeoutMs: 0, orderingKey, signal, handlerData: { a: 1 } };
    expect(resolve({ ...given, retry: { attemptsMax: 1 } })).toMatchObject({
      ...given,
      retry: { attemptsMax: 1, delayMs: 200, jitter: 'full' },
    });
  });

  test.each([
    { name: 'a function', given: handler, expected: handler },
    { name: 'an object', given: inlineHandler, expected: inlineHandler },
    { name: 'a URL', given: new URL('file:///app/handler.js'), expected: 'file:///app/handler.js' },
    { name: 'a file URL as text', given: 'file:///app/handler.js', expected: 'file:///app/handler.js' },
    { name: 'a data URL', given: 'data:text/javascript,1', expected: 'data:text/javascript,1' },
    { name: 'a path', given: '/app/a b.js', expected: 'file:///app/a%20b.js' },
    { name: 'a relative path', given: './handler.js', expected: pathToFileURL('handler.js').href },
  ])('the handler as $name', ({ given, expected }) => expect(resolve({ handler: given }).handler).toBe(expected));

  test('the result cannot be changed', () => expect(Object.isFrozen(resolve({}))).toBe(true));

  test("the broker list may have librdkafka's other name, and the rest is handed on untouched", () => {
    const kafka = { 'metadata.broker.list': 'b:9092', 'group.id': 'g', 'fetch.wait.max.ms': 5, debug: 'cgrp' };
    expect(resolve({ kafka }).kafka).toEqual(kafka);
  });
});

describe('resolveOptions, refusals', () => {
  test('every wrong option is named, in one error', () => {
    const wrong = {
      kafka: { 'enable.auto.commit': true },
      topics: [],
      handler: 7,
      ordering: 'random',
      nullKeys: 'no',
      orderingKey: 'k',
      threads: 0,
      concurrencyPerThread: 1.5,
      affinity: 'loose',
      bufferedRecordsMax: -1,
      bufferedBytesMax: '1 MB',
      bufferedRecordsPerPartitionMax: 0,
      recordsPerPollMax: Number.NaN,
      commitIntervalMs: 0,
      commitRecordsMax: null,
      drainTimeoutMs: -1,
      startTimeoutMs: 2 ** 31,
      breaker: { failureShareMax: 1, windowMs: 0, isFailure: 'no' },
      retry: { attemptsMax: 0, jitter: 'half', times: 3 },
      threadOptions: { argv: 'x', stdin: true },
      signal: {},
      treads: 4,
    };
    const names = problemsOf(wrong).map((problem) => problem.replace(/(:| is not an option).*/s, ''));
    const nested = ["kafka['bootstrap.servers']", "kafka['group.id']", "kafka['enable.auto.commit']"];
    nested.push('breaker.failureShareMax', 'breaker.windowMs', 'breaker.isFailure');
    nested.push('retry.attemptsMax', 'retry.jitter', 'retry.times', 'threadOptions.argv', 'threadOptions.stdin');
    const plain = Object.keys(wrong).filter((name) => !['kafka', 'retry', 'breaker', 'threadOptions'].includes(name));
    expect(names.toSorted()).toEqual([...nested, ...plain].toSorted());
  });

  test.each([
    { name: 'nothing', options: {}, named: ['kafka', 'topics', 'handler'] },
    { name: 'undefined', options: undefined, named: ['the options'] },
    { name: 'no object', options: 'kafka', named: ['the options'] },
  ])('$name', ({ options, named }) => {
    expect(problemsOf(options).map((problem) => problem.split(':')[0])).toEqual(named);
  });

  test.each([0, '0'])("statistics.interval.ms %o hides what 'auto.offset.reset': 'error' is to find", (off) => {
    const kafka = { ...KAFKA, 'statistics.interval.ms': off };
    expect(problemsWith({ kafka })).toEqual([]);
    expect(problemsWith({ kafka: { ...kafka, 'auto.offset.reset': 'error' } })).toEqual([
      expect.stringMatching(/^kafka\['statistics\.interval\.ms'\]: must not be 0/),
    ]);
    expect(problemsWith({ kafka: { ...KAFKA, 'auto.offset.reset': 'error' } })).toEqual([]);
  });

  test.each([
    ['enable.auto.commit', 'Keylane commits what is complete; see commitIntervalMs'],
    ['enable.auto.offset.store', 'Keylane commits what is complete; see commitIntervalMs'],
    ['auto.commit.interval.ms', 'use commitIntervalMs'],
    ['enable.partition.eof', 'Keylane follows the ends of partitions itself'],
    ['rebalance_cb', "Keylane answers rebalances itself; listen to 'assigned', 'revoked' and 'lost'"],
    ['offset_commit_cb', "Keylane reads the broker's answers itself; listen to 'committed'"],
    ['queue_non_empty_cb', 'Keylane polls itself'],
    ['event_cb', "Keylane reads the client's events itself; listen to 'warning'"],
  ])('kafka[%o] is ours, whatever its value, and it says why', (name, reason) => {
    for (const value of [true, false, undefined]) {
      expect(problemsWith({ kafka: { ...KAFKA, [name]: value } })).toEqual([
        `kafka['${name}']: is reserved: ${reason}`,
      ]);
    }
  });

  test.each([
    {
      name: 'no broker',
      kafka: { 'group.id': 'g' },
      problem: "kafka['bootstrap.servers']: is required, such as 'localhost:9092'",
    },
    {
      name: 'an empty broker',
      kafka: { ...KAFKA, 'bootstrap.servers': '' },
      problem: "kafka['bootstrap.servers']: is required, such as 'localhost:9092'",
    },
    {
      name: 'no group',
      kafka: { 'bootstrap.servers': 'b' },
      problem: "kafka['group.id']: is required, such as 'billing'",
    },
    {
      name: 'a group that is no text',
      kafka: { ...KAFKA, 'group.id': 7 },
      problem: "kafka['group.id']: is required, such as 'billing'",
    },
  ])('the client: $name', ({ kafka, problem }) => expect(problemsWith({ kafka })).toEqual([problem]));

  test.each([
    { name: 'none', topics: [], problem: 'topics: must name at least one topic' },
    { name: 'an empty name', topics: [''], problem: 'topics.0: must be a topic name or a RegExp' },
    { name: 'a number', topics: ['a', 7], problem: 'topics.1: must be a topic name or a RegExp' },
    {
      name: "librdkafka's way of writing one",
      topics: ['^a'],
      problem: 'topics.0: must be a topic name or a RegExp; write an expression as a RegExp',
    },
    {
      name: 'an expression the client does not know',
      topics: ['a', /b(?=c)/],
      problem: 'topics.1: /b(?=c)/: the client knows no look-around and named groups',
    },
    { name: 'flags', topics: [/a/i], problem: 'topics.0: /a/i: the client knows no flags' },
  ])('topics: $name', ({ topics, problem }) => expect(problemsWith({ topics })).toEqual([problem]));

  test.each([
    { name: 'an unknown option', options: { treads: 4 }, problem: 'treads is not an option' },
    { name: 'an unknown option of retry', options: { retry: { times: 4 } }, problem: 'retry.times is not an option' },
    ...[7, '', null, {}, { handle: 'later' }].map((handler) => ({
      name: `a handler that is ${JSON.stringify(handler)}`,
      options: { handler },
      problem: 'handler: must be a URL, a path, a function or an object with a function handle',
    })),
    { name: 'an ordering key', options: { orderingKey: 'k' }, problem: 'orderingKey: must be a function' },
    { name: 'a signal', options: { signal: {} }, problem: 'signal: must be an AbortSignal' },
  ])('$name: $problem', ({ options, problem }) => expect(problemsWith(options)).toEqual([problem]));

  test.each([
    { name: 'threads', allowed: [1, 1_024], refused: [0, 1_025, 1.5] },
    { name: 'concurrencyPerThread', allowed: [1, 10_000], refused: [0, 10_001] },
    { name: 'recordsPerPollMax', allowed: [1, 100_000], refused: [0, 100_001] },
    { name: 'offsetMapCharactersMax', allowed: [64, 32_768], refused: [63, 32_769] },
    { name: 'commitIntervalMs', allowed: [1, 0.5 + 1, 2 ** 31 - 1], refused: [-1, 0, 2 ** 31, Infinity] },
    { name: 'drainTimeoutMs', allowed: [0, 2 ** 31 - 1], refused: [-1, 2 ** 31, Number.NaN] },
    { name: 'startTimeoutMs', allowed: [1, 2 ** 31 - 1], refused: [-1, 0, 2 ** 31] },
  ])('$name has its limits', ({ name, allowed, refused }) => {
    for (const value of allowed) expect(problemsWith({ [name]: value })).toEqual([]);
    for (const value of refused) expect(problemsWith({ [name]: value })).toEqual([expect.stringMatching(`^${name}: `)]);
  });
});

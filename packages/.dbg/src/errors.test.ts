import { describe, expect, test } from 'vitest';
import {
  asError,
  assert,
  ClosedError,
  ConfigurationError,
  DrainError,
  HandlerError,
  InvariantError,
  KafkaError,
  KeylaneError,
  ThreadLostError,
} from './errors.ts';

const cause = new Error('the cause');

describe('the errors', () => {
  test.each([
    {
      error: new ConfigurationError('ERR_OPTION_INVALID', ['a is wrong']),
      name: 'ConfigurationError',
      code: 'ERR_OPTION_INVALID',
      message: 'a is wrong',
    },
    {
      error: new ConfigurationError('ERR_HANDLER_LOAD', ['a is wrong', 'b is wrong'], { cause }),
      name: 'ConfigurationError',
      code: 'ERR_HANDLER_LOAD',
      message: '\n  - a is wrong\n  - b is wrong',
      cause,
    },
    {
      error: new HandlerError({ topic: 't', partition: 3, offset: 17, attempt: 2 }, cause),
      name: 'HandlerError',
      code: 'ERR_HANDLER_THREW',
      message: 'the handler threw on attempt 2 of t[3]@17: the cause',
      cause,
    },
    {
      error: new HandlerError(
        { topic: 't', partition: 3, offset: 17, attempt: 1 },
        cause,
        'handle',
        'orderingKey threw for',
      ),
      name: 'HandlerError',
      code: 'ERR_HANDLER_THREW',
      message: 'orderingKey threw for t[3]@17: the cause',
      cause,
    },
    {
      error: new ThreadLostError('ERR_THREAD_LOST', 4, 'thread 4 ended', { cause }),
      name: 'ThreadLostError',
      code: 'ERR_THREAD_LOST',
      message: 'thread 4 ended',
      cause,
    },
    {
      error: new KafkaError('ERR_KAFKA', 'broker away', { kafkaCode: -195, cause }),
      name: 'KafkaError',
      code: 'ERR_KAFKA',
      message: 'broker away',
      cause,
    },
    {
      error: new DrainError(2, 20_000),
      name: 'DrainError',
      code: 'ERR_DRAIN_TIMEOUT',
      message: expect.stringMatching(/^2 record\(s\) .* drainTimeoutMs = 20000; .* delivered again$/),
    },
    {
      error: new ClosedError('pause()'),
      name: 'ClosedError',
      code: 'ERR_CLOSED',
      message: 'pause() was called on a consumer that is closing or closed',
    },
    {
      error: new InvariantError('it broke'),
      name: 'InvariantError',
      code: 'ERR_INVARIANT',
      message: 'it broke (this is a fault of Keylane: please report it)',
    },
    {
      error: new InvariantError('it broke', { cause }),
      name: 'InvariantError',
      code: 'ERR_INVARIANT',
      message: 'it broke (this is a fault of Keylane: please report it)',
      cause,
    },
  ])('$name, $code', ({ error, ...expected }) => {
    expect(error).toBeInstanceOf(KeylaneError);
    expect({ ...expected, name: error.name, code: error.code, message: error.message, cause: error.cause }).toEqual({
      cause: undefined,
      ...expected,
    });
    expect(Object.prototype.toString.call(error)).toBe('[object Error]');
  });

  test('tell what whoever handles them needs', () => {
    const at = { topic: 't', partition: 3, offset: 17, attempt: 2 };
    expect(new HandlerError(at, cause)).toMatchObject(at);
    expect(new ThreadLostError('ERR_THREAD_LOST', 4, 'ended').threadId).toBe(4);
    expect(new DrainError(2, 1).abandoned).toBe(2);
    expect(new ConfigurationError('ERR_OPTION_INVALID', ['a', 'b']).problems).toEqual(['a', 'b']);
    expect(new KafkaError('ERR_KAFKA', 'no', { kafkaCode: 15 })).toMatchObject({ kafkaCode: 15, fatal: false });
    expect(new KafkaError('ERR_KAFKA', 'no', { kafkaCode: -150, fatal: true }).fatal).toBe(true);
  });

  test('without a cause have none, not an undefined one', () => {
    const errors = [
      new ThreadLostError('ERR_THREAD_LOST', 4, 'ended'),
      new KafkaError('ERR_COMMIT', 'no', { kafkaCode: 1 }),
    ];
    expect(errors.map((error) => 'cause' in error)).toEqual([false, false]);
  });
});

describe('assert', () => {
  test('throws where the condition does not hold, and only there', () => {
    expect(() => assert(true, 'fine')).not.toThrow();
    expect(() => assert(false, 'it broke')).toThrow(InvariantError);
    expect(() => assert(false, 'it broke')).toThrow('it broke (this is a fault of Keylane');
  });
});

describe('asError', () => {
  test('gives an error back as it is', () => expect(asError(cause)).toBe(cause));

  test.each(['text', 0, null, undefined, { code: 1 }])('wraps %s and keeps it as the cause', (thrown) => {
    const error = asError(thrown);
    expect(error).toBeInstanceOf(Error);
    expect([error.message, error.cause]).toEqual([`a value was thrown that is no Error: ${String(thrown)}`, thrown]);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromWireError, toWireError, withFewCauses } from './wire-error.ts';

class PaymentError extends Error {
  override readonly name = 'PaymentError';
}

/** As it arrives on the other side of a thread's port. */
function travel(thrown: unknown): Error {
  return fromWireError(structuredClone(toWireError(thrown)));
}

/** An error with this many causes, one within the other; 0 is the outermost. */
function nested(depth: number, level = 0): Error {
  const cause = depth === 0 ? undefined : nested(depth - 1, level + 1);
  return new Error(`level ${level}`, cause && { cause });
}

function messagesOf(error: unknown): string[] {
  return error instanceof Error ? [error.message, ...messagesOf(error.cause)] : [];
}

describe('an error that stays where it is', () => {
  test.each([0, 1, 5])('is the same with %i causes', (depth) => {
    const error = nested(depth);
    expect(withFewCauses(error)).toBe(error);
  });

  test.each([6, 1_000])('is told anew with %i', (depth) => {
    expect(messagesOf(withFewCauses(nested(depth)))).toEqual(messagesOf(nested(5)));
  });

  test('never grows by being the cause of the next one', () => {
    let previous = new Error('first');
    for (let attempt = 0; attempt < 100; attempt += 1)
      previous = new Error('again', { cause: withFewCauses(previous) });
    expect(messagesOf(previous).length).toBeLessThan(10);
  });
});

describe('an error on its way between threads', () => {
  test.each([
    { name: 'an error', thrown: new Error('x'.repeat(10_000)) },
    { name: 'a cause', thrown: new Error('y', { cause: new Error('x'.repeat(10_000)) }) },
    { name: 'a string', thrown: 'x'.repeat(10_000) },
  ])('a text is cut that nobody would read to its end: $name', ({ thrown }) => {
    const arrived = travel(thrown);
    const { message, stack } = (arrived.cause as Error | undefined) ?? arrived;
    expect(message).toBe(`${'x'.repeat(2_048)}... (10000 characters)`);
    expect(stack).toContain('wire-error.');
    expect(stack?.length).toBeLessThan(8_300);
    expect(travel(new Error('x'.repeat(2_048))).message).toBe('x'.repeat(2_048));
  });

  test('keeps its name, message, stack and code', () => {
    const error = Object.assign(new PaymentError('refused'), { code: 'E_LIMIT' });
    const arrived = travel(error);
    expect(arrived).toBeInstanceOf(Error);
    expect(arrived).toMatchObject({ name: 'PaymentError', message: 'refused', code: 'E_LIMIT', stack: error.stack });
    expect(String(arrived)).toBe('PaymentError: refused');
  });

  test('without a code, or with one that is no text, has none', () => {
    expect('code' in travel(new Error('no'))).toBe(false);
    expect('code' in travel(Object.assign(new Error('no'), { code: 7 }))).toBe(false);
  });

  test('keeps its causes, with their names and codes', () => {
    const cause = Object.assign(new TypeError('inner'), { code: 'E_INNER' });
    const arrived = travel(new Error('outer', { cause }));
    expect(arrived.cause).toMatchObject({ name: 'TypeError', message: 'inner', code: 'E_INNER' });
    expect('cause' in travel(new Error('alone'))).toBe(false);
  });

  test.each([
    { depth: 0, kept: 1 },
    { depth: 5, kept: 6 },
    { depth: 6, kept: 6 },
    { depth: 100, kept: 6 },
  ])('of $depth nested causes, $kept errors arrive', ({ depth, kept }) => {
    const expected = Array.from({ length: kept }, (_, level) => `level ${level}`);
    expect(messagesOf(travel(nested(depth)))).toEqual(expected);
  });

  test('a cycle of causes ends', () => {
    const error = new Error('around');
    error.cause = error;
    expect(messagesOf(travel(error))).toEqual(new Array(6).fill('around'));
  });

  test.each(['message', 'name', 'code', 'cause', 'stack'])(
    'that throws when asked for its %s arrives all the same',
    (name) => {
      const refuse = () => {
        throw new Error('not for you');
      };
      const error = Object.defineProperty(new Error('no'), name, { get: refuse });
      const described = { name: 'Thrown', message: 'a value that cannot be described', stack: '' };
      expect(toWireError(error)).toEqual(described);
      expect(toWireError(new Error('outer', { cause: error }))).toMatchObject({ message: 'outer', cause: described });
      expect(travel(error)).toMatchObject({ name: 'Thrown', message: described.message });
    },
  );

  test('without a stack of its own gets one here', () => {
    const error = new Error('no');
    delete error.stack;
    expect(toWireError(error).stack).toBe('');
    expect(travel(error).stack).toContain('wire-error');
  });
});

describe('a thrown value that is no Error', () => {
  test.each([
    { thrown: 'text', message: 'text' },
    { thrown: '', message: '' },
    { thrown: 42, message: '42' },
    { thrown: undefined, message: 'undefined' },
    { thrown: null, message: 'null' },
    { thrown: Symbol('s'), message: 'Symbol(s)' },
    { thrown: { message: 'no error' }, message: '[object Object]' },
    { thrown: Object.create(null), message: 'a value that cannot be described' },
  ])('becomes text: $message', ({ thrown, message }) => {
    expect(toWireError(thrown)).toEqual({ name: 'Thrown', message, stack: '' });
    expect(travel(thrown)).toMatchObject({ name: 'Thrown', message });
  });

  test('as a cause is described as well', () => {
    expect(travel(new Error('outer', { cause: 'why' })).cause).toMatchObject({ name: 'Thrown', message: 'why' });
  });

  test('whatever it is, it can travel', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
        (thrown) => {
          expect(travel(thrown).message).toBe(toWireError(thrown).message);
        },
      ),
    );
  });
});

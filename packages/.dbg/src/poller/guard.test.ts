import { describe, expect, test } from 'vitest';
import { InvariantError, KafkaError, type KeylaneError } from '../errors.ts';
import { asFatal, guardWith } from './guard.ts';

const own = new KafkaError('ERR_KAFKA', 'fenced', { kafkaCode: -144, fatal: true });

describe('guardWith', () => {
  test('what enters through it is called with what it was given', () => {
    const [calls, fatal]: [unknown[][], KeylaneError[]] = [[], []];
    const guarded = guardWith((error) => void fatal.push(error))((...parameters: [number, string]) => {
      calls.push(parameters);
    });
    guarded(1, 'a');
    guarded(2, 'b');
    expect([calls, fatal]).toEqual([
      [
        [1, 'a'],
        [2, 'b'],
      ],
      [],
    ]);
  });

  test('what is thrown inside fails the consumer and goes no further', () => {
    const fatal: KeylaneError[] = [];
    const guarded = guardWith((error) => void fatal.push(error))(() => {
      throw own;
    });
    expect(guarded).not.toThrow();
    expect(fatal).toEqual([own]);
  });
});

describe('asFatal', () => {
  test("an error of Keylane's stays as it is", () => expect(asFatal(own)).toBe(own));

  test.each([{ thrown: new TypeError('x is undefined') }, { thrown: 'text' }])(
    '$thrown is a fault of ours',
    ({ thrown }) => {
      const error = asFatal(thrown);
      expect(error).toBeInstanceOf(InvariantError);
      expect(error.cause).toBe(thrown);
      expect(error.message).toContain(thrown instanceof Error ? thrown.message : thrown);
    },
  );
});

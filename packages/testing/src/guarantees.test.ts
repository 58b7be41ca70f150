import { describe, expect, test } from 'vitest';
import {
  AtLeastOnce,
  CommitNeverAhead,
  expectGuarantees,
  type Guarantee,
  GuaranteeError,
  guaranteesFor,
  KeyOrder,
  NothingTwice,
  OneAtATimePerKey,
  type Ordering,
} from './guarantees.ts';
import { logOf } from './log-text.ts';

function violationsOf(guarantee: Guarantee, log: string): readonly string[] {
  for (const entry of logOf(log)) guarantee.on(entry);
  return guarantee.violations();
}

const laneOf = ({ partition, key }: { partition: number; key: string | null }) =>
  key === null ? null : `${partition} ${key}`;

describe('AtLeastOnce', () => {
  test.each([
    { name: 'all completed', log: '+a0 +b1 >a0 .a0 >b1 .b1' },
    { name: 'completed twice', log: '+a0 >a0 .a0 * >a0 .a0' },
    { name: 'failed, then completed', log: '+a0 >a0 !a0 >a0 .a0' },
    { name: 'nothing produced', log: '* =0' },
    { name: 'interrupted, then completed', log: '+a0 >a0 ~a0 >a0 .a0' },
    { name: 'completed, and the outcome lost', log: '+a0 >a0 .a0 ~a0' },
    { name: 'deleted by the broker', log: '+a0 +a1 >a1 .a1 x1' },
    { name: 'truncated by the broker', log: '+a0 +a1 >a0 .a0 ^1' },
  ])('holds: $name', ({ log }) => expect(violationsOf(new AtLeastOnce(), log)).toEqual([]));

  test.each([
    { name: 'never started', log: '+a0 +a1 >a0 .a0', violation: 't[0]@1 was never completed' },
    { name: 'started only', log: '+a0 >a0', violation: 't[0]@0 was never completed' },
    { name: 'failed only', log: '+a0 >a0 !a0', violation: 't[0]@0 was never completed' },
    { name: 'interrupted only', log: '+a0 >a0 ~a0', violation: 't[0]@0 was never completed' },
    { name: 'another one deleted', log: '+a0 +a1 x1', violation: 't[0]@1 was never completed' },
    { name: 'another one truncated', log: '+a0 +a1 ^1', violation: 't[0]@0 was never completed' },
    { name: 'the next at a truncated place', log: '+a0 .a0 ^0 +b0', violation: 't[0]@0 was never completed' },
    {
      name: 'only the one before at its place',
      log: '+a0/0 ^0 +a0/1 >a0/0 .a0/0',
      violation: 't[0]@0 was never completed',
    },
    { name: 'committed, but never run', log: '+a0 =1', violation: 't[0]@0 was never completed' },
    {
      name: 'the same offset of another partition',
      log: '+a0 p1/+a0 >a0 .a0',
      violation: 't[1]@0 was never completed',
    },
  ])('is broken: $name', ({ log, violation }) => expect(violationsOf(new AtLeastOnce(), log)).toEqual([violation]));
});

describe('NothingTwice', () => {
  test.each([
    { name: 'each once', log: '+a0 +a1 >a0 .a0 >a1 .a1' },
    { name: 'failed before', log: '+a0 >a0 !a0 >a0 .a0' },
    { name: 'interrupted before', log: '+a0 >a0 ~a0 >a0 .a0' },
    { name: 'the same offset of two partitions', log: '>a0 .a0 p1/>a0 p1/.a0' },
    { name: 'never', log: '+a0' },
    { name: 'another one at its place', log: '.a0/0 ^0 .a0/1' },
  ])('holds: $name', ({ log }) => expect(violationsOf(new NothingTwice(), log)).toEqual([]));

  test.each([
    { name: 'again after an assignment', log: '+a0 >a0 .a0 * >a0 .a0' },
    { name: 'again after its outcome was lost', log: '+a0 >a0 .a0 ~a0 >a0 .a0' },
  ])('is broken: $name', ({ log }) =>
    expect(violationsOf(new NothingTwice(), log)).toEqual(['t[0]@0 was completed again']),
  );
});

describe('OneAtATimePerKey', () => {
  test.each([
    { name: 'one after the other', log: '+a0 +a1 >a0 .a0 >a1 .a1' },
    { name: 'two keys at once', log: '>a0 >b1 .b1 .a0' },
    { name: 'one key in two partitions', log: '>a0 p1/>a0 .a0 p1/.a0' },
    { name: 'records without a key', log: '>-0 >-1 .-0 .-1' },
    { name: 'again after a failure', log: '>a0 !a0 >a0 .a0' },
    { name: 'again after an interruption', log: '>a0 ~a0 >a0 .a0' },
    { name: 'interrupted with the ones before it', log: '>a0 .a0 >a1 ~a0 ~a1 >a0 .a0' },
  ])('holds: $name', ({ log }) => expect(violationsOf(new OneAtATimePerKey(laneOf), log)).toEqual([]));

  test.each([
    {
      name: 'the next before the first ended',
      log: '>a0 >a1',
      violation: 't[0]@1 started while t[0]@0 of the same key ran',
    },
    { name: 'the same one twice', log: '>a0 >a0', violation: 't[0]@0 started while t[0]@0 of the same key ran' },
    {
      name: 'with another key in between',
      log: '>a0 >b1 .b1 >a2',
      violation: 't[0]@2 started while t[0]@0 of the same key ran',
    },
    {
      name: 'with what was truncated',
      log: '>a0/0 ^0 >a0/1 .a0/0',
      violation: 't[0]@0/1 started while t[0]@0 of the same key ran',
    },
    {
      name: 'after a failure of another key',
      log: '>a0 >b1 !b1 >a2',
      violation: 't[0]@2 started while t[0]@0 of the same key ran',
    },
  ])('is broken: $name', ({ log, violation }) =>
    expect(violationsOf(new OneAtATimePerKey(laneOf), log)).toEqual([violation]),
  );
});

describe('KeyOrder', () => {
  test.each([
    { name: 'in order', log: '+a0 +a1 +a5 >a0 .a0 >a1 .a1 >a5 .a5' },
    { name: 'keys overtake one another', log: '+a0 +b1 +a2 >b1 .b1 >a0 .a0 >a2 .a2' },
    { name: 'records without a key overtake one another', log: '+-0 +-1 >-1 .-1 >-0 .-0' },
    { name: 'a failed one again', log: '+a0 +a1 >a0 !a0 >a0 .a0 >a1 .a1' },
    { name: 'back to the beginning with a new assignment', log: '+a0 +a1 >a0 .a0 * >a0 .a0 >a1 .a1' },
    { name: 'back to what is committed', log: '+a0 +a1 +a2 >a0 .a0 >a1 .a1 =1 * >a1 .a1 >a2' },
    { name: 'on behind what is committed, of another key', log: '+a0 +b1 +a2 >a0 .a0 >b1 .b1 =2 * >a2' },
    { name: 'each partition by itself', log: '+a0 p1/+a0 +a1 >a0 .a0 >a1 p1/>a0 .a1' },
    { name: 'on past what is committed, all of it completed', log: '+a0 +a1 >a0 .a0 * >a1' },
    { name: 'from one completed island to the next', log: '+a0 +a1 +a2 >a0 .a0 >a1 .a1 * >a0 .a0 >a2' },
    { name: 'an interrupted one again', log: '+a0 +a1 >a0 ~a0 >a0 .a0 >a1' },
    { name: 'back to the first whose outcome was lost', log: '+a0 +a1 >a0 .a0 >a1 ~a0 ~a1 >a0 .a0 >a1' },
    { name: 'on past what was deleted', log: '+a0 +a1 +a2 x2 * >a2' },
    { name: 'one at a truncated place', log: '+a0 +a1 >a0 .a0 =1 ^0 * +a0 >a0' },
    { name: 'what is truncated runs on', log: '+a0/0 +a1/0 >a0/0 ^0 +a0/1 .a0/0 >a1/0 .a1/0 >a0/1' },
    { name: 'back to the truncation, behind a commit that did not know', log: '+a0/0 .a0/0 ^0 +a0/1 =1/0 * >a0/1' },
    { name: 'back to where a reset went', log: '+a0 +a1 >a0 .a0 >a1 .a1 =2 * <0 >a0 .a0 >a1' },
  ])('holds: $name', ({ log }) => expect(violationsOf(new KeyOrder(laneOf), log)).toEqual([]));

  test.each([
    { name: 'the second one first', log: '+a0 +a1 >a1', violation: 't[0]@1 started while 0 was due in its key' },
    { name: 'one left out', log: '+a0 +a1 +a2 >a0 .a0 >a2', violation: 't[0]@2 started while 1 was due in its key' },
    {
      name: 'the next before the first completed',
      log: '+a0 +a1 >a0 >a1',
      violation: 't[0]@1 started while 0 was due in its key',
    },
    {
      name: 'the next after a failure',
      log: '+a0 +a1 >a0 !a0 >a1',
      violation: 't[0]@1 started while 0 was due in its key',
    },
    {
      name: 'back without a new assignment',
      log: '+a0 +a1 >a0 .a0 >a0',
      violation: 't[0]@0 started while 1 was due in its key',
    },
    {
      name: 'once more at the end',
      log: '+a0 >a0 .a0 >a0',
      violation: 't[0]@0 started while nothing was due in its key',
    },
    {
      name: 'back behind what is committed',
      log: '+a0 +a1 >a0 .a0 =1 * >a0',
      violation: 't[0]@0 started while 1 was due in its key',
    },
    {
      name: 'past what is committed, and never completed',
      log: '+a0 +a1 +a2 >a0 .a0 * >a2',
      violation: 't[0]@2 started while 0 was due in its key',
    },
    {
      name: 'past one that was interrupted',
      log: '+a0 +a1 >a0 ~a0 >a1',
      violation: 't[0]@1 started while 0 was due in its key',
    },
    {
      name: 'back past an interrupted one',
      log: '+a0 +a1 >a0 .a0 >a1 ~a1 >a0',
      violation: 't[0]@0 started while 1 was due in its key',
    },
    {
      name: 'past one that was not deleted',
      log: '+a0 +a1 +a2 x1 * >a2',
      violation: 't[0]@2 started while 0 was due in its key',
    },
    {
      name: 'past one at a truncated place',
      log: '+a0 +a1 >a0 .a0 ^0 +a0 +a1 >a1',
      violation: 't[0]@1 started while 0 was due in its key',
    },
    {
      name: 'back after an assignment of another partition',
      log: '+a0 >a0 .a0 p1/* >a0',
      violation: 't[0]@0 started while nothing was due in its key',
    },
    {
      name: 'past one made anew, behind a commit that did not know',
      log: '+a0/0 .a0/0 ^0 +a0/1 +a1/1 =1/0 * >a1/1',
      violation: 't[0]@1/1 started while 0 was due in its key',
    },
    {
      name: 'back further than a reset went',
      log: '+a0 +a1 >a0 .a0 >a1 .a1 =2 * <1 >a0',
      violation: 't[0]@0 started while 1 was due in its key',
    },
    { name: 'never produced', log: '>a7', violation: 't[0]@7 started while nothing was due in its key' },
  ])('is broken: $name', ({ log, violation }) => expect(violationsOf(new KeyOrder(laneOf), log)).toEqual([violation]));
});

describe('CommitNeverAhead', () => {
  test.each([
    { name: 'behind what is completed', log: '+a0 +a1 .a0 =1 .a1 =2' },
    { name: 'later than it could', log: '+a0 +a1 .a0 .a1 =1' },
    { name: 'twice the same', log: '+a0 .a0 =1 =1' },
    { name: 'over a hole', log: '+a0 +a7 .a0 =7 .a7 =8' },
    { name: 'each partition by itself', log: '+a0 p1/+a0 .a0 =1' },
    { name: 'from zero', log: '+a0 =0' },
    { name: 'past what was deleted', log: '+a0 +a1 x1 .a1 =2' },
    { name: 'completed, and the outcome lost', log: '+a0 .a0 ~a0 =1' },
    { name: 'back after a truncation', log: '+a0 +a1 .a0 .a1 =2 ^0 +b0 .b0 =1' },
    { name: 'past records made anew, without knowing', log: '+a0/0 +a1/0 .a0/0 .a1/0 ^1 +a1/1 =2/0 =1/1' },
    { name: 'back to where a reset went', log: '+a0 .a0 =1 <0 =0' },
  ])('holds: $name', ({ log }) => expect(violationsOf(new CommitNeverAhead(), log)).toEqual([]));

  test.each([
    {
      name: 'past a record that runs',
      log: '+a0 >a0 =1',
      violation: 't[0] was committed at 1 while 0 was not completed',
    },
    {
      name: 'past a record that failed',
      log: '+a0 >a0 !a0 =1',
      violation: 't[0] was committed at 1 while 0 was not completed',
    },
    {
      name: 'past an earlier one',
      log: '+a0 +a1 +a2 .a0 .a2 =3',
      violation: 't[0] was committed at 3 while 1 was not completed',
    },
    { name: 'by one', log: '+a0 +a1 .a0 =2', violation: 't[0] was committed at 2 while 1 was not completed' },
    {
      name: 'before its completion, not after',
      log: '+a0 =1 .a0',
      violation: 't[0] was committed at 1 while 0 was not completed',
    },
    {
      name: 'of another partition',
      log: '+a0 p1/+a0 p1/.a0 =1',
      violation: 't[0] was committed at 1 while 0 was not completed',
    },
    {
      name: 'past an interrupted one',
      log: '+a0 >a0 ~a0 =1',
      violation: 't[0] was committed at 1 while 0 was not completed',
    },
    {
      name: 'past one at a truncated place',
      log: '+a0 .a0 =1 ^0 +b0 =1',
      violation: 't[0] was committed at 1 while 0 was not completed',
    },
    {
      name: 'past records made anew, knowing it',
      log: '+a0/0 .a0/0 ^0 +a0/1 =1/1',
      violation: 't[0] was committed at 1 while 0 was not completed',
    },
    {
      name: 'past one that the truncation left',
      log: '+a0/0 +a1/0 .a1/0 ^1 =2/0',
      violation: 't[0] was committed at 2 while 0 was not completed',
    },
    {
      name: 'back after a truncation, without knowing of it',
      log: '+a0/0 +a1/0 .a0/0 .a1/0 =2/0 ^0 =1/0',
      violation: 't[0] was committed at 1 after 2',
    },
    {
      name: 'back further than the truncation',
      log: '+a0/0 +a1/0 .a0/0 .a1/0 =2/0 ^1 =0/1',
      violation: 't[0] was committed at 0 after 2',
    },
    {
      name: 'back further than a reset went',
      log: '+a0 +a1 .a0 .a1 =2 <1 =0',
      violation: 't[0] was committed at 0 after 1',
    },
    { name: 'back', log: '+a0 +a1 .a0 .a1 =2 =1', violation: 't[0] was committed at 1 after 2' },
    {
      name: 'back with a new assignment',
      log: '+a0 +a1 .a0 .a1 =2 * =1',
      violation: 't[0] was committed at 1 after 2',
    },
  ])('is broken: $name', ({ log, violation }) =>
    expect(violationsOf(new CommitNeverAhead(), log)).toEqual([violation]),
  );
});

describe('expectGuarantees', () => {
  const overtaken = '+a0 +b1 >b1 .b1 >a0 .a0';
  const atOnce = '+a0 +a1 >a0 >a1 .a1 .a0';

  test.each<{ ordering: Ordering; log: string; broken: readonly string[] }>([
    { ordering: 'key', log: overtaken, broken: [] },
    { ordering: 'partition', log: overtaken, broken: ['key order'] },
    { ordering: 'unordered', log: overtaken, broken: [] },
    { ordering: 'key', log: atOnce, broken: ['one at a time per key', 'key order'] },
    { ordering: 'partition', log: '+-0 +-1 >-0 >-1 .-1 .-0', broken: ['one at a time per key', 'key order'] },
    { ordering: 'unordered', log: atOnce, broken: [] },
    { ordering: 'unordered', log: '+a0 =1', broken: ['at least once', 'commit never ahead'] },
  ])('under $ordering: $log', ({ ordering, log, broken }) => {
    const check = () => expectGuarantees(logOf(log), ordering);
    if (broken.length === 0) return expect(check).not.toThrow();
    expect(check).toThrow(GuaranteeError);
    for (const name of broken) expect(check).toThrow(`${name}: t[0]`);
  });

  test('the same key in another topic is another lane', () => {
    const log = logOf('+a0 >a0').map((entry) => ({ ...entry, topic: 'other' }));
    const guarantees = guaranteesFor('key');
    for (const entry of [...logOf('+a0 >a0'), ...log]) for (const guarantee of guarantees) guarantee.on(entry);
    const broken = guarantees.filter((guarantee) => guarantee.violations().length > 0).map(({ name }) => name);
    expect(broken).toEqual(['at least once']);
  });

  test('the error has every violation and shows the first twenty', () => {
    const log = Array.from({ length: 25 }, (_, offset) => `+a${offset}`).join(' ');
    const error = caught(() => expectGuarantees(logOf(log)));
    expect(error.violations).toHaveLength(25);
    expect(error.message).toContain('25 violation(s):\n  - at least once: t[0]@0 was never completed');
    expect(error.message).toContain('t[0]@19');
    expect(error.message).not.toContain('t[0]@20');
    expect(error.message).toMatch(/… and 5 more$/);
  });
});

function caught(run: () => void): GuaranteeError {
  try {
    run();
  } catch (error) {
    if (error instanceof GuaranteeError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

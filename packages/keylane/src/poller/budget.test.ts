import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RESOLVED } from '../../sim/stations.ts';
import { Budget } from './budget.ts';

const LIMITS = {
  bufferedRecordsMax: 1_000,
  bufferedBytesMax: 10_000_000,
  recordsPerPollMax: 100,
  retry: { ...RESOLVED.retry, waitingRecordsMax: 300 },
};

/** A budget that counts this much, with records of `bytes` each. */
function budgetOf({
  records = 0,
  bytes = 1,
  limits = {},
}: {
  records?: number;
  bytes?: number;
  limits?: object;
}): Budget {
  const budget = new Budget({ ...LIMITS, ...limits });
  for (let count = records; count > 0; count -= 1) budget.add(bytes);
  return budget;
}

describe('Budget.room', () => {
  test.each([
    { name: 'empty: a full poll', held: {}, expected: 0, room: 100 },
    { name: 'less than a poll left', held: { records: 950 }, expected: 0, room: 50 },
    { name: 'an eighth of a poll left', held: { records: 987 }, expected: 0, room: 13 },
    { name: 'too little left to be worth asking', held: { records: 988 }, expected: 0, room: 0 },
    { name: 'full', held: { records: 1_000 }, expected: 0, room: 0 },
    { name: 'past the limit', held: { records: 1_100 }, expected: 0, room: 0 },
    { name: 'what arrived counts already', held: { records: 900 }, expected: 60, room: 40 },
    { name: 'what arrived fills it', held: { records: 900 }, expected: 100, room: 0 },
    { name: 'a poll larger than the buffer', held: { limits: { recordsPerPollMax: 5_000 } }, expected: 0, room: 1_000 },
    { name: 'a buffer of one', held: { limits: { bufferedRecordsMax: 1 } }, expected: 0, room: 1 },
    { name: 'a buffer of one, full', held: { records: 1, limits: { bufferedRecordsMax: 1 } }, expected: 0, room: 0 },
    {
      name: 'bytes, by the first guess of 1,024',
      held: { limits: { bufferedBytesMax: 10_240 } },
      expected: 0,
      room: 10,
    },
    {
      name: 'bytes of what arrived, by the guess',
      held: { limits: { bufferedBytesMax: 10_240 } },
      expected: 4,
      room: 6,
    },
    { name: 'fewer bytes than a record has: one', held: { limits: { bufferedBytesMax: 10 } }, expected: 0, room: 1 },
    { name: 'no bytes left', held: { records: 1, bytes: 10, limits: { bufferedBytesMax: 10 } }, expected: 0, room: 0 },
    { name: 'bytes that arrived leave none', held: { limits: { bufferedBytesMax: 1_024 } }, expected: 1, room: 0 },
  ])('$name', ({ held, expected, room }) => expect(budgetOf(held).room(expected)).toBe(room));

  test('its capacity is in records of the mean size', () => {
    expect(budgetOf({}).capacity).toBe(1_000);
    expect(budgetOf({ limits: { bufferedBytesMax: 102_400 } }).capacity).toBe(100);
    const learnt = budgetOf({ records: 2_000, bytes: 100, limits: { bufferedBytesMax: 10_000 } });
    expect(learnt.capacity).toBeCloseTo(100);
  });

  test('it learns how large records are', () => {
    const budget = budgetOf({ limits: { bufferedBytesMax: 1_000_000 } });
    for (let count = 1_000; count > 0; count -= 1) {
      budget.add(20_000);
      budget.remove(1, 20_000);
    }
    expect(budget.room(0)).toBe(50);
  });

  test('it never offers more than is left of the records, nor less than one while bytes are left', () => {
    const limit = fc.integer({ min: 1, max: 2_000 });
    fc.assert(
      fc.property(
        limit,
        limit,
        fc.nat(3_000),
        fc.nat(500),
        (bufferedRecordsMax, recordsPerPollMax, records, expected) => {
          const room = budgetOf({ records, limits: { bufferedRecordsMax, recordsPerPollMax } }).room(expected);
          expect(Number.isInteger(room) && room >= 0 && room <= recordsPerPollMax).toBe(true);
          if (room > 0) expect(room + records + expected).toBeLessThanOrEqual(bufferedRecordsMax);
          if (records + expected === 0) expect(room).toBeGreaterThan(0);
        },
      ),
    );
  });
});

describe('Budget', () => {
  test('what is removed is counted no more', () => {
    const budget = budgetOf({ records: 10, bytes: 7 });
    budget.remove(4, 28);
    expect([budget.records, budget.bytes]).toEqual([6, 42]);
  });

  test.each([
    { records: 500, bytes: 20_000, relieved: true },
    { records: 501, bytes: 1, relieved: false },
    { records: 500, bytes: 20_001, relieved: false },
    { records: 0, bytes: 0, relieved: true },
  ])('$records records of $bytes bytes: relieved is $relieved', ({ records, bytes, relieved }) => {
    expect(budgetOf({ records, bytes, limits: { bufferedBytesMax: 20_000_000 } }).relieved).toBe(relieved);
  });
});

describe('Budget, records behind failing keys', () => {
  test.each([
    { name: 'do not count', records: 1_200, waiting: 250, room: 50 },
    { name: 'count past their own limit', records: 1_200, waiting: 900, room: 100 },
    { name: 'stop the intake in the end', records: 1_300, waiting: 1_300, room: 0 },
  ])('$name', ({ records, waiting, room }) => {
    const budget = budgetOf({ records });
    budget.waiting = waiting;
    expect(budget.room(0)).toBe(room);
  });

  test('always count in bytes', () => {
    const budget = budgetOf({ records: 100, bytes: 100_000 });
    budget.waiting = 100;
    expect(budget.room(0)).toBe(0);
  });

  test('are no reason to wait longer', () => {
    const budget = budgetOf({ records: 700 });
    expect(budget.relieved).toBe(false);
    budget.waiting = 200;
    expect(budget.relieved).toBe(true);
  });
});

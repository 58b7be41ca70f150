import { describe, expect, test } from 'vitest';
import { recordOf } from '../../sim/stations.ts';
import { KnownLog } from './known-log.ts';

/** A log known up to this leader epoch, with these records taken in from position 100 on. */
function knownLog(leaderEpoch: number | undefined, ...records: readonly (readonly [number, number])[]): KnownLog {
  const log = new KnownLog();
  log.restore(leaderEpoch);
  for (const [offset, epoch] of records) log.onRecord(recordOf({ offset, leaderEpoch: epoch }), 100);
  return log;
}

const from = (log: KnownLog) => log.from(100);

describe('KnownLog.doubts', () => {
  test.each([
    { name: 'a later leader, before anything came', log: knownLog(3), epoch: 4, doubts: true },
    { name: 'the same leader', log: knownLog(3), epoch: 3, doubts: false },
    { name: 'nobody says which leader', log: knownLog(3), epoch: undefined, doubts: false },
    { name: 'the commit did not say', log: knownLog(undefined), epoch: 4, doubts: false },
    { name: 'a record came: now the client compares', log: knownLog(3, [100, 3]), epoch: 4, doubts: false },
  ])('$name', ({ log, epoch, doubts }) => expect(log.doubts(epoch)).toBe(doubts));
});

describe('KnownLog.lookBack', () => {
  test('goes back in growing steps, as far as the log does', () => {
    const log = new KnownLog();
    log.restore(3);
    const seen = [log.looksBack];
    const starts: number[] = [];
    while (log.lookBack(10_000, { low: 500, high: 20_000 })) starts.push(log.from(10_000));
    seen.push(log.looksBack);
    log.onRecord(recordOf({ offset: 500, leaderEpoch: 3 }), 10_000);
    expect([starts, seen, log.looksBack]).toEqual([[9_984, 9_856, 8_832, 640, 500], [false, true], false]);
  });

  test.each([
    { name: 'from the end, where that lies below', log: { low: 0, high: 50 }, start: 34 },
    { name: 'no further than the beginning', log: { low: 90, high: 200 }, start: 90 },
    { name: 'not at all where the log begins right there', log: { low: 100, high: 200 }, start: undefined },
    { name: 'not at all where it begins later', log: { low: 150, high: 200 }, start: undefined },
  ])('$name', ({ log: marks, start }) => {
    const log = knownLog(3);
    expect(log.lookBack(100, marks) ? from(log) : undefined).toBe(start);
  });

  test('what is deleted while it looks is looked for at the new beginning', () => {
    const log = knownLog(3);
    log.lookBack(100, { low: 0, high: 200 });
    expect([from(log), log.lookBack(100, { low: 95, high: 200 }), from(log)]).toEqual([84, true, 95]);
    expect(log.lookBack(100, { low: 95, high: 200 })).toBe(false);
  });

  test('where all below the position is deleted while it looks, nothing is left to look at', () => {
    const log = knownLog(3);
    log.lookBack(100, { low: 0, high: 200 });
    expect(log.lookBack(100, { low: 150, high: 200 })).toBe(false);
  });

  test('another one goes on with it; past the position it is over', () => {
    const before = knownLog(3);
    before.lookBack(100, { low: 0, high: 200 });
    const log = new KnownLog();
    log.replace(before);
    expect([from(log), log.leaderEpoch, log.looksBack]).toEqual([84, 3, true]);
    log.onRecord(recordOf({ offset: 100, leaderEpoch: 3 }), 100);
    expect(from(log)).toBe(100);
  });
});

describe('KnownLog.isRewound', () => {
  const lookedBack = () => {
    const log = knownLog(3);
    log.lookBack(100, { low: 0, high: 200 });
    return log;
  };
  test.each([
    { name: 'the next record', log: knownLog(3), record: { offset: 100, leaderEpoch: 9 }, end: 5, rewound: false },
    { name: 'a first one below', log: knownLog(3), record: { offset: 99, leaderEpoch: 3 }, end: 200, rewound: true },
    { name: 'looked at again', log: lookedBack(), record: { offset: 84, leaderEpoch: 3 }, end: 90, rewound: false },
    {
      name: 'looked at, and later',
      log: lookedBack(),
      record: { offset: 84, leaderEpoch: 4 },
      end: 200,
      rewound: true,
    },
    {
      name: 'below what was asked',
      log: lookedBack(),
      record: { offset: 83, leaderEpoch: 3 },
      end: 200,
      rewound: true,
    },
    {
      name: 'a duplicate',
      log: knownLog(3, [100, 4]),
      record: { offset: 99, leaderEpoch: 4 },
      end: 200,
      rewound: false,
    },
    {
      name: 'a later leader',
      log: knownLog(3, [100, 4]),
      record: { offset: 99, leaderEpoch: 5 },
      end: 200,
      rewound: true,
    },
    {
      name: 'an end below',
      log: knownLog(3, [100, 4]),
      record: { offset: 99, leaderEpoch: 4 },
      end: 99,
      rewound: true,
    },
  ])('$name', ({ log, record, end, rewound }) => expect(log.isRewound(recordOf(record), 100, end)).toBe(rewound));
});

describe('KnownLog.onRecord, the offset map', () => {
  test.each([
    { name: 'the same leader', epoch: 3, record: 3, holds: true },
    { name: 'a later leader: made anew', epoch: 3, record: 4, holds: false },
    { name: 'the commit did not say', epoch: undefined, record: 4, holds: true },
  ])('$name', ({ epoch, record, holds }) => {
    expect(knownLog(epoch).onRecord(recordOf({ offset: 100, leaderEpoch: record }), 100)).toBe(holds);
  });
});

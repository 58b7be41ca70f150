import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { partitionsAt as at, outcomeOf, pass, TestAssignment } from '../../sim/stations.ts';
import type { Delivery } from './delivery.ts';
import { encodeOffsetMap } from './offset-map.ts';

/** The log goes on; only its records' leader epochs tell that it was cut off. */
const LONG = { watermarks: () => ({ low: 0, high: 50 }) };
const LATER = { leaderEpoch: 4 };

/** t[0] with 10 and 11 with handlers, of leader epoch 3; then 4 comes, of a later one. */
async function cutOff() {
  const over = await TestAssignment.owning([0], LONG);
  const running = [over.run(0, 10, { leaderEpoch: 3 }), over.run(0, 11, { leaderEpoch: 3, key: 'other' })];
  expect(over.register(0, 4, LATER)).toBeUndefined();
  return { over, running, old: over.find(0) };
}

describe('Assignment, a log that was cut off or made anew', () => {
  test.each([
    { name: 'by a later leader epoch', record: LATER, high: 50 },
    { name: 'by its end', record: { leaderEpoch: 3 }, high: 5 },
    { name: 'by its end, where no epoch is known', record: {}, high: 5 },
  ])('is consumed again from there, and said: $name', async ({ record, high }) => {
    const over = await TestAssignment.owning([0], { watermarks: () => ({ low: 0, high }) });
    over.pass(0, 10);
    over.complete(over.run(0, 11, { leaderEpoch: 3 }));
    over.confirm();
    over.find(0).clientPaused = true;
    expect(over.register(0, 4, record)).toBeUndefined();
    expect(over.warnings).toMatchObject([
      { name: 'OffsetError', code: 'ERR_OFFSET_BACK', topic: 't', partition: 0, expected: 12, offset: 4 },
    ]);
    expect(over.warnings[0]?.message).toContain('offset 12 was due and 4 came');
    // Until it is read again its records are nobody's.
    expect([over.register(0, 5, record), over.budget.records]).toEqual([undefined, 0]);
    await over.assignment.settled();
    const renewed = over.find(0);
    expect(over.takeLog()).toEqual(['seek t[0]@4', 'opened t[0]']);
    expect([renewed.state, renewed.clientPaused, renewed.committed]).toEqual(['active', true, 12]);
    // The broker has a later offset, and must not keep it.
    expect(over.uncommitted).toBe('t[0]@4');
    over.complete(over.run(0, 4, record));
    expect([over.uncommitted, over.register(0, 10, record)?.lane.partition]).toEqual(['t[0]@5', renewed]);
    expect(over.warnings).toHaveLength(1);
  });

  test('what still runs of it is awaited before that, and nothing of it is handed out or committed', async () => {
    const { over, running, old } = await cutOff();
    expect([old.state, old.handsOut, over.uncommitted]).toEqual(['draining', false, 't[0]@4']);
    over.complete(running[1] as Delivery);
    await turn();
    expect([over.takeLog(), over.uncommitted]).toEqual([[], 't[0]@4']);
    over.complete(running[0] as Delivery);
    await over.assignment.settled();
    expect([over.takeLog(), old.state, over.budget.records]).toEqual([['seek t[0]@4', 'opened t[0]'], 'closed', 0]);
    expect([over.uncommitted, over.warnings.length]).toEqual(['t[0]@4', 1]);
  });

  test('but for no longer than a drain; then it is too late', async () => {
    const { over, running } = await cutOff();
    await turn();
    pass(over.clock, 20_000);
    await over.assignment.settled();
    expect(over.warnings.map(({ code }) => code)).toEqual(['ERR_OFFSET_BACK', 'ERR_DRAIN_TIMEOUT']);
    expect(over.takeLog()).toEqual(['seek t[0]@4', 'opened t[0]']);
    for (const late of running) over.complete(late);
    expect([over.uncommitted, over.budget.records, over.find(0).tracker.incomplete]).toEqual(['t[0]@4', 0, 0]);
  });

  test('a commit of what came before that the broker takes after it does not stand', async () => {
    const over = await TestAssignment.owning([0], LONG);
    over.pass(0, 10, 11);
    const underWay = over.assignment.uncommitted();
    over.register(0, 4, LATER);
    for (const offset of underWay) offset.confirm();
    expect([over.find(0).committed, over.uncommitted]).toEqual([12, 't[0]@4']);
  });

  test('what is incomplete below the cut is read again, and what is complete there does not run again', async () => {
    const over = await TestAssignment.owning([0], LONG);
    const ran = [1, 2, 3, 4, 5].map((offset) => over.run(0, offset, { leaderEpoch: 3, key: `k${offset}` }));
    for (const index of [1, 3, 4]) over.complete(ran[index] as Delivery);
    expect(over.register(0, 4, LATER)).toBeUndefined();
    // What ends meanwhile counts below it; what fails lands, and is read again.
    over.complete(ran[2] as Delivery);
    ran[0]?.lane.land();
    over.assignment.onSettled();
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['seek t[0]@1', 'opened t[0]']);
    const again = [1, 2, 3, 4, 5].filter((offset) => over.register(0, offset, LATER) !== undefined);
    expect(again).toEqual([1, 4, 5]);
  });

  test('so it is by a first record below what was committed, and the offset map is no more', async () => {
    const committed = async () => [
      { topic: 't', partition: 0, offset: 100, metadata: encodeOffsetMap(100, [105, 110]) },
    ];
    const over = await TestAssignment.owning([0], { committed });
    expect(over.register(0, 3)).toBeUndefined();
    await over.assignment.settled();
    const taken = [3, 105, 107].filter((offset) => over.register(0, offset) !== undefined);
    expect(taken).toEqual([3, 105, 107]);
    expect(over.warnings).toMatchObject([{ code: 'ERR_OFFSET_BACK', expected: 100, offset: 3 }]);
  });

  test.each([
    { name: 'no epoch, no end', record: {}, high: undefined },
    { name: 'the same epoch, an end further on', record: { leaderEpoch: 3 }, high: 50 },
    { name: 'an earlier epoch, an end right here', record: { leaderEpoch: 2 }, high: 12 },
  ])('a record delivered twice is no such thing: $name', async ({ record, high }) => {
    const watermarks = () => (high === undefined ? undefined : { low: 0, high });
    const over = await TestAssignment.owning([0], { watermarks });
    over.run(0, 10, { leaderEpoch: 3 });
    over.run(0, 11, { leaderEpoch: 3, key: 'other' });
    const before = over.find(0);
    expect([10, 11, 4].map((offset) => over.register(0, offset, record))).toEqual([undefined, undefined, undefined]);
    expect([over.warnings, over.find(0), over.budget.records]).toEqual([[], before, 2]);
  });
});

describe('Assignment, a log that was cut off, overtaken', () => {
  test.each([
    { name: 'before', cutFirst: false },
    { name: 'after', cutFirst: true },
  ])('a revoke that is asked $name the cut is seen takes the commit back, and nothing is read again', async (row) => {
    const over = await TestAssignment.owning([0, 1], LONG);
    const running = over.run(0, 10, { leaderEpoch: 3 });
    const asked = () => over.assignment.onRevoked(at(0), false);
    const cut = () => over.register(0, 4, LATER);
    for (const act of row.cutFirst ? [cut, asked] : [asked, cut]) act();
    expect(await outcomeOf(over.assignment.settled())).toBe('pending');
    over.complete(running);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'commit t[0]@4', 'unassign t[0]', 'told revoked t[0]', 'answered']);
  });

  test('so does a close', async () => {
    const { over, running } = await cutOff();
    over.assignment.closing();
    await over.assignment.settled();
    const drained = over.assignment.drain(over.assignment.open(), 20_000);
    for (const delivery of running) over.complete(delivery);
    await drained;
    expect(over.takeLog()).toEqual(['commit t[0]@4']);
  });

  test('a partition that is lost meanwhile is closed at once, and nothing of it committed', async () => {
    const { over, old } = await cutOff();
    over.assignment.onRevoked(at(0), true);
    await over.assignment.settled();
    expect([old.state, over.takeLog()]).toEqual([
      'closed',
      ['rebalancing', 'unassign t[0]', 'told lost t[0]', 'answered'],
    ]);
  });

  test('what is lost is given up at once, not in its turn: nothing of it is committed any more', async () => {
    const over = await TestAssignment.owning([0, 1], LONG);
    const running = over.run(0, 10, { leaderEpoch: 3 });
    over.pass(1, 20);
    over.register(0, 4, LATER);
    over.assignment.onRevoked(at(0, 1), true);
    expect([over.uncommitted, over.budget.records, over.assignment.open()]).toEqual(['', 0, []]);
    over.complete(running);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'unassign t[0] t[1]', 'told lost t[0] t[1]', 'answered']);
  });

  test('one that is lost while it is sought does not come back', async () => {
    let sought: () => void = () => undefined;
    const over = await TestAssignment.owning([0], LONG);
    over.seeking = new Promise((resolve) => {
      sought = resolve;
    });
    over.pass(0, 10);
    over.register(0, 4, LATER);
    await turn();
    expect(over.takeLog()).toEqual(['seek t[0]@4']);
    over.assignment.onRevoked(at(0), true);
    sought();
    await over.assignment.settled();
    expect([over.uncommitted, over.takeLog()]).toEqual([
      '',
      ['rebalancing', 'unassign t[0]', 'told lost t[0]', 'answered'],
    ]);
  });

  test('a revoke while it is sought lets that end, and commits what the new one says', async () => {
    let meanwhile: () => void = () => undefined;
    const betweenPolls = async (action: () => void | Promise<void>) => {
      meanwhile();
      await action();
    };
    const over = await TestAssignment.owning([0], { ...LONG, betweenPolls });
    over.pass(0, 10);
    meanwhile = () => over.assignment.onRevoked(at(0), false);
    over.register(0, 4, LATER);
    await turn();
    await over.assignment.settled();
    expect(over.takeLog()).toEqual([
      'seek t[0]@4',
      'opened t[0]',
      'rebalancing',
      'commit t[0]@4',
      'unassign t[0]',
      'told revoked t[0]',
      'answered',
    ]);
  });

  test('a consumer that gives everything up meanwhile opens nothing any more', async () => {
    const over = await TestAssignment.owning([0], LONG);
    over.pass(0, 10);
    over.register(0, 4, LATER);
    over.assignment.closeAll();
    await over.assignment.settled();
    expect([over.takeLog(), over.assignment.open()]).toEqual([[], []]);
  });
});

describe('Assignment, a log that was cut off while nobody consumed it', () => {
  /** The group committed 100 under leader epoch 3; the log has grown past it again. */
  const owning = (metadata = '') =>
    TestAssignment.owning([0], {
      committed: async () => [{ topic: 't', partition: 0, offset: 100, metadata, leaderEpoch: 3 }],
      watermarks: () => ({ low: 0, high: 150 }),
    });
  /** Records of these offsets come, of this leader epoch; those that were taken in. */
  const come = (over: TestAssignment, leaderEpoch: number, ...offsets: number[]) =>
    offsets.filter((offset) => over.register(0, offset, { leaderEpoch }) !== undefined);

  test('under the same leader it is the log that it was', async () => {
    const over = await owning();
    expect([come(over, 3, 100, 101), over.takeLog(), over.warnings]).toEqual([[100, 101], [], []]);
  });

  test('under a later one it is looked back, and goes on where it was if nothing was cut off', async () => {
    const over = await owning(encodeOffsetMap(100, [105, 106]));
    expect(come(over, 4, 100, 101)).toEqual([]);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['seek t[0]@84', 'opened t[0]']);
    expect([come(over, 3, 84, 99), come(over, 3, 100, 105), come(over, 4, 106)]).toEqual([[], [100], [106]]);
    expect([over.warnings, over.assignment.uncommitted()]).toMatchObject([[], [{ offset: 100, leaderEpoch: 4 }]]);
  });

  test('what was cut off is found, said and consumed again', async () => {
    const over = await owning();
    expect(come(over, 4, 100)).toEqual([]);
    await over.assignment.settled();
    expect(come(over, 4, 84)).toEqual([]);
    await over.assignment.settled();
    expect(come(over, 3, 0, 1, 2)).toEqual([]);
    expect(come(over, 4, 3)).toEqual([]);
    await over.assignment.settled();
    expect(over.takeLog().filter((line) => line.startsWith('seek'))).toEqual([
      'seek t[0]@84',
      'seek t[0]@0',
      'seek t[0]@3',
    ]);
    expect(over.warnings).toMatchObject([{ code: 'ERR_OFFSET_BACK', expected: 100, offset: 3 }]);
    expect(over.assignment.uncommitted()).toMatchObject([{ offset: 3, leaderEpoch: 4 }]);
    expect(come(over, 4, 3, 4, 100)).toEqual([3, 4, 100]);
  });

  test('the offset map of what was cut off above the commit is no more', async () => {
    const over = await owning(encodeOffsetMap(100, [102, 110]));
    expect([come(over, 3, 100, 101, 102), come(over, 4, 103, 104)]).toEqual([
      [100, 101],
      [103, 104],
    ]);
  });

  test('where nothing comes, what the client says of the leader will do, and then the end', async () => {
    const over = await owning();
    const statistics = { topic: 't', partition: 0, endOffset: 100, fetchedRecords: 0, fetchedBytes: 0 };
    over.assignment.onStatistics([{ ...statistics, leaderEpoch: 3 }]);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual([]);
    for (let time = 0; time < 3; time += 1) {
      over.assignment.onStatistics([{ ...statistics, leaderEpoch: 4 }]);
      await over.assignment.settled();
    }
    expect(over.takeLog()).toEqual(['seek t[0]@84', 'opened t[0]']);
    over.assignment.onEnd({ topic: 't', partition: 0, offset: 100 });
    await over.assignment.settled();
    over.assignment.onEnd({ topic: 't', partition: 0, offset: 100 });
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['seek t[0]@0', 'opened t[0]']);
  });
});

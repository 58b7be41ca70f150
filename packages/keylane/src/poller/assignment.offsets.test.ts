import { describe, expect, test } from 'vitest';
import { partitionsAt as at, TestAssignment } from '../../sim/stations.ts';
import { KafkaError, OffsetError } from '../errors.ts';
import { encodeOffsetMap, type OffsetRanges } from './offset-map.ts';

/** What the group has committed in t[0]. */
const committedAt = (offset: number, metadata = '') => ({
  committed: async () => [{ topic: 't', partition: 0, offset, metadata }],
});
/** Runs of one offset each, with as many offsets between. */
const alternating = (base: number, count: number): OffsetRanges =>
  Array.from({ length: count * 2 }, (_, index) => base + 1 + index);

describe('Assignment, what the group has committed', () => {
  test('is where the client begins; where there is nothing it decides', async () => {
    const over = new TestAssignment(committedAt(6));
    over.assignment.onAssigned(at(0, 1));
    await over.assignment.settled();
    expect(over.takeLog()).toContain('assign t[0]@6 t[1]');
    const known = [0, 1].map((partition) => [over.find(partition).committed, over.find(partition).tracker.position]);
    expect(known).toEqual([
      [6, 6],
      [undefined, undefined],
    ]);
  });

  test('is not committed again', async () => {
    const over = await TestAssignment.owning([0, 1], committedAt(6));
    expect(over.uncommitted).toBe('');
    const delivery = over.run(0, 6);
    expect(over.uncommitted).toBe('');
    over.complete(delivery);
    expect([over.uncommitted, over.confirm().length, over.uncommitted]).toEqual(['t[0]@7', 1, '']);
    expect(over.find(0).committed).toBe(7);
  });

  test('goes out in the order of the names, whichever topic came first', async () => {
    const over = new TestAssignment();
    for (const topic of ['u', 't', 'a']) {
      over.assignment.onAssigned([{ topic, partition: 0 }]);
      await over.assignment.settled();
      over.complete(over.run(0, 4, { topic }));
    }
    expect(over.uncommitted).toBe('a[0]@5 t[0]@5 u[0]@5');
  });

  test('a broker that does not say is warned of, and the partitions are taken all the same', async () => {
    const error = new KafkaError('ERR_KAFKA', 'timed out', { kafkaCode: -185 });
    const over = new TestAssignment({ committed: () => Promise.reject(error) });
    over.assignment.onAssigned(at(0));
    await over.assignment.settled();
    expect([over.warnings, over.takeLog()[2]]).toEqual([[error], 'assign t[0]']);
    expect(over.register(0, 0)).toBeDefined();
  });

  test('statistics are kept, and those of partitions that are not ours ignored', async () => {
    const over = await TestAssignment.owning([0]);
    const statistics = (partition: number) => ({
      topic: 't',
      partition,
      endOffset: 12,
      leaderEpoch: 2,
      fetchedRecords: 3,
      fetchedBytes: 9,
    });
    over.assignment.onStatistics([statistics(4), statistics(0)]);
    expect([over.find(0).statistics, over.assignment.open().length]).toEqual([statistics(0), 1]);
  });
});

describe('Assignment, the offset map', () => {
  test('what it says is complete does not run again, and is committed with the rest', async () => {
    const over = await TestAssignment.owning([0], committedAt(5, encodeOffsetMap(5, [7, 9, 12, 13])));
    const offsets = [5, 6, 7, 8, 9, 10, 11, 12, 13];
    const taken = offsets.filter((offset) => over.register(0, offset) !== undefined);
    expect([taken, over.warnings, over.budget.records]).toEqual([[5, 6, 9, 10, 11, 13], [], 6]);
    expect(over.uncommitted).toBe('');
  });

  test('goes from one assignment to the next, and the next but one', async () => {
    let stored = { topic: 't', partition: 0, offset: 0, metadata: '' };
    const over = await TestAssignment.owning([0], { committed: async () => [stored] });
    const stuck = over.run(0, 0, { key: 'stuck' });
    over.pass(0, 1, 2, 3);
    const starts: (number | undefined)[][] = [];
    for (let life = 0; life < 2; life += 1) {
      for (const offset of over.confirm()) stored = { ...stored, offset: offset.offset, metadata: offset.metadata };
      await over.assign(0);
      // Killed before anything was delivered once, and after a part of it the other time.
      const delivered = life === 0 ? [] : [0, 1, 2];
      starts.push(delivered.filter((offset) => over.register(0, offset, { key: 'stuck' }) !== undefined));
    }
    await over.assign(0);
    const taken = [0, 1, 2, 3, 4].filter((offset) => over.register(0, offset) !== undefined);
    expect([starts, taken, over.warnings]).toEqual([[[], [0]], [0, 4], []]);
    over.complete(stuck);
    expect(over.uncommitted).toBe('');
  });

  test.each([
    { name: 'of somebody else', metadata: 'AAAB', problem: 'something else than Keylane' },
    { name: 'of a newer version', metadata: 'kl2䀀䀀䀀䀀', problem: 'another version' },
    { name: 'damaged', metadata: encodeOffsetMap(5, [7, 9]).slice(0, -1), problem: 'damaged' },
    { name: 'of another offset', metadata: encodeOffsetMap(4, [7, 9]), problem: 'belongs to another offset' },
    {
      name: 'larger than allowed',
      metadata: encodeOffsetMap(5, alternating(5, 2_000)),
      problem: 'larger than offsetMapCharactersMax',
      limits: { offsetMapCharactersMax: 64 },
    },
  ])('one that cannot be used is warned of, and what it was for runs again: $name', async (row) => {
    const over = await TestAssignment.owning([0, 1], { ...committedAt(5, row.metadata), limits: row.limits ?? {} });
    expect(over.warnings).toEqual([expect.any(OffsetError)]);
    expect(over.warnings).toMatchObject([{ code: 'ERR_OFFSET_MAP', topic: 't', partition: 0, expected: 5, offset: 5 }]);
    expect(over.warnings[0]?.message).toContain(row.problem);
    expect([over.find(0).committed, over.uncommitted]).toEqual([5, '']);
    const taken = [5, 6, 7, 8].filter((offset) => over.register(0, offset) !== undefined);
    expect(taken).toEqual([5, 6, 7, 8]);
  });
});

describe('Assignment, a log that lost its beginning', () => {
  test.each([
    { name: 'the log begins past it', low: 12, lost: true },
    { name: 'the log begins before what came', low: 7, lost: true },
    { name: 'a hole: the log begins where we are', low: 6, lost: false },
    { name: 'a hole: the log begins before', low: 0, lost: false },
    { name: 'nobody knows where the log begins', low: undefined, lost: false },
  ])('what was deleted before it was consumed is warned of, once: $name', async ({ low, lost }) => {
    const watermarks = () => (low === undefined ? undefined : { low, high: 20 });
    const over = await TestAssignment.owning([0], { ...committedAt(6), watermarks });
    expect([over.register(0, 12), over.register(0, 13)]).not.toContain(undefined);
    const warned = { name: 'OffsetError', code: 'ERR_OFFSET_SKIPPED', topic: 't', partition: 0 };
    expect(over.warnings).toMatchObject(lost ? [{ ...warned, expected: 6, offset: 12 }] : []);
    if (lost) {
      expect(over.warnings[0]?.message).toContain('t[0]: offsets 6 to 11 were deleted before they were consumed');
      expect(over.warnings[0]?.message).toContain(`the log begins at ${low} now`);
    }
  });

  test('so it is where nothing came at all, only the end', async () => {
    const over = await TestAssignment.owning([0], { ...committedAt(6), watermarks: () => ({ low: 9, high: 9 }) });
    over.assignment.onEnd({ topic: 't', partition: 0, offset: 9 });
    over.assignment.onEnd({ topic: 't', partition: 0, offset: 9 });
    expect(over.warnings).toMatchObject([{ code: 'ERR_OFFSET_SKIPPED', expected: 6, offset: 9 }]);
    expect(over.uncommitted).toBe('t[0]@9');
  });

  test('where nothing was committed nothing was due', async () => {
    const over = await TestAssignment.owning([0, 1], { watermarks: () => ({ low: 50, high: 60 }) });
    over.register(0, 50);
    over.assignment.onEnd({ topic: 't', partition: 1, offset: 60 });
    expect(over.warnings).toEqual([]);
  });
});

describe('Assignment, ends', () => {
  const end = (over: TestAssignment, partition: number, offset: number, topic = 't') =>
    over.assignment.onEnd({ topic, partition, offset });

  test.each([
    { name: 'past markers that follow the last record', records: [5, 6], offset: 9, uncommitted: 't[0]@9' },
    { name: 'right behind the last record', records: [5, 6], offset: 7, uncommitted: '' },
    { name: 'before the last record, from another time', records: [5, 6], offset: 6, uncommitted: '' },
    { name: 'of a partition with neither a record nor a commit', records: [], offset: 7, uncommitted: 't[0]@7' },
    { name: 'of one that was never written to', records: [], offset: 0, uncommitted: 't[0]@0' },
  ])('the position is committed: $name', async ({ records, offset, uncommitted }) => {
    const over = await TestAssignment.owning([0]);
    over.pass(0, ...records);
    over.confirm();
    end(over, 0, offset);
    expect([over.uncommitted, over.confirm().length]).toEqual([uncommitted, uncommitted === '' ? 0 : 1]);
    end(over, 0, offset);
    expect(over.uncommitted).toBe('');
  });

  test('where the group has committed the end already there is nothing to say', async () => {
    const over = await TestAssignment.owning([0], committedAt(7));
    end(over, 0, 7);
    expect(over.uncommitted).toBe('');
    end(over, 0, 8);
    expect(over.uncommitted).toBe('t[0]@8');
  });

  test('an end passes no record that is not complete', async () => {
    const over = await TestAssignment.owning([0]);
    const running = over.run(0, 5);
    end(over, 0, 9);
    expect(over.find(0).tracker.committable).toBe(5);
    over.complete(running);
    expect([over.uncommitted, over.register(0, 8), over.register(0, 9)?.record.offset]).toEqual([
      't[0]@9',
      undefined,
      9,
    ]);
  });

  test.each([
    { name: 'another partition', act: () => undefined, partition: 1, topic: 't' },
    { name: 'a partition past all', act: () => undefined, partition: 9, topic: 't' },
    { name: 'another topic', act: () => undefined, partition: 0, topic: 'other' },
    { name: 'one that drains', act: (over: TestAssignment) => over.find(0).drain(), partition: 0, topic: 't' },
    {
      name: 'ours, while we close',
      act: (over: TestAssignment) => over.assignment.closing(),
      partition: 0,
      topic: 't',
    },
  ])('an end changes nothing: $name', async ({ act, partition, topic }) => {
    const over = await TestAssignment.owning([0, 2], { watermarks: () => ({ low: 9, high: 9 }) });
    act(over);
    end(over, partition, 9, topic);
    expect([over.uncommitted, over.warnings, over.assignment.open().length]).toEqual(['', [], 2]);
    expect(over.find(0).tracker.position).toBeUndefined();
  });
});

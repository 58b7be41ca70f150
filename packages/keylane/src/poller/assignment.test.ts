import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { partitionsAt as at, namesOf, recordOf, TestAssignment } from '../../sim/stations.ts';
import type { Delivery } from './delivery.ts';

describe('Assignment, assigned', () => {
  test('what is committed is asked for, the client is answered, the partitions are opened, then it is told', async () => {
    const over = new TestAssignment();
    over.assignment.onAssigned(at(0, 2));
    await over.assignment.settled();
    const steps = ['ask for', 'assign', 'opened', 'told assigned'].map((step) => `${step} t[0] t[2]`);
    expect(over.takeLog()).toEqual(['rebalancing', ...steps, 'answered']);
    expect(namesOf(over.assignment.open())).toBe('t[0] t[2]');
  });

  test.each([
    { name: 'another partition', record: recordOf({ partition: 1, offset: 0 }) },
    { name: 'a partition past all', record: recordOf({ partition: 9, offset: 0 }) },
    { name: 'another topic', record: recordOf({ partition: 0, offset: 0, topic: 'other' }) },
  ])('a record of $name is not taken in', async ({ record }) => {
    const over = await TestAssignment.owning([0, 2]);
    expect([over.assignment.register(record), over.budget.records]).toEqual([undefined, 0]);
  });

  test('records grow older over all partitions, and come once', async () => {
    const { assignment } = await TestAssignment.owning([0, 1]);
    const ages = [
      recordOf({ partition: 0, offset: 5 }),
      recordOf({ partition: 1, offset: 2 }),
      recordOf({ partition: 0, offset: 6 }),
    ].map((record) => assignment.register(record)?.age);
    expect(ages).toEqual(ages.toSorted((a, b) => Number(a) - Number(b)));
    expect(new Set(ages).size).toBe(3);
    expect(assignment.register(recordOf({ partition: 0, offset: 5 }))).toBeUndefined();
  });

  test('what is assigned while it closes is answered, and nothing of it taken in', async () => {
    const over = new TestAssignment();
    over.assignment.closing();
    over.assignment.onAssigned(at(0));
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'assign t[0]', 'answered']);
    expect([over.assignment.open(), over.register(0, 0)]).toEqual([[], undefined]);
  });

  test('from closing on nothing is taken in of partitions that are ours either; what runs still counts', async () => {
    const over = await TestAssignment.owning([0]);
    const running = over.run(0, 5);
    over.assignment.closing();
    expect([over.register(0, 6), over.budget.records]).toEqual([undefined, 1]);
    over.complete(running);
    expect(over.uncommitted).toBe('t[0]@6');
  });
});

describe('Assignment, revoked', () => {
  test('with nothing running: commits, then gives back, then tells', async () => {
    const over = await TestAssignment.owning([0, 1]);
    over.assignment.onRevoked(at(0), false);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'commit ', 'unassign t[0]', 'told revoked t[0]', 'answered']);
    expect(namesOf(over.assignment.open())).toBe('t[1]');
  });

  test('what runs is awaited and committed first; nothing new is taken in meanwhile', async () => {
    const over = await TestAssignment.owning([0, 1]);
    const [first, second] = [over.run(0, 7), over.run(1, 3)];
    over.register(0, 8);
    over.assignment.onRevoked(at(0, 1), false);
    await turn();
    over.complete(first);
    await turn();
    expect([over.takeLog(), over.register(0, 9)]).toEqual([['rebalancing'], undefined]);
    over.complete(second);
    await over.assignment.settled();
    expect(over.takeLog().slice(0, 2)).toEqual(['commit t[0]@8 t[1]@4', 'unassign t[0] t[1]']);
    expect([over.budget.records, over.warnings, over.clock.step()]).toEqual([0, [], false]);
  });

  test('only what is revoked is awaited, and the rest goes on', async () => {
    const over = await TestAssignment.owning([0, 1]);
    const kept = over.run(1, 3);
    over.assignment.onRevoked(at(0), false);
    await over.assignment.settled();
    expect(over.takeLog()).toContain('unassign t[0]');
    over.complete(kept);
    expect(over.uncommitted).toBe('t[1]@4');
    expect(over.register(1, 4)).toBeDefined();
  });

  test('a handler that does not end in time is reported and left behind', async () => {
    const over = await TestAssignment.owning([0]);
    const [stuck, done] = [over.run(0, 7), over.register(0, 8) as Delivery];
    over.assignment.onRevoked(at(0), false);
    await turn();
    expect([over.takeLog(), over.clock.step(), over.clock.now()]).toEqual([['rebalancing'], true, 20_000]);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['commit t[0]@7', 'unassign t[0]', 'told revoked t[0]', 'answered']);
    expect(over.warnings).toMatchObject([{ name: 'DrainError', code: 'ERR_DRAIN_TIMEOUT', abandoned: 1 }]);
    over.complete(stuck);
    expect([over.budget.records, stuck.lane.partition, done.lane.length]).toMatchObject([0, { state: 'closed' }, 0]);
  });

  test('a commit that is not answered does not hold it up for more than 5 seconds', async () => {
    const over = await TestAssignment.owning([0], { flush: () => new Promise(() => undefined) });
    over.assignment.onRevoked(at(0), false);
    await turn();
    expect([over.takeLog(), over.clock.step(), over.clock.now()]).toEqual([['rebalancing', 'commit '], true, 5_000]);
    await over.assignment.settled();
    expect(over.takeLog()[0]).toBe('unassign t[0]');
  });

  test('lost partitions are closed at once and nothing of them is committed', async () => {
    const over = await TestAssignment.owning([0, 1]);
    const [done, running] = [over.run(0, 1), over.run(1, 3)];
    over.complete(done);
    over.assignment.onRevoked(at(0, 1), true);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'unassign t[0] t[1]', 'told lost t[0] t[1]', 'answered']);
    over.complete(running);
    expect([over.assignment.uncommitted(), over.budget.records, over.clock.step()]).toEqual([[], 0, false]);
  });

  test('what is not ours is given back all the same', async () => {
    const over = await TestAssignment.owning([0]);
    over.assignment.onRevoked(at(7), false);
    await over.assignment.settled();
    expect([over.takeLog().at(2), namesOf(over.assignment.open())]).toEqual(['unassign t[7]', 't[0]']);
  });

  test('a close that gives all up meanwhile ends its drain, and it is answered', async () => {
    const over = await TestAssignment.owning([0]);
    over.run(0, 0);
    over.assignment.onRevoked(at(0), false);
    await turn();
    over.assignment.closeAll();
    await over.assignment.settled();
    expect(over.takeLog()).toContain('unassign t[0]');
    expect([over.warnings, over.budget.records, over.clock.step()]).toEqual([[], 0, false]);
  });
});

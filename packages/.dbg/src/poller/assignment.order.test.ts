import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { partitionsAt as at, namesOf, TestAssignment } from '../../sim/stations.ts';

describe('Assignment, one rebalance after the other', () => {
  test('empty lists are answered and not told', async () => {
    const over = new TestAssignment();
    over.assignment.onAssigned([]);
    over.assignment.onRevoked([], true);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'assign ', 'answered', 'rebalancing', 'unassign ', 'answered']);
  });

  test('are answered in the order they came, though the first one waits', async () => {
    const over = await TestAssignment.owning([0]);
    const running = over.run(0, 3);
    over.assignment.onRevoked(at(0), false);
    over.assignment.onAssigned(at(1));
    over.assignment.onRevoked(at(1), true);
    over.assignment.onAssigned(at(2));
    await turn();
    expect(over.takeLog()).toEqual(['rebalancing']);
    over.complete(running);
    await over.assignment.settled();
    const answers = over.takeLog().filter((line) => /^(un)?assign /.test(line));
    expect(answers).toEqual(['unassign t[0]', 'assign t[1]', 'unassign t[1]', 'assign t[2]']);
    expect(namesOf(over.assignment.open())).toBe('t[2]');
  });

  test.each([
    { name: 'after it was lost', between: true },
    { name: 'never taken away', between: false },
  ])('a partition assigned again is a new one, and late outcomes go to the old: $name', async ({ between }) => {
    const over = await TestAssignment.owning([0]);
    const [old, late] = [over.find(0), over.run(0, 5)];
    if (between) over.assignment.onRevoked(at(0), true);
    over.assignment.onAssigned(at(0));
    await over.assignment.settled();
    const renewed = over.find(0);
    expect(renewed).not.toBe(old);
    over.run(0, 5);
    over.complete(late);
    expect([old.state, renewed.inFlight, renewed.tracker.incomplete]).toEqual(['closed', 1, 1]);
    expect([over.budget.records, over.uncommitted]).toEqual([1, 't[0]@5']);
  });

  test('an answer that fails is a fault, and the next rebalance is answered all the same', async () => {
    const error = new Error('the client refused');
    const over = new TestAssignment({
      assign: ([first]) => {
        if (first?.partition === 0) throw error;
      },
    });
    over.assignment.onAssigned(at(0));
    over.assignment.onAssigned(at(1));
    await over.assignment.settled();
    expect(over.faults).toMatchObject([{ code: 'ERR_INVARIANT', cause: error }]);
    expect(namesOf(over.assignment.open())).toBe('t[1]');
  });

  test('closeAll gives up everything and commits nothing', async () => {
    const over = await TestAssignment.owning([0, 1]);
    const late = over.run(0, 5);
    over.assignment.closeAll();
    over.complete(late);
    const { assignment, budget, uncommitted } = over;
    expect([assignment.open(), uncommitted, budget.records, over.takeLog()]).toEqual([[], '', 0, []]);
  });
});

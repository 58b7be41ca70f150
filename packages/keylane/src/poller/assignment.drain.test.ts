import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { partitionsAt as at, namesOf, outcomeOf, pass, TestAssignment } from '../../sim/stations.ts';
import { KafkaError } from '../errors.ts';
import type { CommittedOffset } from './client.ts';
import { Committer } from './committer.ts';

const REBALANCING = new KafkaError('ERR_KAFKA', 'rebalance in progress', { kafkaCode: 27 });

/** An assignment with the committer it has in earnest; `answer` is the broker's, to the last commit. */
async function committingOver(...numbers: number[]) {
  const commits: CommittedOffset[][] = [];
  const over: TestAssignment = await TestAssignment.owning(numbers, { flush: (wanted) => committer.flush(wanted) });
  const committer: Committer = new Committer({
    options: { commitIntervalMs: 1_000, commitRecordsMax: 1_000 },
    client: { commit: (offsets) => void commits.push([...offsets]) },
    clock: over.clock,
    events: over.events,
    store: over.assignment,
  });
  const answer = async (error?: KafkaError) => {
    committer.onAnswered(commits.at(-1) as CommittedOffset[], error);
    await turn();
  };
  return { over, committer, answer, sent: () => commits.map(namesOf) };
}

describe('Assignment.drain, the last commit', () => {
  test('a commit that a rebalance refuses three times lands, and only then the partition is given back', async () => {
    const { over, answer, sent } = await committingOver(0);
    over.pass(0, 5);
    over.assignment.onRevoked(at(0), false);
    await turn();
    for (let refused = 1; refused <= 3; refused += 1) {
      await answer(REBALANCING);
      expect(sent()).toHaveLength(refused);
      pass(over.clock, 100);
      await turn();
      expect(sent()).toHaveLength(refused + 1);
    }
    expect(over.takeLog().filter((line) => line.startsWith('unassign'))).toEqual([]);
    await answer();
    await over.assignment.settled();
    expect(sent()).toEqual(['t[0]@6', 't[0]@6', 't[0]@6', 't[0]@6']);
    expect([over.takeLog()[0], over.warnings.length, over.clock.step()]).toEqual(['unassign t[0]', 3, false]);
  });

  test('one that is refused for 5 seconds is given up, and not sent again after that', async () => {
    const { over, answer, sent } = await committingOver(0, 1);
    over.pass(0, 5);
    over.assignment.onRevoked(at(0), false);
    await turn();
    const givenBack = over.assignment.settled();
    for (let time = 0; time < 4_900; time += 100) {
      await answer(REBALANCING);
      pass(over.clock, 100);
      await turn();
    }
    expect(await outcomeOf(givenBack)).toBe('pending');
    await answer(REBALANCING);
    pass(over.clock, 100);
    await givenBack;
    expect([over.clock.now(), over.takeLog().includes('unassign t[0]')]).toEqual([5_000, true]);
    const count = sent().length;
    over.pass(1, 3);
    pass(over.clock, 1_000);
    await turn();
    expect(sent()).toHaveLength(count);
  });

  test('nor is it sent again where the partition stays, as it does when the consumer closes', async () => {
    const { over, answer, sent } = await committingOver(0);
    over.pass(0, 5);
    const drained = over.assignment.drain(over.assignment.open(), 20_000);
    await turn();
    for (let time = 0; time < 5_000; time += 100) {
      await answer(REBALANCING);
      pass(over.clock, 100);
      await turn();
    }
    expect([await outcomeOf(drained), over.find(0).dirty, sent().length]).toEqual([undefined, true, 50]);
  });

  test('one that the client cannot even send fails the drain, and leaves no wait behind', async () => {
    const refused = new KafkaError('ERR_KAFKA', 'the client refused commit()', { kafkaCode: -172 });
    const over = await TestAssignment.owning([0], { flush: async () => Promise.reject(refused) });
    over.pass(0, 5);
    await expect(over.assignment.drain(over.assignment.open(), 20_000)).rejects.toBe(refused);
    over.assignment.onRevoked(at(0), false);
    await over.assignment.settled();
    expect([over.faults, over.clock.step()]).toEqual([[refused], false]);
  });

  test('what becomes committable in other partitions meanwhile does not hold it up', async () => {
    const { over, answer, sent } = await committingOver(0, 1);
    over.pass(0, 5);
    over.assignment.onRevoked(at(0), false);
    await turn();
    over.pass(1, 3);
    await answer();
    await over.assignment.settled();
    expect([sent(), over.uncommitted]).toEqual([['t[0]@6'], 't[1]@4']);
    expect(over.takeLog()).toContain('unassign t[0]');
  });

  test('what it did not await is committed by what comes later, the map of the rest with it', async () => {
    const { over, answer, sent } = await committingOver(0);
    const stuck = over.run(0, 5, { key: 'stuck' });
    over.pass(0, 6, 7);
    const drained = over.assignment.drain(over.assignment.open(), 20_000);
    pass(over.clock, 20_000);
    await turn();
    expect([sent(), await outcomeOf(drained)]).toEqual([['t[0]@5'], 'pending']);
    await answer();
    expect([await outcomeOf(drained), stuck.lane.inFlight]).toEqual([undefined, 1]);
  });

  test('where nothing is to commit it asks nobody', async () => {
    const { over, sent } = await committingOver(0);
    over.run(0, 5);
    over.assignment.onRevoked(at(0), true);
    await over.assignment.settled();
    await over.assignment.drain(over.assignment.open(), 20_000);
    expect([sent(), over.clock.step()]).toEqual([[], false]);
  });
});

describe('Assignment.drain, how long it takes', () => {
  const waiting = (over: TestAssignment) => {
    const { lane } = over.run(0, 6);
    lane.land();
    lane.state = 'waiting';
    lane.partition.waiting.add(
      lane,
      over.clock.after(60_000, () => undefined),
    );
  };
  test.each<{ name: string; prepare: (over: TestAssignment) => void; takesMs: number }>([
    { name: 'empty: nothing ever came', prepare: () => undefined, takesMs: 0 },
    { name: 'unstarted: all is queued', prepare: (over) => [6, 7, 8].map((at) => over.register(0, at)), takesMs: 0 },
    { name: 'failed: a retry is due much later', prepare: waiting, takesMs: 0 },
    { name: 'saturated: a handler never returns', prepare: (over) => over.run(0, 6), takesMs: 20_000 },
  ])('of a partition that is $name', async ({ prepare, takesMs }) => {
    const over = await TestAssignment.owning([0]);
    prepare(over);
    over.assignment.onRevoked(at(0), false);
    await turn();
    if (takesMs > 0) expect(await outcomeOf(over.assignment.settled())).toBe('pending');
    pass(over.clock, takesMs);
    await over.assignment.settled();
    expect([over.clock.now(), over.takeLog().includes('unassign t[0]'), over.budget.records]).toEqual([
      takesMs,
      true,
      0,
    ]);
    expect(over.clock.step()).toBe(false);
  });
});

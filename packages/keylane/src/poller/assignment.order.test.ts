import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../sim/fake-clock.ts';
import type { KeylaneError } from '../errors.ts';
import { Events } from '../events.ts';
import { Leases } from '../wire/leases.ts';
import { Assignment } from './assignment.ts';
import { Budget } from './budget.ts';
import { type ClientRecord, partitionName, type TopicPartition } from './client.ts';
import type { Delivery } from './delivery.ts';
import { laneKeys } from './lane-key.ts';
import type { Partition } from './partition.ts';

const namesOf = (partitions: readonly TopicPartition[]) => partitions.map(partitionName).join(' ');
const at = (...numbers: number[]) => numbers.map((partition) => ({ topic: 't', partition }));

/** An assignment, and in `log` what it did and told, in order. */
function assignmentOver(assign: (partitions: readonly TopicPartition[]) => void = () => undefined) {
  const log: string[] = [];
  const faults: KeylaneError[] = [];
  const note = (what: string) => (partitions: readonly TopicPartition[]) =>
    void log.push(`${what} ${namesOf(partitions)}`);
  const events = new Events();
  const told = ['assigned', 'revoked', 'lost'] as const;
  for (const name of told) events.on(name, ({ partitions }) => note(`told ${name}`)(partitions));
  const budget = new Budget({ bufferedRecordsMax: 100, bufferedBytesMax: 1e9, recordsPerPollMax: 100 });
  const clock = new FakeClock();
  const assignment: Assignment = new Assignment({
    options: { drainTimeoutMs: 20_000 },
    client: {
      assign: (partitions) => {
        note('assign')(partitions);
        assign(partitions);
      },
      unassign: note('unassign'),
      committed: async () => [],
    },
    clock,
    events,
    shared: {
      options: { bufferedRecordsPerPartitionMax: 100 },
      threads: 2,
      laneKey: laneKeys({ ordering: 'key', nullKeys: 'unordered', orderingKey: undefined }),
      leases: new Leases(),
      budget,
    },
    flush: async () => true,
    onOpened: () => undefined,
    onFatal: (error) => void faults.push(error),
    onRebalancing: (underWay) => void log.push(underWay ? 'rebalancing' : 'answered'),
  });
  return { assignment, clock, budget, faults, takeLog: () => log.splice(0) };
}

type Over = ReturnType<typeof assignmentOver>;

/** One that owns these partitions already. */
async function owning(...numbers: number[]): Promise<Over> {
  const over = assignmentOver();
  over.assignment.onAssigned(at(...numbers));
  await over.assignment.settled();
  over.takeLog();
  return over;
}

function recordOf(partition: number, offset: number, topic = 't'): ClientRecord {
  return { topic, partition, offset, timestamp: 0, key: Buffer.from('k'), value: null };
}

/** Registers a record and hands it to a thread. */
function run({ assignment }: Over, partition: number, offset: number): Delivery {
  const delivery = assignment.register(recordOf(partition, offset)) as Delivery;
  delivery.lane.state = 'ready';
  delivery.lane.take(1);
  return delivery;
}

/** What settle does with a completed record. */
function complete({ assignment }: Over, { lane }: Delivery): void {
  lane.partition.complete(lane.shift());
  lane.land();
  assignment.onSettled();
}

function find({ assignment }: Over, partition: number): Partition {
  return assignment.find({ topic: 't', partition }) as Partition;
}

describe('Assignment, one rebalance after the other', () => {
  test('empty lists are answered and not told', async () => {
    const over = assignmentOver();
    over.assignment.onAssigned([]);
    over.assignment.onRevoked([], true);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'assign ', 'answered', 'rebalancing', 'unassign ', 'answered']);
  });

  test('are answered in the order they came, though the first one waits', async () => {
    const over = await owning(0);
    const running = run(over, 0, 3);
    over.assignment.onRevoked(at(0), false);
    over.assignment.onAssigned(at(1));
    over.assignment.onRevoked(at(1), true);
    over.assignment.onAssigned(at(2));
    await turn();
    expect(over.takeLog()).toEqual(['rebalancing']);
    complete(over, running);
    await over.assignment.settled();
    const answers = over.takeLog().filter((line) => /^(un)?assign /.test(line));
    expect(answers).toEqual(['unassign t[0]', 'assign t[1]', 'unassign t[1]', 'assign t[2]']);
    expect(namesOf(over.assignment.open())).toBe('t[2]');
  });

  test.each([
    { name: 'after it was lost', between: true },
    { name: 'never taken away', between: false },
  ])('a partition assigned again is a new one, and late outcomes go to the old: $name', async ({ between }) => {
    const over = await owning(0);
    const [old, late] = [find(over, 0), run(over, 0, 5)];
    if (between) over.assignment.onRevoked(at(0), true);
    over.assignment.onAssigned(at(0));
    await over.assignment.settled();
    const renewed = find(over, 0);
    expect(renewed).not.toBe(old);
    run(over, 0, 5);
    complete(over, late);
    expect([old.state, renewed.inFlight, renewed.tracker.incomplete]).toEqual(['closed', 1, 1]);
    expect([over.budget.records, over.assignment.uncommitted()]).toEqual([1, []]);
  });

  test('an answer that fails is a fault, and the next rebalance is answered all the same', async () => {
    const error = new Error('the client refused');
    const over = assignmentOver(([first]) => {
      if (first?.partition === 0) throw error;
    });
    over.assignment.onAssigned(at(0));
    over.assignment.onAssigned(at(1));
    await over.assignment.settled();
    expect(over.faults).toMatchObject([{ code: 'ERR_INVARIANT', cause: error }]);
    expect(namesOf(over.assignment.open())).toBe('t[1]');
  });

  test('closeAll gives up everything and commits nothing', async () => {
    const over = await owning(0, 1);
    const late = run(over, 0, 5);
    over.assignment.closeAll();
    complete(over, late);
    const { assignment, budget, takeLog } = over;
    expect([assignment.open(), assignment.uncommitted(), budget.records, takeLog()]).toEqual([[], [], 0, []]);
  });
});

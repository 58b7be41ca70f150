import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../sim/fake-clock.ts';
import { KafkaError, type KeylaneError } from '../errors.ts';
import { Events } from '../events.ts';
import { Assignment } from './assignment.ts';
import { Budget } from './budget.ts';
import { type ClientRecord, type CommittedOffset, partitionName, type TopicPartition } from './client.ts';
import type { Delivery } from './delivery.ts';
import { laneKeys } from './lane-key.ts';
import type { Partition } from './partition.ts';

const namesOf = (partitions: readonly TopicPartition[]) => partitions.map(partitionName).join(' ');
const at = (...numbers: number[]) => numbers.map((partition) => ({ topic: 't', partition }));

/** What the outside answers. */
type Outside = { flush?: () => Promise<boolean>; committed?: () => Promise<readonly CommittedOffset[]> };

/** An assignment, and in `log` what it did and told, in order. */
function assignmentOver({ flush = async () => true, committed = async () => [] }: Outside = {}) {
  const log: string[] = [];
  const warnings: KeylaneError[] = [];
  const note = (what: string) => (partitions: readonly TopicPartition[]) =>
    void log.push(`${what} ${namesOf(partitions)}`);
  const events = new Events();
  const told = ['assigned', 'revoked', 'lost'] as const;
  for (const name of told) events.on(name, ({ partitions }) => note(`told ${name}`)(partitions));
  events.on('warning', (error) => void warnings.push(error));
  const budget = new Budget({ bufferedRecordsMax: 100, bufferedBytesMax: 1e9, recordsPerPollMax: 100 });
  const clock = new FakeClock();
  const assignment: Assignment = new Assignment({
    options: { drainTimeoutMs: 20_000 },
    client: {
      assign: note('assign'),
      unassign: note('unassign'),
      committed: (partitions) => {
        note('ask for')(partitions);
        return committed();
      },
    },
    clock,
    events,
    shared: {
      options: { bufferedRecordsPerPartitionMax: 100 },
      threads: 2,
      laneKey: laneKeys({ ordering: 'key', nullKeys: 'unordered', orderingKey: undefined }),
      budget,
    },
    flush: () => {
      const offsets = assignment.uncommitted().map((offset) => `${partitionName(offset)}@${offset.offset}`);
      log.push(`commit ${offsets.join(' ')}`);
      return flush();
    },
    onOpened: note('opened'),
    onFatal: (error) => void warnings.push(error),
    onRebalancing: (underWay) => void log.push(underWay ? 'rebalancing' : 'answered'),
  });
  return { assignment, clock, budget, warnings, takeLog: () => log.splice(0) };
}

type Over = ReturnType<typeof assignmentOver>;

/** One that owns these partitions already. */
async function owning(numbers: readonly number[], outside?: Outside): Promise<Over> {
  const over = assignmentOver(outside);
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

describe('Assignment, assigned', () => {
  test('what is committed is asked for, the client is answered, the partitions are opened, then it is told', async () => {
    const over = assignmentOver();
    over.assignment.onAssigned(at(0, 2));
    await over.assignment.settled();
    const steps = ['ask for', 'assign', 'opened', 'told assigned'].map((step) => `${step} t[0] t[2]`);
    expect(over.takeLog()).toEqual(['rebalancing', ...steps, 'answered']);
    expect(namesOf(over.assignment.open())).toBe('t[0] t[2]');
  });

  test.each([
    { name: 'another partition', record: recordOf(1, 0) },
    { name: 'a partition past all', record: recordOf(9, 0) },
    { name: 'another topic', record: recordOf(0, 0, 'other') },
  ])('a record of $name is not taken in', async ({ record }) => {
    const over = await owning([0, 2]);
    expect([over.assignment.register(record), over.budget.records]).toEqual([undefined, 0]);
  });

  test('records grow older over all partitions, and come once', async () => {
    const { assignment } = await owning([0, 1]);
    const ages = [recordOf(0, 5), recordOf(1, 2), recordOf(0, 6)].map((record) => assignment.register(record)?.age);
    expect(ages).toEqual(ages.toSorted((a, b) => Number(a) - Number(b)));
    expect(new Set(ages).size).toBe(3);
    expect(assignment.register(recordOf(0, 5))).toBeUndefined();
  });

  test('what is assigned while it closes is answered, and nothing of it taken in', async () => {
    const over = assignmentOver();
    over.assignment.closing();
    over.assignment.onAssigned(at(0));
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'assign t[0]', 'answered']);
    expect([over.assignment.open(), over.assignment.register(recordOf(0, 0))]).toEqual([[], undefined]);
  });

  test('from closing on nothing is taken in of partitions that are ours either; what runs still counts', async () => {
    const over = await owning([0]);
    const running = run(over, 0, 5);
    over.assignment.closing();
    expect([over.assignment.register(recordOf(0, 6)), over.budget.records]).toEqual([undefined, 1]);
    complete(over, running);
    expect(over.assignment.uncommitted()).toEqual([{ topic: 't', partition: 0, offset: 6 }]);
  });
});

describe('Assignment, revoked', () => {
  test('with nothing running: commits, then gives back, then tells', async () => {
    const over = await owning([0, 1]);
    over.assignment.onRevoked(at(0), false);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'commit ', 'unassign t[0]', 'told revoked t[0]', 'answered']);
    expect(namesOf(over.assignment.open())).toBe('t[1]');
  });

  test('what runs is awaited and committed first; nothing new is taken in meanwhile', async () => {
    const over = await owning([0, 1]);
    const [first, second] = [run(over, 0, 7), run(over, 1, 3)];
    over.assignment.register(recordOf(0, 8));
    over.assignment.onRevoked(at(0, 1), false);
    await turn();
    complete(over, first);
    await turn();
    expect([over.takeLog(), over.assignment.register(recordOf(0, 9))]).toEqual([['rebalancing'], undefined]);
    complete(over, second);
    await over.assignment.settled();
    expect(over.takeLog().slice(0, 2)).toEqual(['commit t[0]@8 t[1]@4', 'unassign t[0] t[1]']);
    expect([over.budget.records, over.warnings, over.clock.step()]).toEqual([0, [], false]);
  });

  test('only what is revoked is awaited, and the rest goes on', async () => {
    const over = await owning([0, 1]);
    const kept = run(over, 1, 3);
    over.assignment.onRevoked(at(0), false);
    await over.assignment.settled();
    expect(over.takeLog()).toContain('unassign t[0]');
    complete(over, kept);
    expect(over.assignment.uncommitted()).toEqual([{ topic: 't', partition: 1, offset: 4 }]);
    expect(over.assignment.register(recordOf(1, 4))).toBeDefined();
  });

  test('a handler that does not end in time is reported and left behind', async () => {
    const over = await owning([0]);
    const [stuck, done] = [run(over, 0, 7), over.assignment.register(recordOf(0, 8)) as Delivery];
    over.assignment.onRevoked(at(0), false);
    await turn();
    expect([over.takeLog(), over.clock.step(), over.clock.now()]).toEqual([['rebalancing'], true, 20_000]);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['commit ', 'unassign t[0]', 'told revoked t[0]', 'answered']);
    expect(over.warnings).toMatchObject([{ name: 'DrainError', code: 'ERR_DRAIN_TIMEOUT', abandoned: 1 }]);
    complete(over, stuck);
    expect([over.budget.records, stuck.lane.partition, done.lane.length]).toMatchObject([0, { state: 'closed' }, 1]);
  });

  test('a commit that is not answered does not hold it up for more than 5 seconds', async () => {
    const over = await owning([0], { flush: () => new Promise(() => undefined) });
    over.assignment.onRevoked(at(0), false);
    await turn();
    expect([over.takeLog(), over.clock.step(), over.clock.now()]).toEqual([['rebalancing', 'commit '], true, 5_000]);
    await over.assignment.settled();
    expect(over.takeLog()[0]).toBe('unassign t[0]');
  });

  test('lost partitions are closed at once and nothing of them is committed', async () => {
    const over = await owning([0, 1]);
    const [done, running] = [run(over, 0, 1), run(over, 1, 3)];
    complete(over, done);
    over.assignment.onRevoked(at(0, 1), true);
    await over.assignment.settled();
    expect(over.takeLog()).toEqual(['rebalancing', 'unassign t[0] t[1]', 'told lost t[0] t[1]', 'answered']);
    complete(over, running);
    expect([over.assignment.uncommitted(), over.budget.records, over.clock.step()]).toEqual([[], 0, false]);
  });

  test('what is not ours is given back all the same', async () => {
    const over = await owning([0]);
    over.assignment.onRevoked(at(7), false);
    await over.assignment.settled();
    expect([over.takeLog().at(2), namesOf(over.assignment.open())]).toEqual(['unassign t[7]', 't[0]']);
  });

  test('a close that gives all up meanwhile ends its drain, and it is answered', async () => {
    const over = await owning([0]);
    run(over, 0, 0);
    over.assignment.onRevoked(at(0), false);
    await turn();
    over.assignment.closeAll();
    await over.assignment.settled();
    expect(over.takeLog()).toContain('unassign t[0]');
    expect([over.warnings, over.budget.records, over.clock.step()]).toEqual([[], 0, false]);
  });
});

describe('Assignment, offsets', () => {
  test('what the group has committed is not committed again', async () => {
    const over = await owning([0, 1], {
      committed: async () => [{ topic: 't', partition: 0, offset: 6, metadata: '' }],
    });
    expect([find(over, 0).committed, find(over, 1).committed]).toEqual([6, undefined]);
    const delivery = run(over, 0, 6);
    expect(over.assignment.uncommitted()).toEqual([]);
    complete(over, delivery);
    expect(over.assignment.uncommitted()).toEqual([{ topic: 't', partition: 0, offset: 7 }]);
  });

  test('where delivery begins past what the group has committed, even that is worth a commit', async () => {
    const over = await owning([0], { committed: async () => [{ topic: 't', partition: 0, offset: 6, metadata: '' }] });
    run(over, 0, 9);
    expect(over.assignment.uncommitted()).toEqual([{ topic: 't', partition: 0, offset: 9 }]);
  });

  test('a broker that does not say what is committed is warned of, and the partitions are taken all the same', async () => {
    const error = new KafkaError('ERR_KAFKA', 'timed out', { kafkaCode: -185 });
    const over = await owning([0], { committed: () => Promise.reject(error) });
    expect([over.warnings, namesOf(over.assignment.open())]).toEqual([[error], 't[0]']);
    expect(over.assignment.register(recordOf(0, 0))).toBeDefined();
  });

  test('what the broker confirmed is not committed again, and never goes back', async () => {
    const over = await owning([0]);
    for (const offset of [0, 1, 2]) complete(over, run(over, 0, offset));
    const confirm = (offset: number) => over.assignment.confirm({ topic: 't', partition: 0, offset });
    const uncommitted = () => over.assignment.uncommitted().map(({ offset }) => offset);
    confirm(2);
    confirm(1);
    expect([find(over, 0).committed, uncommitted()]).toEqual([2, [3]]);
    confirm(3);
    expect(uncommitted()).toEqual([]);
  });

  test('answers and statistics of partitions that are not ours are ignored', async () => {
    const over = await owning([0]);
    over.assignment.confirm({ topic: 't', partition: 4, offset: 9 });
    const statistics = (partition: number, endOffset: number) =>
      over.assignment.onStatistics([{ topic: 't', partition, endOffset, fetchedRecords: 0, fetchedBytes: 0 }]);
    statistics(4, 9);
    statistics(0, 12);
    statistics(0, -1);
    const { committed, endOffset } = find(over, 0);
    expect([committed, endOffset, over.assignment.open().length]).toEqual([undefined, 12, 1]);
  });
});

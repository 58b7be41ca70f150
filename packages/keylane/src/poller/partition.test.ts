import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../sim/fake-clock.ts';
import { Leases } from '../wire/leases.ts';
import { Budget, RECORD_OVERHEAD_BYTES } from './budget.ts';
import type { ClientRecord } from './client.ts';
import type { Delivery } from './delivery.ts';
import type { Lane } from './lane.ts';
import { laneKeys, PARTITION_LANE, threadOfKey } from './lane-key.ts';
import { Partition } from './partition.ts';

const THREADS = 4;

function partitionWith({ recordsMax = 10, ordering = 'key' as 'key' | 'partition', partition = 0 } = {}) {
  const budget = new Budget({ bufferedRecordsMax: 1_000, bufferedBytesMax: 1e9, recordsPerPollMax: 100 });
  const shared = {
    options: { bufferedRecordsPerPartitionMax: recordsMax },
    threads: THREADS,
    laneKey: laneKeys({ ordering, nullKeys: 'unordered', orderingKey: undefined }),
    leases: new Leases(),
    budget,
  };
  return { partition: new Partition({ topic: 't', partition }, shared), budget };
}

function recordOf(offset: number, key: string | null = 'k', rest: Partial<ClientRecord> = {}): ClientRecord {
  const bytes = key === null ? null : Buffer.from(key);
  return { topic: 't', partition: 0, offset, timestamp: 0, key: bytes, value: null, ...rest };
}

let age = 0;

function register(partition: Partition, ...offsets: number[]): Delivery[] {
  return offsets.map((offset) => {
    age += 1;
    const delivery = partition.register(recordOf(offset), age);
    if (delivery === undefined) throw new Error(`offset ${offset} was taken for a duplicate`);
    return delivery;
  });
}

/** What a partition counts. */
function countsOf({ bufferedRecords, bufferedBytes, lanes, tracker }: Partition) {
  return { records: bufferedRecords, bytes: bufferedBytes, lanes: lanes.size, incomplete: tracker.incomplete };
}

describe('Partition.register', () => {
  test.each([
    { name: 'nothing but itself', record: recordOf(0, null), bytes: 0 },
    { name: 'a key', record: recordOf(0, 'four'), bytes: 4 },
    { name: 'a value', record: recordOf(0, null, { value: Buffer.alloc(1_000) }), bytes: 1_000 },
    { name: 'empty ones', record: recordOf(0, '', { value: Buffer.alloc(0), headers: [] }), bytes: 0 },
    {
      name: 'headers, names and values',
      record: recordOf(0, 'k', { headers: [{ a: Buffer.alloc(10) }, { trace: Buffer.alloc(0) }] }),
      bytes: 1 + 1 + 10 + 5,
    },
  ])('a record counts its bytes: $name', ({ record, bytes }) => {
    const { partition, budget } = partitionWith();
    const delivery = partition.register(record, 1);
    expect(delivery?.bytes).toBe(RECORD_OVERHEAD_BYTES + bytes);
    expect([budget.records, budget.bytes]).toEqual([1, RECORD_OVERHEAD_BYTES + bytes]);
    expect([partition.bufferedRecords, partition.bufferedBytes]).toEqual([1, RECORD_OVERHEAD_BYTES + bytes]);
  });

  test('a record that was delivered before changes nothing', () => {
    const { partition, budget } = partitionWith();
    const [delivery] = register(partition, 5, 6);
    const before = [countsOf(partition), budget.records, budget.bytes, delivery?.lane.length];
    expect(partition.register(recordOf(5), 9)).toBeUndefined();
    expect(partition.register(recordOf(4, 'other'), 9)).toBeUndefined();
    expect([countsOf(partition), budget.records, budget.bytes, delivery?.lane.length]).toEqual(before);
  });

  test('records of a key share a lane of its thread, others have their own', () => {
    const { partition } = partitionWith();
    const [first, second, other] = ['a', 'a', 'b'].map((key, offset) =>
      partition.register(recordOf(offset, key), offset),
    );
    expect(second?.lane).toBe(first?.lane);
    expect(other?.lane).not.toBe(first?.lane);
    expect([first?.lane.thread, other?.lane.thread]).toEqual([threadOfKey('a', THREADS), threadOfKey('b', THREADS)]);
  });

  test('records without a key have a lane each, taking turns over the threads, and no entry', () => {
    const { partition } = partitionWith();
    const lanes = [0, 1, 2, 3, 4].map((offset) => partition.register(recordOf(offset, null), 10 + offset)?.lane);
    expect(new Set(lanes).size).toBe(5);
    expect(lanes.map((lane) => lane?.thread)).toEqual([2, 3, 0, 1, 2]);
    expect(partition.lanes.size).toBe(0);
  });

  test('the lane of a whole partition goes by its number, so that partitions share the threads', () => {
    const { partition } = partitionWith({ ordering: 'partition', partition: 6 });
    const delivery = partition.register(recordOf(0), 1);
    expect([delivery?.lane.key, delivery?.lane.thread]).toEqual([PARTITION_LANE, 2]);
  });
});

describe('Partition, complete and commit', () => {
  test.each([
    { name: 'nothing registered', offsets: [], done: [], committed: undefined, expected: undefined },
    { name: 'nothing completed: where it began', offsets: [7, 8], done: [], committed: undefined, expected: undefined },
    { name: 'the first completed', offsets: [7, 8], done: [0], committed: undefined, expected: 8 },
    { name: 'a later one completed', offsets: [7, 8], done: [1], committed: undefined, expected: undefined },
    { name: 'all completed', offsets: [7, 9], done: [0, 1], committed: undefined, expected: 10 },
    { name: 'the broker has it', offsets: [7, 8], done: [0, 1], committed: 9, expected: undefined },
    { name: 'the broker has less', offsets: [7, 8], done: [0, 1], committed: 8, expected: 9 },
    { name: 'the broker has more', offsets: [7, 8], done: [0], committed: 100, expected: undefined },
  ])('uncommitted: $name', ({ offsets, done, committed, expected }) => {
    const { partition } = partitionWith();
    const deliveries = register(partition, ...offsets);
    deliveries.forEach((delivery, index) => {
      if (done.some((one) => one === index)) partition.complete(delivery);
    });
    partition.committed = committed;
    expect(partition.uncommitted).toBe(expected);
  });

  test.each([
    { name: 'before it, for the topic was made anew', begin: 5, kept: undefined, before: undefined, after: 6 },
    { name: 'at it', begin: 100, kept: 100, before: undefined, after: 101 },
    { name: 'past it', begin: 200, kept: 100, before: 200, after: 201 },
  ])('what was committed before, at 100, and delivery begins $name', ({ begin, kept, before, after }) => {
    const { partition } = partitionWith();
    partition.committed = 100;
    const [delivery] = register(partition, begin);
    expect([partition.committed, partition.uncommitted]).toEqual([kept, before]);
    partition.complete(delivery as Delivery);
    expect(partition.uncommitted).toBe(after);
  });

  test('any registrations and completions: the budget counts what the partition holds', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat()), { maxLength: 100 }), (steps) => {
        const { partition, budget } = partitionWith();
        const open: Delivery[] = [];
        for (const [offset, choice] of steps.entries()) {
          if (choice === null) open.push(...register(partition, offset));
          else for (const delivery of open.splice(choice % Math.max(1, open.length), 1)) partition.complete(delivery);
          const bytes = open.reduce((sum, delivery) => sum + delivery.bytes, 0);
          expect([partition.bufferedRecords, partition.bufferedBytes]).toEqual([open.length, bytes]);
          expect([budget.records, budget.bytes, partition.tracker.incomplete]).toEqual([
            open.length,
            bytes,
            open.length,
          ]);
        }
        partition.close();
        expect([budget.records, budget.bytes]).toEqual([0, 0]);
      }),
    );
  });

  test('a forgotten lane makes room for a new one, and an old one cannot remove that', () => {
    const { partition } = partitionWith();
    const [first] = register(partition, 1);
    partition.forget(first?.lane as Lane);
    const [second] = register(partition, 2);
    expect(second?.lane).not.toBe(first?.lane);
    partition.forget(first?.lane as Lane);
    expect([...partition.lanes.values()]).toEqual([second?.lane]);
  });
});

describe('Partition, full and relieved', () => {
  test.each([
    { held: 0, full: false, relieved: true },
    { held: 5, full: false, relieved: true },
    { held: 6, full: false, relieved: false },
    { held: 9, full: false, relieved: false },
    { held: 10, full: true, relieved: false },
    { held: 11, full: true, relieved: false },
  ])('$held of 10 records: full is $full, relieved is $relieved', ({ held, full, relieved }) => {
    const { partition } = partitionWith({ recordsMax: 10 });
    register(partition, ...Array.from({ length: held }, (_, offset) => offset));
    expect([partition.full, partition.relieved]).toEqual([full, relieved]);
  });

  test('a record that never completes fills it in the end, though nearly nothing is held', () => {
    const { partition } = partitionWith({ recordsMax: 10 });
    const [stuck] = register(partition, 0);
    const completeUpTo = (end: number) => {
      for (let offset = partition.tracker.position as number; offset < end; offset += 1) {
        for (const delivery of register(partition, offset)) partition.complete(delivery);
      }
    };
    completeUpTo(99_999);
    expect([partition.bufferedRecords, partition.full, partition.relieved]).toEqual([1, false, false]);
    completeUpTo(100_000);
    expect([partition.bufferedRecords, partition.full]).toEqual([1, true]);
    partition.complete(stuck as Delivery);
    expect([partition.full, partition.relieved]).toEqual([false, true]);
  });
});

describe('Partition, drain and close', () => {
  test('a draining partition hands nothing out, but what completes counts', () => {
    const { partition, budget } = partitionWith();
    const [delivery] = register(partition, 3);
    expect(partition.handsOut).toBe(true);
    partition.drain();
    expect(partition.handsOut).toBe(false);
    partition.complete(delivery as Delivery);
    expect([partition.uncommitted, budget.records]).toEqual([4, 0]);
  });

  test('a closed partition ignores what completes late', () => {
    const { partition, budget } = partitionWith();
    const [first, second] = register(partition, 3, 4);
    partition.complete(first as Delivery);
    partition.close();
    const [after, committable] = [countsOf(partition), partition.tracker.committable];
    partition.complete(second as Delivery);
    expect([countsOf(partition), partition.tracker.committable]).toEqual([after, committable]);
    expect([budget.records, budget.bytes, partition.lanes.size]).toEqual([0, 0, 0]);
  });

  test.each(['drain', 'close'] as const)('%s stops the retries that wait', (end) => {
    const clock = new FakeClock();
    const { partition } = partitionWith();
    const [delivery] = register(partition, 3);
    let retried = 0;
    const timer = clock.after(100, () => {
      retried += 1;
    });
    partition.waiting.set(delivery?.lane as Lane, timer);
    partition[end]();
    while (clock.step());
    expect([retried, partition.waiting.size]).toEqual([0, 0]);
  });

  test('held lanes come back once, in their order', () => {
    const { partition } = partitionWith();
    const lanes = ['a', 'b'].map((key, offset) => partition.register(recordOf(offset, key), offset)?.lane as Lane);
    for (const lane of lanes) partition.hold(lane);
    expect(partition.release()).toEqual(lanes);
    expect(partition.release()).toEqual([]);
  });

  test.each(['drain', 'close'] as const)('after %s no lane is held, neither an old nor a new one', (end) => {
    const { partition } = partitionWith();
    const [delivery] = register(partition, 1);
    const lane = delivery?.lane as Lane;
    partition.hold(lane);
    partition[end]();
    partition.hold(lane);
    expect(partition.release()).toEqual([]);
  });

  test('an active partition that is paused hands nothing out', () => {
    const { partition } = partitionWith();
    partition.userPaused = true;
    expect(partition.handsOut).toBe(false);
  });

  test.each([
    { calls: ['drain', 'drain'], error: 'draining was drained' },
    { calls: ['close', 'drain'], error: 'closed was drained' },
    { calls: ['close', 'close'], error: 'closed twice' },
  ] as const)('$calls is a fault', ({ calls: [first, second], error }) => {
    const { partition } = partitionWith();
    partition[first]();
    expect(() => partition[second]()).toThrow(error);
  });
});

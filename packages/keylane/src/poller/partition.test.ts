import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../sim/fake-clock.ts';
import { recordOf, sharedOf, uncommittedOf } from '../../sim/stations.ts';
import { RECORD_OVERHEAD_BYTES } from './budget.ts';
import type { Delivery } from './delivery.ts';
import type { Lane } from './lane.ts';
import { hashOfKey, PARTITION_LANE } from './lane-key.ts';
import { Partition } from './partition.ts';

const THREADS = 4;

function partitionWith({ recordsMax = 10, ordering = 'key' as 'key' | 'partition', partition = 0 } = {}) {
  const shared = sharedOf({ bufferedRecordsPerPartitionMax: recordsMax }, { threads: THREADS, ordering });
  return { partition: new Partition({ topic: 't', partition }, shared), budget: shared.budget };
}

let age = 0;

function register(partition: Partition, ...offsets: number[]): Delivery[] {
  return offsets.map((offset) => {
    age += 1;
    const delivery = partition.register(recordOf({ offset }), age);
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
    { name: 'nothing but itself', record: recordOf({ offset: 0, key: null }), bytes: 0 },
    { name: 'a key', record: recordOf({ offset: 0, key: 'four' }), bytes: 4 },
    { name: 'a value', record: recordOf({ offset: 0, key: null, value: Buffer.alloc(1_000) }), bytes: 1_000 },
    { name: 'empty ones', record: recordOf({ offset: 0, key: '', value: Buffer.alloc(0), headers: [] }), bytes: 0 },
    {
      name: 'headers, names and values',
      record: recordOf({ offset: 0, key: 'k', headers: [{ a: Buffer.alloc(10) }, { trace: Buffer.alloc(0) }] }),
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
    expect(partition.register(recordOf({ offset: 5 }), 9)).toBeUndefined();
    expect(partition.register(recordOf({ offset: 4, key: 'other' }), 9)).toBeUndefined();
    expect([countsOf(partition), budget.records, budget.bytes, delivery?.lane.length]).toEqual(before);
  });

  test('records of a key share a lane of its thread, others have their own', () => {
    const { partition } = partitionWith();
    const [first, second, other] = ['a', 'a', 'b'].map((key, offset) =>
      partition.register(recordOf({ offset, key }), offset),
    );
    expect(second?.lane).toBe(first?.lane);
    expect(other?.lane).not.toBe(first?.lane);
    expect([first?.lane.thread, other?.lane.thread]).toEqual(
      ['a', 'b'].map((key) => hashOfKey(Buffer.from(key)) % THREADS),
    );
  });

  test('records without a key have a lane each, taking turns over the threads, and no entry', () => {
    const { partition } = partitionWith();
    const lanes = [0, 1, 2, 3, 4].map(
      (offset) => partition.register(recordOf({ offset, key: null }), 10 + offset)?.lane,
    );
    expect(new Set(lanes).size).toBe(5);
    expect(lanes.map((lane) => lane?.thread)).toEqual([2, 3, 0, 1, 2]);
    expect(partition.lanes.size).toBe(0);
  });

  test('the lane of a whole partition goes by its number, so that partitions share the threads', () => {
    const { partition } = partitionWith({ ordering: 'partition', partition: 6 });
    const delivery = partition.register(recordOf({ offset: 0 }), 1);
    expect([delivery?.lane.key, delivery?.lane.thread]).toEqual([PARTITION_LANE, 2]);
  });
});

describe('Partition, complete', () => {
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
    expect([...partition.lanes]).toEqual([second?.lane]);
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
});

describe('Partition, drain and close', () => {
  test('a draining partition hands nothing out, but what completes counts', () => {
    const { partition, budget } = partitionWith();
    const [delivery] = register(partition, 3);
    expect(partition.handsOut).toBe(true);
    partition.drain();
    expect(partition.handsOut).toBe(false);
    partition.complete(delivery as Delivery);
    expect([uncommittedOf(partition), budget.records]).toEqual([4, 0]);
  });

  test.each([
    { inFlight: 0, left: [] },
    { inFlight: 2, left: [3, 4] },
    { inFlight: 4, left: [3, 4, 5, 6] },
  ])('a closed one keeps nothing but what is with a thread: $inFlight of 4', ({ inFlight, left }) => {
    const { partition } = partitionWith();
    const [first] = register(partition, 3, 4, 5, 6);
    const { lane } = first as Delivery;
    lane.state = 'ready';
    if (inFlight > 0) lane.take(inFlight);
    partition.close();
    const offsets: number[] = [];
    for (let at = lane.head; at !== undefined; at = at.next) offsets.push(at.record.offset);
    expect([offsets, lane.length, lane.tail?.record.offset]).toEqual([left, left.length, left.at(-1)]);
    for (let late = inFlight; late > 0; late -= 1) partition.complete(lane.shift());
    expect([lane.head, lane.tail, lane.length, partition.inFlight]).toEqual([undefined, undefined, 0, 0]);
  });

  test('a closed partition ignores what completes late', () => {
    const { partition, budget } = partitionWith();
    const [first, second] = register(partition, 3, 4);
    partition.complete(first as Delivery);
    partition.close();
    const [after, committable] = [countsOf(partition), partition.tracker.committable];
    partition.complete(second as Delivery);
    expect([countsOf(partition), partition.tracker.committable, partition.dirty]).toEqual([after, committable, false]);
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
    partition.waiting.add(delivery?.lane as Lane, timer);
    partition[end]();
    while (clock.step());
    expect([retried, partition.waiting.size]).toEqual([0, 0]);
  });

  test('held lanes come back once, in their order', () => {
    const { partition } = partitionWith();
    const lanes = ['a', 'b'].map((key, offset) => partition.register(recordOf({ offset, key }), offset)?.lane as Lane);
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

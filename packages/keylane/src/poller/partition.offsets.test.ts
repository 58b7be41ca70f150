import { describe, expect, test } from 'vitest';
import { recordOf, type SharedLimits, sharedOf } from '../../sim/stations.ts';
import { KafkaError } from '../errors.ts';
import type { Delivery } from './delivery.ts';
import type { Lane } from './lane.ts';
import { decodeOffsetMap, encodeOffsetMap } from './offset-map.ts';
import { Partition } from './partition.ts';

const TOO_LARGE = new KafkaError('ERR_KAFKA', 'offset metadata too large', { kafkaCode: 12 });
const REBALANCING = new KafkaError('ERR_KAFKA', 'rebalance in progress', { kafkaCode: 27 });
/** With 64 characters: so many offsets from the first incomplete one on are sure to fit a bit set. */
const SPAN = 856;

function partitionOf(limits: SharedLimits = {}): Partition {
  return new Partition({ topic: 't', partition: 0 }, sharedOf({ bufferedRecordsPerPartitionMax: 1e6, ...limits }));
}

/** Registers records without keys, so each has a lane of its own; those that need no run are left out. */
function register(partition: Partition, offsets: readonly number[], key: string | null = null): Delivery[] {
  return offsets.flatMap((offset) => partition.register(recordOf({ offset, key }), offset) ?? []);
}

function complete(partition: Partition, deliveries: readonly Delivery[]): void {
  for (const delivery of deliveries) partition.complete(delivery);
}

/** The offsets from `start` to before `end`. */
function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

const offsetsOf = (lanes: readonly Lane[]) => lanes.map(({ head }) => head?.record.offset);

/** What a commit would say: the offset, and the ranges of its map. */
function commitOf(partition: Partition): unknown {
  if (!partition.dirty) return undefined;
  const { topic, partition: number, offset, metadata } = partition.uncommitted();
  return { topic, partition: number, offset, ...decodeOffsetMap(offset, metadata) };
}

describe('Partition, what a commit says', () => {
  const at = { topic: 't', partition: 0 };
  test.each([
    { name: 'nothing registered', offsets: [], done: [], expected: undefined },
    { name: 'nothing completed', offsets: [7, 8], done: [], expected: { ...at, offset: 7, ranges: [] } },
    { name: 'the first completed', offsets: [7, 8], done: [0], expected: { ...at, offset: 8, ranges: [] } },
    { name: 'a later one completed', offsets: [7, 8], done: [1], expected: { ...at, offset: 7, ranges: [8, 9] } },
    { name: 'all completed', offsets: [7, 9], done: [0, 1], expected: { ...at, offset: 10, ranges: [] } },
    { name: 'holes', offsets: [0, 2, 3, 6], done: [1, 3], expected: { ...at, offset: 0, ranges: [2, 3, 6, 7] } },
  ])('$name', ({ offsets, done, expected }) => {
    const partition = partitionOf();
    const deliveries = register(partition, offsets);
    for (const index of done) partition.complete(deliveries[index] as Delivery);
    expect(commitOf(partition)).toEqual(expected);
  });

  test('what was restored is not said again before something completes', () => {
    const partition = partitionOf();
    expect(partition.restore({ ...at, offset: 5, metadata: encodeOffsetMap(5, [7, 9]) })).toBeUndefined();
    expect([partition.committed, partition.dirty]).toEqual([5, false]);
    const [, sixth] = register(partition, [5, 6]);
    expect(partition.dirty).toBe(false);
    partition.complete(sixth as Delivery);
    expect(commitOf(partition)).toEqual({ ...at, offset: 5, ranges: [6, 9] });
  });

  test('what the broker has is not said again', () => {
    const partition = partitionOf();
    complete(partition, register(partition, [7, 8]));
    partition.uncommitted().confirm();
    expect([partition.committed, partition.dirty]).toEqual([9, false]);
    expect(() => partition.uncommitted()).toThrow('nothing to commit');
  });

  test.each([
    { name: 'the committed offset moves', completes: 0, before: 5, after: 6 },
    { name: 'only the map changes', completes: 2, before: 5, after: 5 },
  ])('what completes between a commit and its answer is for the next one: $name', ({ completes, before, after }) => {
    const partition = partitionOf();
    const deliveries = register(partition, [4, 5, 6, 7]);
    partition.complete(deliveries[0] as Delivery);
    const commit = partition.uncommitted();
    partition.complete(deliveries[completes + 1] as Delivery);
    commit.confirm();
    expect([partition.committed, partition.dirty, partition.uncommitted().offset]).toEqual([before, true, after]);
    partition.uncommitted().confirm();
    expect(partition.dirty).toBe(false);
  });

  test.each([
    { name: 'the map is too large for the broker', error: TOO_LARGE, map: false },
    { name: 'a rebalance', error: REBALANCING, map: true },
  ])('what the broker refused is said again, the map only where that was not the reason: $name', ({ error, map }) => {
    const partition = partitionOf();
    const [, second, third] = register(partition, [5, 6, 7]);
    partition.complete(second as Delivery);
    const first = partition.uncommitted();
    first.refuse(error);
    expect([partition.committed, partition.dirty, first.metadata === '']).toEqual([undefined, true, false]);
    expect([partition.uncommitted().offset, partition.uncommitted().metadata !== '']).toEqual([5, map]);
    partition.uncommitted().confirm();
    expect(partition.dirty).toBe(false);
    partition.complete(third as Delivery);
    expect(partition.uncommitted().metadata !== '').toBe(map);
  });

  test('a closed partition says nothing, and a late answer does no harm', () => {
    const partition = partitionOf();
    complete(partition, register(partition, [5]));
    const commit = partition.uncommitted();
    partition.close();
    commit.confirm();
    expect(partition.dirty).toBe(false);
  });
});

describe('Partition.restore', () => {
  const tooLarge = range(0, 400).map((index) => 10 + index * 10);
  test.each([
    { name: 'no map', metadata: '', problem: undefined, taken: [5, 6, 7, 8, 9] },
    { name: 'a map', metadata: encodeOffsetMap(5, [6, 7, 8, 9]), problem: undefined, taken: [5, 7, 9] },
    {
      name: 'a map of another offset',
      metadata: encodeOffsetMap(4, [6, 7]),
      problem: 'it is damaged, or belongs to another offset',
      taken: [5, 6, 7, 8, 9],
    },
    {
      name: 'a map larger than allowed',
      metadata: encodeOffsetMap(5, [6, 7, ...tooLarge]),
      problem: 'it is larger than offsetMapCharactersMax allows',
      taken: [5, 6, 7, 8, 9],
    },
  ])('$name', ({ metadata, problem, taken }) => {
    const partition = partitionOf({ offsetMapCharactersMax: 64 });
    expect(partition.restore({ topic: 't', partition: 0, offset: 5, metadata })).toBe(problem);
    expect([partition.committed, partition.tracker.position, partition.dirty]).toEqual([5, 5, false]);
    const deliveries = register(partition, range(5, 10));
    expect(deliveries.map(({ record }) => record.offset)).toEqual(taken);
    expect([partition.bufferedRecords, partition.tracker.incomplete]).toEqual([taken.length, taken.length]);
  });
});

describe('Partition, how far hand-out may run ahead', () => {
  test('behind a blocked record everything runs that the map is sure to hold, and the rest when it completes', () => {
    const partition = partitionOf({ offsetMapCharactersMax: 64 });
    const deliveries = register(partition, range(0, SPAN * 2 + 100));
    const admitted = deliveries.filter(({ lane }) => partition.admits(lane, 1) === 1);
    expect(admitted).toEqual(deliveries.slice(0, SPAN));
    for (const { lane } of deliveries.slice(SPAN)) partition.hold(lane);
    complete(partition, deliveries.slice(1, SPAN));
    expect([partition.holding, partition.release()]).toEqual([true, []]);
    expect(partition.uncommitted().metadata.length).toBeLessThanOrEqual(64);

    partition.complete(deliveries[0] as Delivery);
    expect(offsetsOf(partition.release())).toEqual(range(SPAN, SPAN * 2));
    expect([partition.holding, partition.release()]).toEqual([true, []]);
    complete(partition, deliveries.slice(SPAN, SPAN * 2));
    expect(offsetsOf(partition.release())).toEqual(range(SPAN * 2, SPAN * 2 + 100));
    expect([partition.holding, partition.release()]).toEqual([false, []]);
  });

  test('a segment is no longer than that', () => {
    const partition = partitionOf({ offsetMapCharactersMax: 64 });
    const [head] = register(partition, [0], 'stuck') as [Delivery];
    const [first] = register(partition, range(1, 2_000), 'k') as [Delivery];
    const far = register(partition, [2_000], 'far') as [Delivery];
    const admits = ({ lane }: Delivery) => [1, 10, 1_999].map((count) => partition.admits(lane, count));
    expect([head, first, ...far].map(admits)).toEqual([
      [1, 1, 1],
      [1, 10, SPAN - 1],
      [0, 0, 0],
    ]);
    // The lane whose record is in everyone's way is always admitted, whatever is registered behind it.
    partition.complete(head);
    expect(admits(first)).toEqual([1, 10, SPAN]);
  });

  test('while all that is registered fits, all is admitted', () => {
    const partition = partitionOf({ offsetMapCharactersMax: 64 });
    const [delivery] = register(partition, range(0, SPAN), 'k') as [Delivery];
    expect(partition.admits(delivery.lane, SPAN)).toBe(SPAN);
  });

  test('what is held stays held while the application has it paused, and is forgotten when it drains', () => {
    const partition = partitionOf({ offsetMapCharactersMax: 64 });
    const [delivery] = register(partition, [0]) as [Delivery];
    partition.hold(delivery.lane);
    partition.userPaused = true;
    expect([partition.release(), partition.holding]).toEqual([[], true]);
    partition.userPaused = false;
    expect([partition.release(), partition.holding]).toEqual([[delivery.lane], false]);
    partition.hold(delivery.lane);
    partition.drain();
    expect([partition.release(), partition.holding]).toEqual([[], false]);
  });

  test.each([
    { last: SPAN / 2 - 1, full: false, relieved: true },
    { last: SPAN / 2, full: false, relieved: false },
    { last: SPAN - 1, full: false, relieved: false },
    { last: SPAN, full: true, relieved: false },
  ])('behind record 0, with records up to $last: full is $full, relieved is $relieved', (row) => {
    const partition = partitionOf({ offsetMapCharactersMax: 64 });
    const [, ...others] = register(partition, range(0, row.last + 1));
    complete(partition, others);
    expect([partition.full, partition.relieved, partition.bufferedRecords]).toEqual([row.full, row.relieved, 1]);
  });

  test('it is relieved again when that record completes', () => {
    const partition = partitionOf({ offsetMapCharactersMax: 64 });
    const [first, ...others] = register(partition, range(0, SPAN * 2)) as [Delivery, ...Delivery[]];
    complete(partition, others);
    expect([partition.full, partition.relieved]).toEqual([true, false]);
    partition.complete(first);
    expect([partition.full, partition.relieved]).toEqual([false, true]);
  });
});

describe('Partition.isRewound', () => {
  /** Records 10 and 11 came, of leader epochs 3 and 2. */
  const delivered = (partition: Partition) => {
    partition.register(recordOf({ offset: 10, leaderEpoch: 3 }), 1);
    partition.register(recordOf({ offset: 11, leaderEpoch: 2 }), 2);
  };
  const restored = (partition: Partition) =>
    partition.restore({ topic: 't', partition: 0, offset: 100, metadata: encodeOffsetMap(100, [110, 120]) });
  const fresh = () => undefined;
  test.each([
    { name: 'the next record', before: delivered, record: { offset: 12, leaderEpoch: 9 }, end: 5, rewound: false },
    {
      name: 'a duplicate, nothing else known',
      before: delivered,
      record: { offset: 10 },
      end: undefined,
      rewound: false,
    },
    { name: 'a duplicate', before: delivered, record: { offset: 10, leaderEpoch: 3 }, end: 12, rewound: false },
    { name: 'an earlier epoch', before: delivered, record: { offset: 3, leaderEpoch: 2 }, end: 12, rewound: false },
    { name: 'a later epoch', before: delivered, record: { offset: 11, leaderEpoch: 4 }, end: 50, rewound: true },
    { name: 'an end below the position', before: delivered, record: { offset: 11 }, end: 11, rewound: true },
    { name: 'first below what is committed', before: restored, record: { offset: 99 }, end: 200, rewound: true },
    { name: 'first at what is committed', before: restored, record: { offset: 100 }, end: 200, rewound: false },
    { name: 'first past what is committed', before: restored, record: { offset: 130 }, end: 200, rewound: false },
    { name: 'the very first', before: fresh, record: { offset: 0, leaderEpoch: 4 }, end: 0, rewound: false },
  ])('$name', ({ before, record, end, rewound }) => {
    const partition = partitionOf();
    before(partition);
    expect(partition.isRewound(recordOf(record), end)).toBe(rewound);
  });

  test('a record that the map says is complete is a first one too', () => {
    const partition = partitionOf();
    restored(partition);
    expect([partition.register(recordOf({ offset: 110 }), 1), partition.tracker.position]).toEqual([undefined, 111]);
    expect(partition.isRewound(recordOf({ offset: 110 }), 200)).toBe(false);
  });
});

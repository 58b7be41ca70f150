import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../sim/fake-clock.ts';
import { pass, recordOf, sharedOf } from '../../sim/stations.ts';
import { LagLimits } from './lag-limits.ts';
import type { Lane } from './lane.ts';
import { Partition } from './partition.ts';

/** Of one partition: how many records are held, and how many are not read yet. */
interface Content {
  readonly held: number;
  readonly unread: number;
}

const FAR_BEHIND: Content = { held: 0, unread: 8_000 };
const LESS: Content = { held: 500, unread: 1_500 };
/** What a record counts here: its key of one byte, and its overhead. */
const RECORD_BYTES = 201;

/** Looks over these partitions in a buffer of 1,000 records, while handlers are slow. */
function limitsOver(
  contents: readonly Content[],
  {
    recordsMax = 1_000,
    perPartition = undefined as number | undefined,
    bytesMax = 1e9,
    slots = 10,
    pollMax = 100,
  } = {},
) {
  const clock = new FakeClock();
  const shared = sharedOf({
    bufferedRecordsMax: recordsMax,
    bufferedBytesMax: bytesMax,
    bufferedRecordsPerPartitionMax: recordsMax,
  });
  const ends = contents.map(({ held, unread }): number | undefined => held + unread);
  const asked: number[] = [];
  const read = (partition: Partition, count: number) => {
    for (let left = count; left > 0; left -= 1) {
      const offset = partition.tracker.position as number;
      partition.register(recordOf({ partition: partition.partition, offset }), offset);
    }
  };
  const partitions = contents.map(({ held }, number) => {
    const partition = new Partition({ topic: 't', partition: number }, shared);
    partition.restore({ topic: 't', partition: number, offset: 0, metadata: '' });
    read(partition, held);
    return partition;
  });
  const dispatcher = { slow: true, slots };
  const limits = new LagLimits({
    options: { bufferedRecordsPerPartitionMax: perPartition, bufferedBytesMax: bytesMax, recordsPerPollMax: pollMax },
    client: {
      watermarks: ({ partition }) => {
        asked.push(partition);
        const high = ends[partition];
        return high === undefined ? undefined : { low: 0, high };
      },
    },
    clock,
    budget: shared.budget,
    assignment: { open: () => partitions.filter(({ state }) => state !== 'closed') },
    dispatcher,
  });
  limits.start();
  /** What each may hold once it was looked at. */
  const look = () => {
    pass(clock, 500);
    return partitions.map(({ lagLimit }) => lagLimit);
  };
  return { limits, clock, partitions: partitions as [Partition, ...Partition[]], dispatcher, ends, asked, look, read };
}

describe('what others may hold beside the partition furthest behind', () => {
  test('their shares of the buffer, by what is left of each', () => {
    expect(limitsOver([LESS, FAR_BEHIND]).look()).toEqual([200, Infinity]);
    expect(limitsOver([FAR_BEHIND, LESS, { held: 0, unread: 2_500 }]).look()).toEqual([Infinity, 160, 200]);
  });

  test('a limited one is full at its limit, and relieved at half of it', () => {
    const { look, partitions, read } = limitsOver([FAR_BEHIND, { held: 100, unread: 1_900 }]);
    const limited = partitions[1] as Partition;
    look();
    expect([limited.full, limited.relieved]).toEqual([false, true]);
    read(limited, 1);
    expect([limited.full, limited.relieved]).toEqual([false, false]);
    read(limited, 99);
    expect(limited.full).toBe(true);
  });

  test('as much as it will where about as much is left of it', () => {
    const { look } = limitsOver([FAR_BEHIND, { held: 500, unread: 5_900 }, { held: 500, unread: 5_899 }]);
    expect(look()).toEqual([Infinity, Infinity, 307]);
  });

  test.each([
    { what: 'fifty records', options: {}, least: 50 },
    { what: 'as many as one poll brings', options: { pollMax: 30 }, least: 30 },
    { what: 'two records for each slot', options: { slots: 40 }, least: 80 },
    { what: 'a fiftieth of the buffer', options: { recordsMax: 5_000 }, least: 100 },
    { what: 'a fiftieth of the buffer by bytes', options: { recordsMax: 5_000, bytesMax: 800_000 }, least: 79 },
  ])('$what at least', ({ options, least }) => {
    const { look } = limitsOver([{ held: 0, unread: 1_000_000 }, LESS], options);
    expect(Math.floor(look()[1] as number)).toBe(least);
  });

  test('where bytes fill the buffer, shares of what has room by bytes', () => {
    // The first records were thought to be larger, and still are a little.
    const { look } = limitsOver([FAR_BEHIND, { held: 3_000, unread: 0 }], { bytesMax: 500 * RECORD_BYTES });
    expect(look()).toEqual([Infinity, 136]);
  });

  test('shares of what those leave that are not handed out', () => {
    const { look, partitions } = limitsOver([FAR_BEHIND, LESS, { held: 500, unread: 0 }]);
    (partitions[2] as Partition).halted = true;
    expect(look()).toEqual([Infinity, 100, Infinity]);
  });

  test('what waits behind a key that fails is not among what the furthest behind holds', () => {
    const { look, partitions } = limitsOver([{ held: 900, unread: 7_100 }, LESS]);
    const [furthest] = partitions;
    expect(look()).toEqual([Infinity, Infinity]);
    const [lane] = [...furthest.lanes] as [Lane];
    lane.state = 'waiting';
    furthest.waiting.add(lane, { stop: () => undefined });
    expect(furthest.waiting.records).toBe(900);
    expect(look()).toEqual([Infinity, 200]);
  });
});

describe('nobody is limited', () => {
  const NOBODY = [Infinity, Infinity];

  test('while the furthest behind holds its share', () => {
    const { look, partitions, read } = limitsOver([{ held: 799, unread: 7_201 }, LESS]);
    expect(look()).toEqual([Infinity, 200]);
    read(partitions[0], 1);
    expect(partitions[0].full).toBe(false);
    expect(look()).toEqual(NOBODY);
  });

  test('while it holds its share of the bytes', () => {
    const { look, partitions } = limitsOver([FAR_BEHIND, LESS], { bytesMax: 1_000_000 });
    const [furthest] = partitions;
    const large = (offset: number, bytes: number) =>
      furthest.register({ ...recordOf({ offset }), value: Buffer.alloc(bytes - RECORD_BYTES) }, offset);
    large(0, 799_999);
    expect(look()[1]).not.toBe(Infinity);
    large(1, RECORD_BYTES + 1);
    expect(look()).toEqual(NOBODY);
  });

  test('where all that is left has room in the buffer', () => {
    const few = (unread: number) => [
      { held: 0, unread: 800 },
      { held: 100, unread },
    ];
    expect(limitsOver(few(100)).look()).toEqual(NOBODY);
    expect(limitsOver(few(101)).look()).toEqual([Infinity, 200]);
    expect(limitsOver([]).look()).toEqual([]);
    expect(limitsOver([{ held: 0, unread: 0 }]).look()).toEqual([Infinity]);
  });

  test('where the share of the furthest behind is no more than anyone may hold', () => {
    const many = (slots: number) =>
      limitsOver([FAR_BEHIND, ...Array.from({ length: 4 }, () => ({ held: 0, unread: 6_000 }))], { slots });
    // Its share is 250.
    expect(many(124).look()).toEqual([Infinity, 248, 248, 248, 248]);
    expect(many(125).look()).toEqual(Array(5).fill(Infinity));
  });

  test('while handlers are quick, nor stays so', () => {
    const { look, dispatcher } = limitsOver([FAR_BEHIND, LESS]);
    look();
    dispatcher.slow = false;
    expect(look()).toEqual(NOBODY);
  });

  test('for one that is not handed out', () => {
    const { look, partitions } = limitsOver([FAR_BEHIND, LESS, { held: 500, unread: 500 }]);
    partitions[0].userPaused = true;
    // Of the two others the second is the furthest behind, and holds less than two thirds of the buffer.
    expect(look()).toEqual([...NOBODY, 333]);
    partitions[0].userPaused = false;
    partitions[0].drain();
    expect(look()).toEqual([...NOBODY, 333]);
    partitions[0].close();
    expect(look()).toEqual([...NOBODY, 333]);
  });

  test('for one that is paused until it is relieved', () => {
    const { look, partitions } = limitsOver([FAR_BEHIND, LESS]);
    partitions[0].clientPaused = true;
    expect(look()).toEqual(NOBODY);
  });

  test('for one that cannot take in any more', () => {
    const { look, partitions, ends } = limitsOver([FAR_BEHIND, LESS]);
    const { tracker } = partitions[0];
    expect(look()).toEqual([Infinity, 200]);
    // Every other record completed: the offset map has no room for more.
    for (let offset = 0; offset < 100_000; offset += 1) {
      const ticket = tracker.register(offset) as number;
      if (offset % 2 === 1) tracker.complete(ticket);
    }
    ends[0] = 200_000;
    expect(partitions[0].full).toBe(true);
    expect(look()).toEqual(NOBODY);
  });

  test('where the application says how much a partition may hold', () => {
    expect(limitsOver([FAR_BEHIND, LESS], { perPartition: 600 }).look()).toEqual(NOBODY);
  });

  test('once it ends', () => {
    const { limits, dispatcher, look } = limitsOver([FAR_BEHIND, LESS]);
    dispatcher.slow = false;
    look();
    limits.stop();
    dispatcher.slow = true;
    expect(look()).toEqual(NOBODY);
  });
});

describe('how long others are limited for one of which nothing comes', () => {
  /** The limit of the other one, look after look. */
  const limitsOf = ({ look }: ReturnType<typeof limitsOver>, looks: number) =>
    Array.from({ length: looks }, () => look()[1]);

  test('5 s, and again once something came', () => {
    const over = limitsOver([FAR_BEHIND, LESS]);
    expect(limitsOf(over, 12)).toEqual([...Array(10).fill(200), Infinity, Infinity]);
    over.read(over.partitions[0], 1);
    expect(limitsOf(over, 11)).toEqual([...Array(10).fill(200), Infinity]);
  });

  test('they begin anew where it had enough in between', () => {
    const over = limitsOver([{ held: 700, unread: 7_300 }, LESS]);
    expect(limitsOf(over, 9)).toEqual(Array(9).fill(200));
    // For a moment all has room; nothing came meanwhile.
    const [first] = over.ends;
    over.ends[0] = 700;
    over.ends[1] = 500;
    expect(limitsOf(over, 1)).toEqual([Infinity]);
    over.ends[0] = first;
    over.ends[1] = 2_000;
    expect(limitsOf(over, 11)).toEqual([...Array(10).fill(200), Infinity]);
  });

  test('they begin anew for another one that stands at the same offset', () => {
    const over = limitsOver([FAR_BEHIND, LESS, FAR_BEHIND]);
    over.ends[2] = 0;
    expect(limitsOf(over, 9)).toEqual(Array(9).fill(200));
    [over.ends[0], over.ends[2]] = [0, 8_000];
    expect(limitsOf(over, 11)).toEqual([...Array(10).fill(200), Infinity]);
  });
});

describe('the end of a partition', () => {
  test('is that of the statistics, where they know it', () => {
    const { look, partitions, asked } = limitsOver([FAR_BEHIND, LESS]);
    const tell = (endOffset: number) => {
      const rest = { topic: 't', partition: 0, leaderEpoch: -1, fetchedRecords: 0, fetchedBytes: 0 };
      partitions[0].statistics = { ...rest, endOffset };
    };
    tell(3_000);
    expect(look()).toEqual([Infinity, 400]);
    expect(asked).toEqual([1]);
    tell(-1);
    expect(look()).toEqual([Infinity, 200]);
  });

  test('is asked for of no more than 500 in a look', () => {
    const few = Array.from({ length: 498 }, () => ({ held: 0, unread: 0 }));
    const over = limitsOver([...few, LESS, FAR_BEHIND]);
    expect(over.look()[498]).toBe(200);
    expect(over.asked).toHaveLength(500);
    expect(limitsOver([...few, ...few.slice(0, 1), LESS, FAR_BEHIND]).look()[499]).toBe(Infinity);
  });

  test('is awaited: until it is known a partition neither is limited nor limits others', () => {
    const { look, ends, partitions } = limitsOver([FAR_BEHIND, LESS]);
    ends[1] = undefined;
    expect(look()).toEqual([Infinity, Infinity]);
    ends[1] = 2_000;
    ends[0] = undefined;
    expect(look()).toEqual([Infinity, Infinity]);
    ends[0] = 8_000;
    expect(look()).toEqual([Infinity, 200]);
    const beside = limitsOver([FAR_BEHIND, LESS, LESS]);
    beside.ends[2] = undefined;
    expect(beside.look()).toEqual([Infinity, 200, Infinity]);
    Object.defineProperty(partitions[0].tracker, 'position', { value: undefined });
    expect(look()).toEqual([Infinity, Infinity]);
  });
});

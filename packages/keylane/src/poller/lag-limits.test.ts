import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../sim/fake-clock.ts';
import { pass, recordOf, sharedOf } from '../../sim/stations.ts';
import { LagLimits } from './lag-limits.ts';
import { Partition } from './partition.ts';

/** Of one partition: how many records are held, and how many are not read yet. */
interface Content {
  readonly held: number;
  readonly unread: number;
}

const FAR_BEHIND: Content = { held: 0, unread: 8_000 };
const NEARLY_DONE: Content = { held: 500, unread: 1_500 };

/** Limits that look over these partitions in a buffer of 1,000 records, while handlers are slow. */
function limitsOver(
  contents: readonly Content[],
  { recordsMax = undefined as number | undefined, bytesMax = 1e9 } = {},
) {
  const clock = new FakeClock();
  const shared = sharedOf({ bufferedBytesMax: bytesMax, bufferedRecordsPerPartitionMax: 800 });
  const highs = contents.map(({ held, unread }) => held + unread);
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
  const dispatcher = { slow: true };
  const limits = new LagLimits({
    options: { bufferedRecordsPerPartitionMax: recordsMax },
    client: {
      watermarks: ({ partition }) => {
        const high = highs[partition];
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
  return { limits, clock, partitions: partitions as [Partition, ...Partition[]], dispatcher, highs, look, read };
}

describe('LagLimits', () => {
  test('one that is nearly done may hold its share, and the one furthest behind what it will', () => {
    const { look } = limitsOver([FAR_BEHIND, NEARLY_DONE]);
    expect(look()).toEqual([Infinity, 200]);
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

  test('partitions about as far behind as the furthest are not limited', () => {
    const { look } = limitsOver([FAR_BEHIND, { held: 500, unread: 5_901 }, { held: 500, unread: 5_899 }]);
    expect(look()).toEqual([Infinity, Infinity, 307]);
  });

  test('nobody is limited while the furthest behind holds its share', () => {
    const { look, partitions, read } = limitsOver([{ held: 799, unread: 7_201 }, NEARLY_DONE]);
    expect(look()).toEqual([Infinity, 200]);
    read(partitions[0], 1);
    expect(look()).toEqual([Infinity, Infinity]);
  });

  test('nobody is limited where all that is left has room in the buffer', () => {
    expect(
      limitsOver([
        { held: 0, unread: 800 },
        { held: 100, unread: 100 },
      ]).look(),
    ).toEqual([Infinity, Infinity]);
    expect(
      limitsOver([
        { held: 0, unread: 800 },
        { held: 100, unread: 101 },
      ]).look(),
    ).toEqual([Infinity, 200]);
    expect(limitsOver([]).look()).toEqual([]);
  });

  test('nobody is limited, or stays so, while handlers are quick', () => {
    const { look, dispatcher } = limitsOver([FAR_BEHIND, NEARLY_DONE]);
    look();
    dispatcher.slow = false;
    expect(look()).toEqual([Infinity, Infinity]);
  });

  test('a fiftieth of the buffer is everyone’s', () => {
    const { look } = limitsOver([{ held: 0, unread: 1_000_000 }, NEARLY_DONE]);
    expect(look()).toEqual([Infinity, 20]);
  });

  test('where bytes fill the buffer, shares are of what has room by bytes', () => {
    // A record counts 201 bytes here, and the first ones were thought to be larger.
    const { look } = limitsOver([FAR_BEHIND, NEARLY_DONE], { bytesMax: 100_500 });
    expect(look()).toEqual([Infinity, 99]);
  });

  test('nobody waits for one that hands nothing out', () => {
    const { look, partitions } = limitsOver([FAR_BEHIND, NEARLY_DONE, { held: 500, unread: 500 }]);
    partitions[0].userPaused = true;
    // Of the two others the second is the furthest behind, and holds less than two thirds of the buffer.
    expect(look()).toEqual([Infinity, Infinity, 333]);
    partitions[0].userPaused = false;
    partitions[0].drain();
    expect(look()).toEqual([Infinity, Infinity, 333]);
    partitions[0].close();
    expect(look()).toEqual([Infinity, Infinity, 333]);
  });

  test('nobody waits for one that cannot take in any more', () => {
    const { look, partitions, highs } = limitsOver([FAR_BEHIND, NEARLY_DONE]);
    const { tracker } = partitions[0];
    expect(look()).toEqual([Infinity, 200]);
    // Every other record completed: the offset map has no room for more.
    for (let offset = 0; offset < 100_000; offset += 1) {
      const ticket = tracker.register(offset) as number;
      if (offset % 2 === 1) tracker.complete(ticket);
    }
    highs[0] = 200_000;
    expect(partitions[0].full).toBe(true);
    expect(look()).toEqual([Infinity, Infinity]);
  });

  test('nobody waits longer than 5 s for one of which nothing comes, until something does', () => {
    const { look, partitions, read } = limitsOver([FAR_BEHIND, NEARLY_DONE]);
    const limits = Array.from({ length: 12 }, () => look()[1]);
    expect(limits).toEqual([...Array(10).fill(200), Infinity, Infinity]);
    read(partitions[0], 1);
    expect(look()).toEqual([Infinity, 200]);
  });

  test('the 5 s begin anew where it had enough in between', () => {
    const { look, dispatcher } = limitsOver([FAR_BEHIND, NEARLY_DONE]);
    for (let looks = 0; looks < 9; looks += 1) look();
    dispatcher.slow = false;
    look();
    dispatcher.slow = true;
    expect(Array.from({ length: 11 }, () => look()[1])).toEqual([...Array(10).fill(200), Infinity]);
  });

  test('where the client does not know the end yet, what is held is all that is left', () => {
    const { look, highs } = limitsOver([FAR_BEHIND, { held: 1_001, unread: 999 }]);
    delete highs[1];
    expect(look()).toEqual([Infinity, 111]);
    delete highs[0];
    expect(look()).toEqual([Infinity, Infinity]);
  });

  test('where the application says how much a partition may hold, that is all', () => {
    const { clock, partitions } = limitsOver([FAR_BEHIND, NEARLY_DONE], { recordsMax: 600 });
    pass(clock, 5_000);
    expect(partitions.map(({ lagLimit }) => lagLimit)).toEqual([Infinity, Infinity]);
  });

  test('it ends', () => {
    const { limits, clock, partitions } = limitsOver([FAR_BEHIND, NEARLY_DONE]);
    limits.stop();
    pass(clock, 5_000);
    expect(partitions.map(({ lagLimit }) => lagLimit)).toEqual([Infinity, Infinity]);
  });
});

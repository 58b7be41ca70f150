import { describe, expect, test } from 'vitest';
import { namesOf, recordOf, sharedOf } from '../../sim/stations.ts';
import type { TopicPartition } from './client.ts';
import type { Delivery } from './delivery.ts';
import { Partition } from './partition.ts';
import { Pauses } from './pauses.ts';

/** Pauses over `count` partitions that are full at 4 records, in a buffer of 8, and what the client was told. */
function pausesOver(count: number) {
  const told: string[] = [];
  const tell = (what: string) => (partitions: readonly TopicPartition[]) =>
    void told.push(`${what} ${namesOf(partitions)}`);
  const shared = sharedOf({ bufferedRecordsMax: 8, bufferedRecordsPerPartitionMax: 4 }, { ordering: 'unordered' });
  const partitions = Array.from({ length: count }, (_, partition) => new Partition({ topic: 't', partition }, shared));
  const pauses = new Pauses({ pause: tell('pause'), resume: tell('resume') }, shared.budget, () =>
    partitions.filter(({ state }) => state !== 'closed'),
  );
  return { pauses, partitions, partition: partitions[0] as Partition, takeTold: () => told.splice(0) };
}

type Over = ReturnType<typeof pausesOver>;

/** Registers records and tells of each one, as the poller does. */
function fill({ pauses }: Over, partition: Partition, count: number): Delivery[] {
  return Array.from({ length: count }, () => {
    const offset = partition.tracker.position ?? 0;
    const delivery = partition.register(recordOf({ partition: partition.partition, offset }), offset) as Delivery;
    pauses.onRegistered(partition);
    return delivery;
  });
}

function complete({ pauses }: Over, partition: Partition, deliveries: readonly Delivery[]): void {
  for (const delivery of deliveries) partition.complete(delivery);
  pauses.onSettled();
}

function pauseByUser({ pauses }: Over, partition: Partition, paused: boolean): void {
  partition.userPaused = paused;
  pauses.apply([partition]);
}

describe('Pauses', () => {
  test('a partition that is full is paused once, and resumed once when it is relieved', () => {
    const over = pausesOver(2);
    const deliveries = fill(over, over.partition, 3);
    expect(over.takeTold()).toEqual([]);
    deliveries.push(...fill(over, over.partition, 3));
    expect(over.takeTold()).toEqual(['pause t[0]']);
    complete(over, over.partition, deliveries.splice(0, 3));
    expect(over.takeTold()).toEqual([]);
    complete(over, over.partition, deliveries.splice(0, 1));
    expect(over.takeTold()).toEqual(['resume t[0]']);
    complete(over, over.partition, deliveries);
    expect(over.takeTold()).toEqual([]);
  });

  test('of twelve partitions the one that is full is paused alone', () => {
    const over = pausesOver(12);
    fill(over, over.partition, 4);
    expect([over.takeTold(), over.pauses.all]).toEqual([['pause t[0]'], false]);
  });

  test('the client is told only of changes', () => {
    const over = pausesOver(2);
    for (const paused of [false, true, true, false, false]) pauseByUser(over, over.partition, paused);
    expect(over.takeTold()).toEqual(['pause t[0]', 'resume t[0]']);
  });

  test('what changes together is told in one call, each way', () => {
    const over = pausesOver(4);
    const [first, second, third] = over.partitions as [Partition, Partition, Partition];
    for (const partition of [first, second]) pauseByUser(over, partition, true);
    over.takeTold();
    [first.userPaused, second.userPaused, third.userPaused] = [false, false, true];
    over.pauses.apply(over.partitions);
    expect(over.takeTold()).toEqual(['pause t[2]', 'resume t[0] t[1]']);
  });

  test('all are paused, and resumed when the buffer is relieved and not before', () => {
    const over = pausesOver(3);
    const deliveries = over.partitions.flatMap((partition) => fill(over, partition, 3));
    over.pauses.stall();
    expect(over.takeTold()).toEqual(['pause t[0] t[1] t[2]']);
    complete(over, over.partition, deliveries.slice(0, 3));
    expect([over.takeTold(), over.pauses.all]).toEqual([[], true]);
    complete(over, over.partitions[1] as Partition, deliveries.slice(3, 5));
    expect([over.takeTold(), over.pauses.all]).toEqual([['resume t[0] t[1] t[2]'], false]);
  });

  type Reason = 'user' | 'full' | 'all';
  test.each<Reason[]>([
    ['user', 'full', 'all'],
    ['user', 'all', 'full'],
    ['full', 'user', 'all'],
    ['full', 'all', 'user'],
    ['all', 'user', 'full'],
    ['all', 'full', 'user'],
  ])('paused for three reasons: resumed when %s, then %s and then %s has ended', (...order) => {
    const over = pausesOver(3);
    const deliveries = fill(over, over.partition, 4);
    // The others hold so much that the buffer is not relieved: that alone would end `all`.
    const others = over.partitions.slice(1);
    const held = others.map((other) => fill(over, other, 3));
    pauseByUser(over, over.partition, true);
    over.pauses.stall();
    expect(over.takeTold()).toEqual(['pause t[0]', 'pause t[1] t[2]']);
    const end: Record<Reason, () => void> = {
      user: () => pauseByUser(over, over.partition, false),
      full: () => complete(over, over.partition, deliveries),
      all: () => {
        for (const [index, other] of others.entries()) complete(over, other, held[index] ?? []);
      },
    };
    const paused = order.map((reason) => {
      end[reason]();
      return over.partition.clientPaused;
    });
    expect(paused).toEqual([true, true, false]);
    expect(over.takeTold().filter((call) => call.includes('t[0]'))).toHaveLength(1);
  });

  test.each([
    { name: 'to close', reasons: ['close'] },
    { name: 'to close while it was stalled', reasons: ['stall', 'close'] },
    { name: 'to close and stalls then', reasons: ['close', 'stall'] },
  ] as const)('what is paused $name stays paused, however much room there is', ({ reasons }) => {
    const over = pausesOver(2);
    const deliveries = fill(over, over.partition, 3);
    for (const reason of reasons) over.pauses[reason]();
    complete(over, over.partition, deliveries);
    expect([over.takeTold(), over.pauses.all]).toEqual([['pause t[0] t[1]'], true]);
  });

  test('a full partition that begins to drain is not resumed, though it is relieved', () => {
    const over = pausesOver(2);
    const deliveries = fill(over, over.partition, 4);
    over.partition.drain();
    complete(over, over.partition, deliveries);
    expect([over.takeTold(), over.partition.clientPaused]).toEqual([['pause t[0]'], true]);
  });

  test('a partition that comes while all are paused is paused from its start', () => {
    const over = pausesOver(2);
    over.pauses.stall();
    over.takeTold();
    const late = pausesOver(1).partition;
    over.pauses.apply([late]);
    expect([over.takeTold(), late.clientPaused]).toEqual([['pause t[0]'], true]);
  });

  test('the client hears nothing of a closed partition', () => {
    const over = pausesOver(2);
    const deliveries = fill(over, over.partition, 4);
    over.takeTold();
    over.partition.close();
    complete(over, over.partition, deliveries);
    pauseByUser(over, over.partition, true);
    over.pauses.stall();
    expect(over.takeTold()).toEqual(['pause t[1]']);
  });

  test('a full partition that closed and came again starts anew', () => {
    const over = pausesOver(1);
    fill(over, over.partition, 4);
    over.partition.close();
    over.pauses.onSettled();
    over.takeTold();
    const again = pausesOver(1).partition;
    fill(over, again, 4);
    expect(over.takeTold()).toEqual(['pause t[0]']);
  });
});

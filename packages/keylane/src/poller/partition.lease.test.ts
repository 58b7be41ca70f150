import { expect, test } from 'vitest';
import { Leases } from '../wire/leases.ts';
import { Budget } from './budget.ts';
import { Partition } from './partition.ts';

test('a partition holds its lease while it is active or drains, and none once it is closed', () => {
  const leases = new Leases();
  const shared = {
    options: { offsetMapCharactersMax: 4_095, bufferedRecordsPerPartitionMax: 1 },
    threads: 1,
    laneKey: () => undefined,
    budget: new Budget({ bufferedRecordsMax: 1, bufferedBytesMax: 1, recordsPerPollMax: 1 }),
    leases,
  };
  const [partition, other] = [0, 1].map((number) => new Partition({ topic: 't', partition: number }, shared));
  const held = () => [partition, other].map((one) => leases.holds((one as Partition).lease));
  partition?.drain();
  expect(held()).toEqual([true, true]);
  partition?.close();
  expect(held()).toEqual([false, true]);
  // Assigned again it is another object, with a lease of its own.
  const again = new Partition({ topic: 't', partition: 0 }, shared);
  expect([...held(), leases.holds(again.lease)]).toEqual([false, true, true]);
});

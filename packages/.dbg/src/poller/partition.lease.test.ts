import { expect, test } from 'vitest';
import { sharedOf } from '../../sim/stations.ts';
import { Partition } from './partition.ts';

test('a partition holds its lease while it is active or drains, and none once it is closed', () => {
  const shared = sharedOf();
  const { leases } = shared;
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

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordOf, stubPartition } from '../../sim/stations.ts';
import { Delivery } from './delivery.ts';
import { Lane, type LanePartition } from './lane.ts';
import { type Choice, SharedLanes } from './shared-lanes.ts';

const SLOTS = 4;
const CHOICES: readonly Choice[] = ['oldest', 'urgent', 'fair'];

/** A lane whose records have these ages; without any it is empty. */
function laneOf(partition: LanePartition, ...ages: readonly number[]): Lane {
  const lane = new Lane(partition, undefined, 0);
  for (const age of ages) lane.push(new Delivery(recordOf({ offset: age }), lane, 0, age, 0));
  return lane;
}

const ageOf = (lane: Lane | undefined) => lane && (lane.head?.age ?? -1);

/** Takes them all out, each in flight from then on. */
function drain(lanes: SharedLanes, choice: Choice): (number | undefined)[] {
  const ages: (number | undefined)[] = [];
  for (let lane = lanes.pop(choice, SLOTS); lane !== undefined; lane = lanes.pop(choice, SLOTS)) {
    lane.partition.inFlight += 1;
    ages.push(ageOf(lane));
  }
  return ages;
}

describe('SharedLanes', () => {
  const filled = () => {
    const [slow, fast] = [stubPartition(), stubPartition()];
    const lanes = new SharedLanes();
    for (const age of [1, 2, 3, 4]) lanes.push(laneOf(slow, age));
    for (const age of [5, 6]) lanes.push(laneOf(fast, age));
    return { lanes, slow, fast };
  };

  test.each(['oldest', 'urgent'] as const)('%s: the oldest of all, whatever its partition', (choice) => {
    const { lanes } = filled();
    expect([lanes.size, drain(lanes, choice), lanes.size]).toEqual([6, [1, 2, 3, 4, 5, 6], 0]);
  });

  test('fair: in turn where each has as much in flight; alone where the other has no more lanes', () => {
    expect(drain(filled().lanes, 'fair')).toEqual([1, 5, 2, 6, 3, 4]);
  });

  test('fair: one that has much in flight waits until the others have as much', () => {
    const { lanes, slow } = filled();
    slow.inFlight = 2;
    expect(drain(lanes, 'fair')).toEqual([5, 6, 1, 2, 3, 4]);
  });

  test.each(CHOICES)('empty lanes of closed partitions do not stand in the way of others: %s', (choice) => {
    const lanes = new SharedLanes();
    const partition = stubPartition();
    for (const ages of [[2], [], [1], [], [3]]) lanes.push(laneOf(partition, ...ages));
    expect(drain(lanes, choice)).toEqual([-1, -1, 1, 2, 3]);
  });

  test.each([
    { name: 'a few records of many', ages: [12, 22, 32], first: 10 },
    { name: 'a record in every slots', ages: [12, 16, 20, 24], first: 10 },
    { name: 'more than a record in every slots', ages: [12, 13, 14, 15], first: 12 },
  ])('urgent: a lane that cannot be done in time goes before older ones: $name', ({ ages, first }) => {
    const lanes = new SharedLanes();
    const partition = stubPartition();
    lanes.push(laneOf(partition, 10));
    lanes.push(laneOf(partition, 11));
    lanes.push(laneOf(partition, ...ages));
    expect(ageOf(lanes.pop('urgent', SLOTS))).toBe(first);
    expect(ageOf(lanes.pop('oldest', SLOTS))).toBe(first === 10 ? 11 : 10);
  });

  test.each([
    { name: 'as old as each other', ageOf: (partition: number, round: number) => round * 100 + partition },
    { name: 'each older than the next', ageOf: (partition: number, round: number) => partition * 100 + round },
  ])('fair: of many partitions, $name, each comes about as often, and none with much in flight before', ({ ageOf }) => {
    const partitions = Array.from({ length: 100 }, () => stubPartition());
    const [busy, ...others] = partitions as [LanePartition, ...LanePartition[]];
    busy.inFlight = 50;
    const lanes = new SharedLanes();
    for (let round = 0; round < 20; round += 1) {
      for (const [index, one] of partitions.entries()) lanes.push(laneOf(one, ageOf(index, round)));
    }
    for (let left = 10 * others.length; left > 0; left -= 1) {
      const lane = lanes.pop('fair', SLOTS) as Lane;
      lane.partition.inFlight += 1;
    }
    expect(busy.inFlight).toBe(50);
    const shares = others.map(({ inFlight }) => inFlight);
    expect([Math.min(...shares) >= 8, Math.max(...shares) <= 12]).toEqual([true, true]);
  });

  test('what was told apart by partition still goes by age once handlers are quick', () => {
    const { lanes, slow, fast } = filled();
    slow.inFlight = 1;
    expect(ageOf(lanes.pop('fair', SLOTS))).toBe(5);
    lanes.push(laneOf(fast, 7));
    lanes.push(laneOf(slow, 0));
    expect([lanes.size, drain(lanes, 'oldest'), lanes.size]).toEqual([7, [0, 1, 2, 3, 4, 6, 7], 0]);
  });

  test('random pushes and pops: equals a list searched anew each time', () => {
    const partition = fc.nat(2);
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ push: fc.nat(1_000_000), partition }) },
      { weight: 3, arbitrary: fc.record({ choice: fc.constantFrom(...CHOICES) }) },
      { weight: 2, arbitrary: fc.record({ landed: partition }) },
    );
    const steps = fc.uniqueArray(step, {
      maxLength: 300,
      size: 'max',
      selector: (one) => ('push' in one ? one.push : one),
    });
    fc.assert(
      fc.property(steps, (all) => {
        const partitions = [stubPartition(), stubPartition(), stubPartition()];
        const lanes = new SharedLanes();
        let model: Lane[] = [];
        for (const next of all) {
          if ('push' in next) {
            const lane = laneOf(partitions[next.partition] as LanePartition, next.push);
            lanes.push(lane);
            model.push(lane);
          } else if ('landed' in next) {
            (partitions[next.landed] as LanePartition).inFlight = 0;
          } else {
            const need = ({ partition: { inFlight } }: Lane) => (next.choice === 'fair' ? inFlight : 0);
            const [expected] = model.toSorted((a, b) => need(a) - need(b) || Number(ageOf(a)) - Number(ageOf(b)));
            const lane = lanes.pop(next.choice, SLOTS);
            expect(lane).toBe(expected);
            if (lane === undefined) continue;
            lane.partition.inFlight += 1;
            model = model.filter((other) => other !== lane);
          }
          expect(lanes.size).toBe(model.length);
        }
      }),
    );
  });
});

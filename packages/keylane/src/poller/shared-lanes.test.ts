import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordOf, stubPartition } from '../../sim/stations.ts';
import { Delivery } from './delivery.ts';
import { Lane, type LanePartition } from './lane.ts';
import { SharedLanes } from './shared-lanes.ts';

function laneOf(partition: LanePartition, age: number): Lane {
  const lane = new Lane(partition, undefined, 0);
  lane.push(new Delivery(recordOf({ offset: age }), lane, 0, age, 0));
  return lane;
}

const ageOf = (lane: Lane | undefined) => lane?.head?.age;

/** Takes them all out, each in flight from then on. */
function drain(lanes: SharedLanes, fair: boolean): (number | undefined)[] {
  const ages: (number | undefined)[] = [];
  for (let lane = lanes.pop(fair); lane !== undefined; lane = lanes.pop(fair)) {
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

  test('the oldest of all, whatever its partition', () => {
    const { lanes } = filled();
    expect([lanes.size, drain(lanes, false), lanes.size]).toEqual([6, [1, 2, 3, 4, 5, 6], 0]);
  });

  test('in turn where each has as much in flight; alone where the other has no more lanes', () => {
    expect(drain(filled().lanes, true)).toEqual([1, 5, 2, 6, 3, 4]);
  });

  test('one that has much in flight waits until the others have as much', () => {
    const { lanes, slow } = filled();
    slow.inFlight = 2;
    expect(drain(lanes, true)).toEqual([5, 6, 1, 2, 3, 4]);
  });

  test('what was told apart by partition is still taken oldest first once handlers are quick', () => {
    const { lanes, slow, fast } = filled();
    slow.inFlight = 1;
    expect(ageOf(lanes.pop(true))).toBe(5);
    lanes.push(laneOf(fast, 7));
    lanes.push(laneOf(slow, 0));
    expect([lanes.size, drain(lanes, false), lanes.size]).toEqual([7, [0, 1, 2, 3, 4, 6, 7], 0]);
  });

  test('random pushes and pops: equals a list searched anew each time', () => {
    const partition = fc.nat(2);
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ push: fc.nat(1_000_000), partition }) },
      { weight: 3, arbitrary: fc.record({ fair: fc.boolean() }) },
      { weight: 2, arbitrary: fc.record({ landed: partition }) },
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(step, { maxLength: 300, size: 'max', selector: (one) => ('push' in one ? one.push : one) }),
        (steps) => {
          const partitions = [stubPartition(), stubPartition(), stubPartition()];
          const lanes = new SharedLanes();
          let model: Lane[] = [];
          for (const next of steps) {
            if ('push' in next) {
              const lane = laneOf(partitions[next.partition] as LanePartition, next.push);
              lanes.push(lane);
              model.push(lane);
            } else if ('landed' in next) {
              (partitions[next.landed] as LanePartition).inFlight = 0;
            } else {
              const need = ({ partition: { inFlight } }: Lane) => (next.fair ? inFlight : 0);
              const [expected] = model.toSorted((a, b) => need(a) - need(b) || Number(ageOf(a)) - Number(ageOf(b)));
              const lane = lanes.pop(next.fair);
              expect(lane).toBe(expected);
              if (lane === undefined) continue;
              lane.partition.inFlight += 1;
              model = model.filter((other) => other !== lane);
            }
            expect(lanes.size).toBe(model.length);
          }
        },
      ),
    );
  });
});

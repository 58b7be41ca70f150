import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordOf, stubPartition } from '../../sim/stations.ts';
import { Delivery } from './delivery.ts';
import { Lane } from './lane.ts';
import { ReadyLanes } from './ready-lanes.ts';

const partition = stubPartition();

/** A lane whose first record has this age; without one it is empty. */
function laneOf(age?: number): Lane {
  const lane = new Lane(partition, undefined, 0);
  if (age === undefined) return lane;
  lane.push(new Delivery(recordOf({ offset: age }), lane, 0, age, 0));
  return lane;
}

const ageOf = (lane: Lane | undefined) => (lane === undefined ? undefined : (lane.head?.age ?? -1));

function drain(lanes: ReadyLanes): (number | undefined)[] {
  return Array.from({ length: lanes.size }, () => ageOf(lanes.pop()));
}

describe('ReadyLanes', () => {
  test.each([
    { name: 'nothing', ages: [] },
    { name: 'lanes in the order their records came', ages: [1, 2, 3, 4] },
    { name: 'lanes that came back, all of them', ages: [4, 3, 2, 1] },
    { name: 'some came back', ages: [5, 8, 1, 9, 7, 3, 10, 2] },
  ])('the oldest first: $name', ({ ages }) => {
    const lanes = new ReadyLanes();
    for (const age of ages) lanes.push(laneOf(age));
    expect(lanes.oldest()).toBe(Math.min(...ages));
    expect(drain(lanes)).toEqual(ages.toSorted((a, b) => a - b));
    expect([lanes.pop(), lanes.size, lanes.oldest()]).toEqual([undefined, 0, Infinity]);
  });

  test('empty lanes of closed partitions do not stand in the way of others', () => {
    const lanes = new ReadyLanes();
    for (const lane of [laneOf(2), laneOf(), laneOf(1), laneOf(), laneOf(3)]) lanes.push(lane);
    expect(drain(lanes)).toEqual([-1, -1, 1, 2, 3]);
  });

  test('many lanes that came back in any order', () => {
    const ages = fc.uniqueArray(fc.nat(1_000_000), { minLength: 50, maxLength: 300, size: 'max' });
    fc.assert(
      fc.property(ages, (all) => {
        const lanes = new ReadyLanes();
        // Behind a younger one, none of them is new.
        for (const age of [2_000_000, ...all]) lanes.push(laneOf(age));
        expect(drain(lanes)).toEqual([...all.toSorted((a, b) => a - b), 2_000_000]);
      }),
    );
  });

  test('random pushes and pops: equals a list sorted by age', () => {
    // New lanes are the youngest of all, those that come back have any age: both ways in, in any mixture.
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant('new' as const) },
      { weight: 3, arbitrary: fc.nat(1_000_000) },
      { weight: 4, arbitrary: fc.constant('pop' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
        const lanes = new ReadyLanes();
        const model: Lane[] = [];
        let youngest = 1_000_000;
        const used = new Set<number>();
        for (const next of steps) {
          if (next === 'pop') {
            expect(lanes.pop()).toBe(model.shift());
          } else {
            if (next === 'new') youngest += 1;
            const age = next === 'new' ? youngest : next;
            if (used.has(age)) continue;
            used.add(age);
            const lane = laneOf(age);
            lanes.push(lane);
            model.push(lane);
            model.sort((a, b) => Number(ageOf(a)) - Number(ageOf(b)));
          }
          expect(lanes.size).toBe(model.length);
          expect(lanes.oldest()).toBe(ageOf(model[0]) ?? Infinity);
        }
      }),
      { numRuns: 100 },
    );
  });
});

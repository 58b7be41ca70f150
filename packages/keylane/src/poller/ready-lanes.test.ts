import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stubPartition } from '../../sim/stations.ts';
import { Lane } from './lane.ts';
import { ReadyLanes } from './ready-lanes.ts';

const partition = stubPartition();

function filled(ranks: readonly number[]): ReadyLanes {
  const lanes = new ReadyLanes();
  for (const rank of ranks) lanes.push(new Lane(partition, undefined, 0), rank);
  return lanes;
}

function drain(lanes: ReadyLanes): (number | undefined)[] {
  return Array.from({ length: lanes.size }, () => lanes.pop()?.rank);
}

describe('ReadyLanes', () => {
  test.each([
    { name: 'nothing', ranks: [] },
    { name: 'lanes in the order their records came', ranks: [1, 2, 3, 4] },
    { name: 'lanes that came back, all of them', ranks: [4, 3, 2, 1] },
    { name: 'some came back', ranks: [5, 8, 1, 9, 7, 3, 10, 2] },
    { name: 'some as high as others', ranks: [2, 2, 1, 2, 1] },
  ])('the lowest rank first: $name', ({ ranks }) => {
    const lanes = filled(ranks);
    expect(lanes.rank).toBe(Math.min(...ranks));
    expect(drain(lanes)).toEqual(ranks.toSorted((a, b) => a - b));
    expect([lanes.pop(), lanes.size, lanes.rank]).toEqual([undefined, 0, Infinity]);
  });

  test('many lanes that came back in any order', () => {
    const ranks = fc.uniqueArray(fc.nat(1_000_000), { minLength: 50, maxLength: 300, size: 'max' });
    fc.assert(
      fc.property(ranks, (all) => {
        // Behind a younger one, none of them is new.
        expect(drain(filled([2_000_000, ...all]))).toEqual([...all.toSorted((a, b) => a - b), 2_000_000]);
      }),
    );
  });

  test('random pushes and pops: equals a list sorted by rank', () => {
    // New lanes have the highest rank of all, those that come back have any: both ways in, in any mixture.
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant('new' as const) },
      { weight: 3, arbitrary: fc.nat(1_000_000) },
      { weight: 4, arbitrary: fc.constant('pop' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
        const lanes = new ReadyLanes();
        const model: Lane[] = [];
        let highest = 1_000_000;
        const used = new Set<number>();
        for (const next of steps) {
          if (next === 'pop') {
            expect(lanes.pop()).toBe(model.shift());
          } else {
            if (next === 'new') highest += 1;
            const rank = next === 'new' ? highest : next;
            if (used.has(rank)) continue;
            used.add(rank);
            const lane = new Lane(partition, undefined, 0);
            lanes.push(lane, rank);
            model.push(lane);
            model.sort((a, b) => a.rank - b.rank);
          }
          expect(lanes.size).toBe(model.length);
          expect(lanes.rank).toBe(model[0]?.rank ?? Infinity);
        }
      }),
      { numRuns: 100 },
    );
  });
});

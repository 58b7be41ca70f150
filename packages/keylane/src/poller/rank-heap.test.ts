import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Ranked, RankHeap } from './rank-heap.ts';

const item = (rank: number): Ranked => ({ rank, place: -1 });

function drain(heap: RankHeap<Ranked>): number[] {
  const ranks: number[] = [];
  for (let first = heap.first; first !== undefined; first = heap.first) {
    ranks.push(first.rank);
    heap.remove(first);
  }
  return ranks;
}

describe('RankHeap', () => {
  test('an empty one has no first', () => {
    expect([new RankHeap().first, new RankHeap().items]).toEqual([undefined, []]);
  });

  test.each([
    { name: 'in order', ranks: [1, 2, 3, 4, 5] },
    { name: 'in reverse', ranks: [5, 4, 3, 2, 1] },
    { name: 'mixed', ranks: [4, 1, 5, 2, 3] },
    { name: 'as high as others, and without end', ranks: [2, Infinity, 2, 1, Infinity] },
  ])('comes out by rank: $name', ({ ranks }) => {
    const heap = new RankHeap();
    for (const rank of ranks) heap.push(item(rank));
    expect(drain(heap)).toEqual(ranks.toSorted((a, b) => a - b));
  });

  test('random pushes, changes and removals: equals a list searched anew each time, and each item knows its place', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ push: fc.nat(1_000) }) },
      { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) },
      { weight: 3, arbitrary: fc.record({ move: fc.nat(), to: fc.nat(1_000) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const heap = new RankHeap();
        const model: Ranked[] = [];
        for (const next of steps) {
          if ('push' in next) {
            const pushed = item(next.push);
            heap.push(pushed);
            model.push(pushed);
          } else if (model.length > 0) {
            const place = ('remove' in next ? next.remove : next.move) % model.length;
            const chosen = model[place] as Ranked;
            if ('remove' in next) {
              heap.remove(chosen);
              model.splice(place, 1);
            } else {
              chosen.rank = next.to;
              heap.moved(chosen);
            }
          }
          expect(heap.first?.rank).toBe(model.length === 0 ? undefined : Math.min(...model.map(({ rank }) => rank)));
          expect(heap.items.length).toBe(model.length);
          for (const one of model) expect(heap.items[one.place]).toBe(one);
        }
        expect(drain(heap)).toEqual(model.map(({ rank }) => rank).toSorted((a, b) => a - b));
      }),
    );
  });
});

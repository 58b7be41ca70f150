import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { collectGarbage } from '../../sim/collect-garbage.ts';
import { runBytes } from './offset-map.ts';
import { RestoredRanges } from './restored-ranges.ts';

/** Ascending ranges, none empty and none beside another. */
const anyRanges = fc
  .array(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 100, max: 100_000 })), { maxLength: 60 })
  .map((distances) => {
    let at = 0;
    const bounds = distances.map((distance) => {
      at += distance;
      return at;
    });
    return bounds.slice(0, bounds.length & ~1);
  });

const pairsOf = (ranges: readonly number[]) =>
  ranges.flatMap((start, index) => (index % 2 === 0 ? [[start, ranges[index + 1] as number] as const] : []));

describe('RestoredRanges', () => {
  test('any ranges, any offsets that ascend: has what lies inside', () => {
    fc.assert(
      fc.property(anyRanges, fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 60 }), (ranges, steps) => {
        const restored = new RestoredRanges(ranges);
        let offset = 0;
        for (const step of steps) {
          offset += step;
          const inside = pairsOf(ranges).some(([start, end]) => offset >= start && offset < end);
          expect(restored.has(offset)).toBe(inside);
        }
      }),
    );
  });

  test('whatever was dropped: what is left, clipped at the position, its end, and no more bytes than it takes', () => {
    fc.assert(
      fc.property(anyRanges, fc.array(fc.nat(2_000), { maxLength: 20 }), (ranges, steps) => {
        const restored = new RestoredRanges(ranges);
        let position = 0;
        for (const step of steps) {
          position += step;
          restored.dropBelow(position);
          const left = pairsOf(ranges).filter(([, end]) => end > position);
          const clipped = left.flatMap(([start, end]) => [Math.max(start, position), end]);
          expect(restored.appendTo([], position)).toEqual(clipped);
          expect(restored.end).toBe(left.at(-1)?.[1] ?? 0);
          const whole = left.flat();
          const bytes = whole.reduce(
            (sum, at, index) => sum + (index === 0 ? 9 : runBytes(at - (whole[index - 1] as number))),
            0,
          );
          expect(restored.runBytes).toBe(bytes);
        }
      }),
    );
  });

  test.each([
    { name: 'nothing is left', ranges: [5, 7], drop: 7, before: [1, 2], expected: [1, 2] },
    { name: 'all is left', ranges: [5, 7], drop: 3, before: [1, 2], expected: [1, 2, 5, 7] },
    { name: 'a part of a range', ranges: [5, 9, 12, 13], drop: 7, before: [1, 2], expected: [1, 2, 7, 9, 12, 13] },
    { name: 'one that goes on where the others ended', ranges: [5, 9], drop: 7, before: [1, 7], expected: [1, 9] },
    { name: 'nothing before', ranges: [5, 9], drop: 5, before: [], expected: [5, 9] },
  ])('appended to what is known: $name', ({ ranges, drop, before, expected }) => {
    const restored = new RestoredRanges(ranges);
    restored.dropBelow(drop);
    expect(restored.appendTo([...before], drop)).toEqual(expected);
  });

  test('what is passed is not kept', async () => {
    let ranges: number[] | undefined = Array.from({ length: 1_000 }, (_, index) => 2 * index);
    const [kept, end] = [new WeakRef(ranges), ranges.at(-1) as number];
    const restored = new RestoredRanges(ranges);
    ranges = undefined;
    restored.dropBelow(end - 1);
    await collectGarbage();
    expect([kept.deref() === undefined, restored.end]).toEqual([false, end]);
    restored.dropBelow(end);
    await collectGarbage();
    expect([kept.deref(), restored.end, restored.runBytes, restored.has(end)]).toEqual([undefined, 0, 0, false]);
  });

  test('of nothing there is nothing', () => {
    const restored = new RestoredRanges([]);
    expect([restored.has(0), restored.end, restored.runBytes, restored.appendTo([], 0)]).toEqual([false, 0, 0, []]);
  });
});

import fc from 'fast-check';
import { encodeOffsetMap } from 'keylane/dead-letter';
import { describe, expect, test } from 'vitest';
import { OffsetSet } from './offset-set.ts';

const ranges = fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 40 })), { maxLength: 40 });

function setOf(added: readonly (readonly [from: number, length: number])[]): OffsetSet {
  const set = OffsetSet.empty();
  for (const [from, length] of added) set.add(from, from + length);
  return set;
}

describe('OffsetSet', () => {
  test('holds what was added, in whatever order', () => {
    fc.assert(
      fc.property(ranges, (added) => {
        const set = setOf(added);
        for (let offset = 0; offset < 345; offset += 1) {
          const isIn = added.some(([from, length]) => offset >= from && offset < from + length);
          expect(set.has(offset)).toBe(isIn);
        }
        expect(set.end).toBe(Math.max(0, ...added.map(([from, length]) => from + length)));
      }),
    );
  });

  test('comes back from a commit as it was, from where the log begins', () => {
    fc.assert(
      fc.property(ranges, fc.nat(320), (added, low) => {
        const set = setOf(added);
        const { offset, metadata } = set.committable(low);
        expect(offset).toBeGreaterThanOrEqual(low);
        const restored = OffsetSet.restore(offset, metadata) as OffsetSet;
        for (let at = low; at < 345; at += 1) expect(restored.has(at)).toBe(set.has(at));
      }),
    );
  });

  test('a copy goes its own way', () => {
    const set = setOf([[3, 2]]);
    set.copy().add(10, 12);
    expect([set.has(10), set.end]).toEqual([false, 5]);
  });

  test('a commit that was moved to another offset is not believed', () => {
    expect(OffsetSet.restore(5, encodeOffsetMap(4, [6, 8]))).toEqual({
      problem: 'it is damaged, or belongs to another offset',
    });
  });
});

describe('canGrowTo', () => {
  const everyOther = (from: number, to: number) => {
    const set = OffsetSet.empty();
    for (let offset = from; offset < to; offset += 2) set.add(offset, offset + 1);
    return set;
  };

  test.each([
    ['everything in order, however much', OffsetSet.empty(), setOf([[0, 5_000_000]]), true],
    ['every other one of what a bit set holds', OffsetSet.empty(), everyOther(1, 61_000), true],
    ['every other one of more than that', OffsetSet.empty(), everyOther(1, 63_000), false],
    ['one far away', OffsetSet.empty(), setOf([[9_000_000, 1]]), true],
    // Its first half is in order and its second is not; before, it was the other way round.
    ['what fits at both ends and not between', everyOther(1, 40_000), crossed(40_000, 100_000), false],
  ])('%s: %#', (_, now, larger, fits) => {
    expect(now.canGrowTo(larger, 0)).toBe(fits);
  });

  function crossed(middle: number, to: number): OffsetSet {
    const set = setOf([[0, middle]]);
    for (let offset = middle + 1; offset < to; offset += 20) set.add(offset, offset + 1);
    return set;
  }

  test('whatever is replayed first, a commit holds it', () => {
    const start = everyOther(1, 3_000);
    const end = setOf([[0, 70_000]]);
    expect(start.canGrowTo(end, 0)).toBe(true);
    const set = start.copy();
    for (let offset = 0; offset < 70_000; offset += 500) {
      set.add(offset, offset + 500);
      expect(set.committable(0).metadata.length).toBeLessThanOrEqual(4_095);
    }
  });
});

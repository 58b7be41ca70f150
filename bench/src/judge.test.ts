import { describe, expect, test } from 'vitest';
import type { Target } from './bench.ts';
import { EXAMPLE_FINDINGS, row } from './example-findings.ts';
import { brokenPromises, judged, sentenceOf } from './judge.ts';

const judge = (target: Omit<Target, 'ratio'>, value?: number) => {
  const [only] = judged({ targets: [{ ratio: 'x', ...target }], ratios: value === undefined ? {} : { x: value } });
  if (only === undefined) throw new Error('a target went missing');
  return only;
};

describe('a target', () => {
  test.each([
    [{ atLeast: 0.92 }, 0.92, true],
    [{ atLeast: 0.92 }, 0.919, false],
    [{ atMost: 1 }, 1, true],
    [{ atMost: 1 }, 1.001, false],
    [{ atLeast: 1, atMost: 2 }, 1.5, true],
    [{ atLeast: 1, atMost: 2 }, 2.5, false],
    [{ atLeast: 1, atMost: 2 }, 0.5, false],
    [{ atMost: 1 }, Number.NaN, false],
    [{ atMost: 1 }, undefined, false],
  ])('%o with %d: %s', (target, value, reached) => {
    expect(judge(target, value).reached).toBe(reached);
  });

  test('is told in a sentence', () => {
    expect(sentenceOf(judge({ atLeast: 0.92 }, 0.786))).toBe('✗ x 0.786, at least 0.92 wanted');
    expect(sentenceOf(judge({ atMost: 200 }, 45.3))).toBe('✓ x 45.3, at most 200 wanted');
  });
});

describe('broken promises', () => {
  const counted = (values: Record<string, number | null>, promises: readonly string[]) =>
    brokenPromises({ ...EXAMPLE_FINDINGS, rows: [row('Keylane', values)], promises });

  test.each(['lost', 'duplicated', 'outOfOrder'])('a count of %s in a row that promises none', (key) => {
    expect(counted({ lost: 0, duplicated: 0, outOfOrder: 0, [key]: 3 }, ['Keylane'])).toEqual([`Keylane: ${key} 3`]);
  });

  test('none where all is well, and none of rows that promise nothing', () => {
    expect(counted({ lost: 0, duplicated: 0, outOfOrder: 0, rate: 9 }, ['Keylane'])).toEqual([]);
    expect(counted({ lost: 5, duplicated: 5, outOfOrder: 5 }, [])).toEqual([]);
  });

  test('a target that was missed, where the scenario requires it', () => {
    const targets = (required?: true): Target[] => [{ ratio: 'x', atMost: 1, ...(required && { required }) }];
    const findings = { ...EXAMPLE_FINDINGS, promises: [], ratios: { x: 1.5 } };
    expect(brokenPromises({ ...findings, targets: targets() })).toEqual([]);
    expect(brokenPromises({ ...findings, targets: targets(true) })).toEqual(['✗ x 1.50, at most 1 wanted']);
    expect(brokenPromises({ ...findings, ratios: { x: 1 }, targets: targets(true) })).toEqual([]);
  });
});

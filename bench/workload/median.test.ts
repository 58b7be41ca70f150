import { expect, test } from 'vitest';
import { median } from './median.ts';

test.each([
  [[5], 5],
  [[3, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
  [[100, 9, 20, 3, 8], 9],
  [[-1, -3], -2],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});

test('it leaves the values as they are, and of none it is not a number', () => {
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
  expect(median([])).toBeNaN();
});

import { expect, test } from 'vitest';
import { figure, spreadOf } from './figures.ts';

test.each([
  [124_637.46, undefined, '124,637'],
  [12.345, undefined, '12.3'],
  [1.409, undefined, '1.41'],
  [0.8125, undefined, '0.813'],
  [7, undefined, '7'],
  [0, 0, '0'],
  [4.6, 2, '4.60'],
  [1_234.5, 1, '1,234.5'],
  [null, 2, '–'],
  [undefined, undefined, '–'],
  [Number.NaN, 1, '–'],
])('%d with %s digits reads %s', (value, digits, text) => {
  expect(figure(value, digits)).toBe(text);
});

test.each([
  [100, [96, 104], '±4 %'],
  [100, [100, 100], ''],
  [0, [0, 4], ''],
  [null, [1, 2], ''],
] as const)('around %d, from %j: "%s"', (value, spread, text) => {
  expect(spreadOf(value, spread)).toBe(text);
});

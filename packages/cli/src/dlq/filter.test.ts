import { describe, expect, test } from 'vitest';
import { parseKey, parsePattern, parsePlace, parseTime } from './filter.ts';

const NOW = Date.UTC(2026, 0, 31, 12);

describe('what filters are given', () => {
  test.each([
    ['90s', NOW - 90_000],
    ['15m', NOW - 900_000],
    ['1.5h', NOW - 5_400_000],
    ['3d', NOW - 259_200_000],
    ['2026-01-31T08:00:00Z', Date.UTC(2026, 0, 31, 8)],
    ['2026-01-31', Date.UTC(2026, 0, 31)],
  ])('the time %s', (text, expected) => {
    expect(parseTime(text, NOW)).toBe(expected);
  });

  test('places, keys and patterns', () => {
    expect(parsePlace('3@17')).toEqual({ partition: 3, offset: 17 });
    expect(parseKey('grün')).toEqual(Buffer.from('grün'));
    expect(parseKey('hex:00fF')).toEqual(Buffer.from([0, 255]));
    expect(parsePattern('time.?out').test('a TimeOut')).toBe(true);
  });

  test.each([
    [() => parseTime('soon', NOW), /soon is no time/],
    [() => parseTime('2w', NOW), /2w is no time/],
    [() => parsePlace('17'), /17 is no PARTITION@OFFSET, such as 3@17/],
    [() => parsePlace('a@b'), /a@b is no PARTITION@OFFSET/],
    [() => parseKey('hex:0'), /hex:0: hex: wants pairs/],
    [() => parsePattern('('), /--error \( is no regular expression/],
  ])('%s is refused', (parse, message) => {
    expect(parse).toThrow(message);
  });
});

import { describe, expect, test } from 'vitest';
import { table } from './table.ts';
import { bytesLine, count, cut, cutStart, hexDump, oneLine, printable, time } from './text.ts';

describe('texts of strangers', () => {
  test('nothing a terminal would obey is left', () => {
    expect(printable('a\u001b]0;title\u0007b\r\nc\u202ed\u009b1m')).toBe('a\\x1b]0;title\\x07b\nc\\u202ed\\x9b1m');
    expect(oneLine(' a\n\tb  c ')).toBe('a b c');
  });

  test('columns are counted, not characters', () => {
    expect(cut('日本語のキー', 7)).toBe('日本語…');
    expect(cut('👩‍👩‍👧 family', 6)).toBe('👩‍👩‍👧 fa…');
    expect(cutStart('some-long-topic[3]@17', 12)).toBe('…topic[3]@17');
    expect(cut('short', 5)).toBe('short');
  });

  test('bytes: text where they are, else in the form that --key takes', () => {
    expect(bytesLine(Buffer.from('grün'))).toBe('grün');
    expect(bytesLine(Buffer.from([0xff, 0]))).toBe('hex:ff00');
    expect(bytesLine(null)).toBe('');
    expect(hexDump(Buffer.from('0123456789abcdefg'))).toBe(
      '00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef\n' +
        '00000010  67                                                g',
    );
    expect(hexDump(Buffer.alloc(5_000))).toContain('… 904 more bytes');
  });

  test('times and counts', () => {
    expect([time(0), time(undefined), time(-1), time(NaN)]).toEqual(['1970-01-01 00:00:00Z', '', '', '']);
    expect([count(1, 'record'), count(12_000, 'record')]).toEqual(['1 record', '12,000 records']);
  });
});

describe('table', () => {
  const columns = [
    { heading: 'AT' },
    { heading: 'FROM', columnsMin: 6, keepEnd: true },
    { heading: 'ERROR', columnsMin: 8 },
    { heading: 'N', alignRight: true },
    { heading: 'EMPTY' },
  ];
  const rows = [
    ['0@1', 'orders[0]@17', 'TypeError: no such thing', '5', ''],
    ['0@100', 'x[0]@2', 'short', '12', ''],
  ];

  test('as wide as it needs to be, without columns that are empty', () => {
    expect(table(columns, rows, Infinity)).toEqual([
      'AT     FROM          ERROR                      N',
      '0@1    orders[0]@17  TypeError: no such thing   5',
      '0@100  x[0]@2        short                     12',
    ]);
  });

  test('cut where there is most to give', () => {
    const lines = table(columns, rows, 36);
    expect(lines).toEqual([
      'AT     FROM        ERROR           N',
      '0@1    …ers[0]@17  TypeError: n…   5',
      '0@100  x[0]@2      short          12',
    ]);
  });
});

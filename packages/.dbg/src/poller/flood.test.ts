import { describe, expect, test } from 'vitest';
import { Flood } from './flood.ts';

/** What each of these records, `x` for exhausted and `.` for completed, says. */
function saysOf(limits: Partial<ConstructorParameters<typeof Flood>[0]>, records: string): boolean {
  const flood = new Flood({ shareMax: 1, windowRecords: 10, consecutiveMax: 1_000, ...limits });
  let over = false;
  for (const record of records) {
    if (record === '.') flood.completed();
    else over = flood.isOver();
  }
  return over;
}

describe('Flood', () => {
  test.each([
    { name: 'one record', limits: {}, records: 'x', over: false },
    { name: 'as many in a row as may be', limits: { consecutiveMax: 3 }, records: 'xxx', over: false },
    { name: 'one more', limits: { consecutiveMax: 3 }, records: 'xxxx', over: true },
    { name: 'a row that one completed record ends', limits: { consecutiveMax: 3 }, records: 'xxx.xxx', over: false },
    { name: 'none at all may', limits: { consecutiveMax: 0 }, records: 'x', over: true },
    { name: 'a share of a window not yet full', limits: { shareMax: 0.5 }, records: 'xxxxxxxxx', over: false },
    { name: 'half of a window, and half may be', limits: { shareMax: 0.5 }, records: '.....xxxxx', over: false },
    { name: 'more than half of it', limits: { shareMax: 0.5 }, records: '....xxxxxx', over: true },
    { name: 'what left the window counts no more', limits: { shareMax: 0.5 }, records: 'xxxxxx.....xxxx', over: false },
    { name: 'a share of all never is too much', limits: { shareMax: 1 }, records: 'x'.repeat(30), over: false },
    { name: 'a share of none', limits: { shareMax: 0 }, records: '.........x', over: true },
  ])('$name: $over', ({ limits, records, over }) => {
    expect(saysOf(limits, records)).toBe(over);
  });
});

import { describe, expect, test } from 'vitest';
import {
  type BenchRecord,
  dueMsOf,
  HEAD_BYTES,
  indexOf,
  keyOf,
  monotonicMs,
  sequenceOf,
  workUsOf,
  writeRecord,
} from './record.ts';

function read(value: Buffer): BenchRecord {
  return {
    index: indexOf(value),
    key: keyOf(value),
    sequence: sequenceOf(value),
    workUs: workUsOf(value),
    dueMs: dueMsOf(value),
  };
}

describe('a record', () => {
  test.each([
    { index: 0, key: 0, sequence: 0, workUs: 0, dueMs: 0 },
    { index: 1, key: 2, sequence: 3, workUs: 4, dueMs: 5.678 },
    { index: 2 ** 31 - 1, key: 2 ** 31 - 2, sequence: 2 ** 31 - 3, workUs: 2 ** 31 - 4, dueMs: 123_456_789.012_345 },
  ])('reads as it was written: %o', (record) => {
    expect(read(writeRecord(record, 100))).toEqual(record);
  });

  test.each([
    [0, HEAD_BYTES],
    [HEAD_BYTES, HEAD_BYTES],
    [1_024, 1_024],
  ])('of %i bytes has %i, the rest of them zeros', (asked, bytes) => {
    const value = writeRecord({ index: -1, key: -1, sequence: -1, workUs: -1, dueMs: -1 }, asked);
    expect(value).toHaveLength(bytes);
    expect(value.subarray(HEAD_BYTES).every((byte) => byte === 0)).toBe(true);
  });

  test('lies where the Java peer reads it', () => {
    const value = writeRecord({ index: 1, key: 2, sequence: 3, workUs: 4, dueMs: 1.5 }, HEAD_BYTES);
    expect(value.toString('hex')).toBe('01000000020000000300000004000000000000000000f83f');
  });
});

test("the monotonic clock is the machine's", () => {
  const now = Number(process.hrtime.bigint()) / 1_000_000;
  expect(Math.abs(monotonicMs() - now)).toBeLessThan(50);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { REPORT_RING_BYTES, readReport, writeReport } from './report.ts';
import { Ring } from './ring.ts';
import { toWireError } from './wire-error.ts';

/** Both ends of the reports of a session. */
function reportsOf(bytes = REPORT_RING_BYTES) {
  const here = new Ring(bytes);
  const there = new Ring(here.buffer);
  const write = (completed: readonly number[], serviceMs = 0, activeMs = 0) =>
    writeReport(here, { completed, failed: [], dropped: [], serviceMs, activeMs });
  const read = (length: number) => {
    let read: unknown;
    readReport(there, length, ({ completed, ...rest }) => {
      read = { ...rest, completed: Array.from(completed) };
    });
    return read;
  };
  return { here, write, read };
}

describe('a report in the ring', () => {
  test('is read as it was written', () => {
    const pairs = fc.array(fc.tuple(fc.nat(100_000), fc.integer({ min: 1, max: 256 })), { maxLength: 60 });
    const report = fc.tuple(pairs, fc.double({ min: 0, noNaN: true }), fc.double({ min: 0, noNaN: true }));
    fc.assert(
      fc.property(fc.array(report, { maxLength: 20 }), (reports) => {
        const { write, read } = reportsOf();
        for (const [pairs, serviceMs, activeMs] of reports) {
          const completed = pairs.flat();
          const length = write(completed, serviceMs, activeMs) as number;
          expect(read(length)).toEqual({ type: 'report', completed, failed: [], dropped: [], serviceMs, activeMs });
        }
      }),
    );
  });

  test('there is none of a failure, or of a segment that was given up: that crosses as a message', () => {
    const { here } = reportsOf();
    const report = { completed: [1, 1], failed: [], dropped: [], serviceMs: 0, activeMs: 0 };
    const failure = { laneId: 1, error: toWireError(new Error('no')), stage: 'handle' } as const;
    expect(writeReport(here, { ...report, failed: [failure] })).toBe(undefined);
    expect(writeReport(here, { ...report, dropped: [1] })).toBe(undefined);
  });

  test('there is none that finds no room, and there is room again once others were read', () => {
    const { write, read } = reportsOf(64);
    const length = write([1, 1, 2, 1]) as number;
    expect([length, write([3, 1, 4, 1, 5, 1])]).toEqual([32, undefined]);
    read(length);
    expect(write([3, 1, 4, 1])).toBe(32);
  });
});

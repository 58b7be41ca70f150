/**
 * The layout of a report of completed records alone, in the session's ring of reports; `worker/reporter.ts` has it
 * written, `executor/handler-thread.ts` has it read.
 *
 *     durations   2 × float64   service and active, in milliseconds
 *     completed   2 × int32     per pair: lane id, records
 *
 * One with failures crosses as a message, and so does one that finds no room.
 */
import type { FailedRecord, Report } from './messages.ts';
import type { Ring } from './ring.ts';

/** Room for 8,000 lanes, more than most threads have at a time. */
export const REPORT_RING_BYTES: number = 1 << 16;

const DURATION_BYTES = 2 * Float64Array.BYTES_PER_ELEMENT;

const NO_FAILURES: readonly FailedRecord[] = Object.freeze([]);
const NO_LANES: readonly number[] = Object.freeze([]);

/** Returns its length, for the message that says that it is there; `undefined` where it must cross as a message. */
export function writeReport(
  ring: Ring,
  { completed, failed, dropped, serviceMs, activeMs }: Omit<Report, 'type'>,
): number | undefined {
  if (failed.length > 0 || dropped.length > 0) return undefined;
  const bytes = DURATION_BYTES + completed.length * Int32Array.BYTES_PER_ELEMENT;
  const at = ring.reserve(bytes);
  if (at === undefined) return undefined;
  const durations = new Float64Array(ring.buffer, at, 2);
  durations[0] = serviceMs;
  durations[1] = activeMs;
  new Int32Array(ring.buffer, at + DURATION_BYTES, completed.length).set(completed);
  return bytes;
}

/** Hands the next one over; what it says completed is only there until `use` returns. */
export function readReport(ring: Ring, bytes: number, use: (report: Report) => void): void {
  ring.take(bytes, (at) => {
    const [serviceMs, activeMs] = new Float64Array(ring.buffer, at, 2) as unknown as [number, number];
    const pairs = (bytes - DURATION_BYTES) / Int32Array.BYTES_PER_ELEMENT;
    const completed = new Int32Array(ring.buffer, at + DURATION_BYTES, pairs);
    use({ type: 'report', completed, failed: NO_FAILURES, dropped: NO_LANES, serviceMs, activeMs });
  });
}

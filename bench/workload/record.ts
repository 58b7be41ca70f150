/**
 * The records of the benchmarks: what a producer writes into a value, and where a peer reads it.
 *
 *     0    int32     the record's number in its topic, from 0
 *     4    int32     the number of its key, from 0
 *     8    int32     its number among the records of its key, from 0
 *     12   int32     how long its handler takes, in microseconds
 *     16   float64   when it was due to be sent, in milliseconds of the machine's monotonic clock; 0 in a backlog
 *     24   zeros up to the size asked for
 *
 * Little-endian. `ParallelConsumerPeer.java` reads the same.
 */

/** The smallest value. */
export const HEAD_BYTES = 24;

export interface BenchRecord {
  readonly index: number;
  readonly key: number;
  readonly sequence: number;
  readonly workUs: number;
  readonly dueMs: number;
}

export function writeRecord({ index, key, sequence, workUs, dueMs }: BenchRecord, bytes: number): Buffer {
  const value = Buffer.alloc(Math.max(HEAD_BYTES, bytes));
  value.writeInt32LE(index, 0);
  value.writeInt32LE(key, 4);
  value.writeInt32LE(sequence, 8);
  value.writeInt32LE(workUs, 12);
  value.writeDoubleLE(dueMs, 16);
  return value;
}

export const indexOf = (value: Buffer): number => value.readInt32LE(0);
export const keyOf = (value: Buffer): number => value.readInt32LE(4);
export const sequenceOf = (value: Buffer): number => value.readInt32LE(8);
export const workUsOf = (value: Buffer): number => value.readInt32LE(12);
export const dueMsOf = (value: Buffer): number => value.readDoubleLE(16);

/** The machine's monotonic clock in milliseconds: the same in all threads and processes, and in Java's `nanoTime`. */
export const monotonicMs: () => number = (() => {
  const offset = monotonicOffsetMs();
  return () => performance.now() + offset;
})();

/** Of several readings the quickest: a thread that loses its CPU between the two clocks is milliseconds off. */
function monotonicOffsetMs(): number {
  const readings = Array.from({ length: 20 }, () => {
    const before = performance.now();
    const ms = Number(process.hrtime.bigint() / 1_000n) / 1_000;
    const tookMs = performance.now() - before;
    return { tookMs, offset: ms - before - tookMs / 2 };
  });
  return readings.reduce((best, one) => (one.tookMs < best.tookMs ? one : best)).offset;
}

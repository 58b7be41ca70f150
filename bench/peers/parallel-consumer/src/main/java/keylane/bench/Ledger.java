package keylane.bench;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * What became of each record; counts as bench/workload/ledger.ts does. A record is out of order when its handler begins
 * before the one before it of the same key has ended.
 */
final class Ledger {
  final AtomicInteger completed = new AtomicInteger();
  final AtomicInteger duplicated = new AtomicInteger();
  final AtomicInteger outOfOrder = new AtomicInteger();

  /** Only with times: the most handlers that ran at once. */
  final AtomicInteger runningMax = new AtomicInteger();

  /** Only with times, by record, in milliseconds: when it began and ended; zeros where it did not. */
  final double[] beganMs;

  final double[] endedMs;

  /** Only with times, by record. */
  final int[] keys;

  private final AtomicInteger running = new AtomicInteger();

  /** By key: records that ended. */
  private final AtomicIntegerArray ended;

  /** By record: how often it ended. */
  private final AtomicIntegerArray seen;

  private final boolean times;

  Ledger(Job job) {
    times = job.times();
    ended = new AtomicIntegerArray(job.keys());
    seen = new AtomicIntegerArray(job.records());
    int timed = times ? job.records() : 0;
    beganMs = new double[timed];
    endedMs = new double[timed];
    keys = new int[timed];
  }

  void begin(BenchRecord record) {
    if (record.sequence() > ended.get(record.key())) outOfOrder.incrementAndGet();
    if (!times) return;
    beganMs[record.index()] = monotonicMs();
    keys[record.index()] = record.key();
    runningMax.accumulateAndGet(running.incrementAndGet(), Math::max);
  }

  /** Says how many records have ended by then. */
  int end(BenchRecord record) {
    if (times) {
      endedMs[record.index()] = monotonicMs();
      running.decrementAndGet();
    }
    if (seen.getAndIncrement(record.index()) > 0) {
      duplicated.incrementAndGet();
      return completed.get();
    }
    ended.set(record.key(), record.sequence() + 1);
    return completed.incrementAndGet();
  }

  private static double monotonicMs() {
    return System.nanoTime() / 1e6;
  }
}

package keylane.bench;

import java.util.Arrays;
import java.util.Map;
import java.util.stream.DoubleStream;

/** The part of the result that jobs with times have; the same as {@code timesOf} in bench/workload/peer.ts. */
final class Times {
  /** The first tenth of the records warms up: its latency says more of the compiler than of the peer. */
  private static final double WARM_UP = 0.1;

  static void put(Map<String, Object> result, Ledger ledger, Job job) {
    double workMs = 0;
    double[] perKey = new double[job.keys()];
    DoubleStream.Builder hot = DoubleStream.builder();
    DoubleStream.Builder cold = DoubleStream.builder();
    for (int index = 0; index < job.records(); index += 1) {
      if (ledger.endedMs[index] == 0) continue;
      int key = ledger.keys[index];
      double tookMs = ledger.endedMs[index] - ledger.beganMs[index];
      workMs += tookMs;
      perKey[key] += tookMs;
      if (ledger.dueMs[index] > 0 && index >= job.records() * WARM_UP) {
        (key == 0 ? hot : cold).add(ledger.endedMs[index] - ledger.dueMs[index]);
      }
    }
    result.put("runningMax", ledger.runningMax.get());
    result.put("workMs", workMs);
    result.put("longestKeyMs", Arrays.stream(perKey).max().orElse(0));
    double[] ofHot = hot.build().sorted().toArray();
    double[] ofCold = cold.build().sorted().toArray();
    if (ofHot.length + ofCold.length == 0) return;
    result.put("latency", latency(DoubleStream.concat(Arrays.stream(ofHot), Arrays.stream(ofCold)).sorted().toArray()));
    result.put("hotLatency", latency(ofHot));
    result.put("coldLatency", latency(ofCold));
  }

  private static Map<String, Object> latency(double[] sorted) {
    return Map.of(
        "records", sorted.length,
        "p50", at(sorted, 0.5),
        "p99", at(sorted, 0.99),
        "p999", at(sorted, 0.999),
        "most", at(sorted, 1));
  }

  /** Not a number where there are none. */
  private static double at(double[] sorted, double share) {
    if (sorted.length == 0) return Double.NaN;
    return sorted[Math.max(0, (int) Math.ceil(sorted.length * share) - 1)];
  }

  private Times() {}
}

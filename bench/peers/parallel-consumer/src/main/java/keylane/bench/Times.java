package keylane.bench;

import java.util.Arrays;
import java.util.Map;

/**
 * The part of the result that jobs with times have; as {@code timesOf} in bench/workload/peer.ts, but for latency: this
 * peer runs beside no producer.
 */
final class Times {
  static void put(Map<String, Object> result, Ledger ledger, Job job) {
    double workMs = 0;
    double[] perKey = new double[job.keys()];
    for (int index = 0; index < job.records(); index += 1) {
      if (ledger.endedMs[index] == 0) continue;
      double tookMs = ledger.endedMs[index] - ledger.beganMs[index];
      workMs += tookMs;
      perKey[ledger.keys[index]] += tookMs;
    }
    result.put("runningMax", ledger.runningMax.get());
    result.put("workMs", workMs);
    result.put("longestKeyMs", Arrays.stream(perKey).max().orElse(0));
  }

  private Times() {}
}

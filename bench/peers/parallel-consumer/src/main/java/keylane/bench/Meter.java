package keylane.bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Map;

/** The clock. It runs from the first record that came; CPU is counted from when the warm-up is over. */
final class Meter {
  private final OperatingSystemMXBean process =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private final Job job;
  private volatile boolean countsCpu = false;
  private int before;
  private long startedNs;
  private long cpuNs;

  Meter(Job job) {
    this.job = job;
  }

  /** Told again and again, from the first record that came on, how many have been handled. */
  void saw(int completed) {
    if (!countsCpu) look(completed);
  }

  private synchronized void look(int completed) {
    if (startedNs == 0) startedNs = System.nanoTime();
    if (countsCpu || completed < job.warmUpRecords()) return;
    before = completed;
    cpuNs = process.getProcessCpuTime();
    countsCpu = true;
  }

  /** The part of the result that the clock knows. */
  synchronized void stop(Map<String, Object> result) {
    double seconds = (System.nanoTime() - startedNs) / 1e9;
    result.put("seconds", seconds);
    result.put("rate", job.records() / seconds);
    result.put("cpuUsPerRecord", (process.getProcessCpuTime() - cpuNs) / 1e3 / (job.records() - before));
    // Its main thread only waits.
    result.put("mainUsPerRecord", null);
  }
}

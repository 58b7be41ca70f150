package keylane.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;

/** What the peer is told: of {@code Job} in bench/workload/job.ts, what concerns it. */
@JsonIgnoreProperties(ignoreUnknown = true)
record Job(
    String servers,
    String topic,
    String group,
    int records,
    int warmUpRecords,
    int keys,
    String ordering,
    int concurrency,
    String work,
    boolean times,
    Object window) {}

package keylane.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Confluent Parallel Consumer, as the peer that bench/workload/job.ts describes: its job is the last argument, and its
 * last line on standard output the result. It does the work 'none' and 'wait', and knows no window.
 *
 * <p>A record is handled here when its handler has ended; the peers in Node count it a little later, when their main
 * thread has heard of it.
 */
public final class ParallelConsumerPeer {
  /**
   * Records that it buffers: as many as Keylane by default. On two cores, in key order and with a handler that does
   * nothing, it came to 50,000 records a second at best; with its own default, a small multiple of the concurrency, to
   * 29,000.
   */
  private static final int BUFFERED_RECORDS = 10_000;

  /**
   * What differs from the client's defaults: Parallel Consumer must commit itself, and a fetch may bring as much of a
   * partition as of all together (50 MiB), since some topics here have one partition. Polls of more than the default of
   * 500 records made nothing faster.
   */
  private static Map<String, Object> consumerSettings(Job job) {
    return Map.of(
        "bootstrap.servers", job.servers(),
        "group.id", job.group(),
        "auto.offset.reset", "earliest",
        "enable.auto.commit", false,
        "max.partition.fetch.bytes", 52_428_800);
  }

  public static void main(String[] arguments) throws Exception {
    ObjectMapper json = new ObjectMapper();
    Job job = json.readValue(arguments[arguments.length - 1], Job.class);
    if (job.window() != null) throw new IllegalArgumentException("This peer knows no window.");
    Ledger ledger = new Ledger(job);
    Meter meter = new Meter(job);
    consume(job, ledger, meter);
    Map<String, Object> result = new LinkedHashMap<>();
    meter.stop(result);
    result.put("completed", ledger.completed.get());
    result.put("lost", job.records() - ledger.completed.get());
    result.put("duplicated", ledger.duplicated.get());
    result.put("outOfOrder", ledger.outOfOrder.get());
    result.put("rssMaxMiB", rssMaxMiB());
    if (job.times()) Times.put(result, ledger, job);
    System.out.println(json.writeValueAsString(result));
    // The process ends as it is, as the peers in Node do.
    Runtime.getRuntime().halt(0);
  }

  /** Returns as soon as the last record is handled; goes on consuming. */
  private static void consume(Job job, Ledger ledger, Meter meter) throws InterruptedException {
    Work work = Work.of(job.work());
    CountDownLatch allHandled = new CountDownLatch(1);
    // It is told of each record as it comes, before it is queued.
    ByteArrayDeserializer values = new ByteArrayDeserializer() {
      @Override
      public byte[] deserialize(String topic, byte[] value) {
        meter.saw(ledger.completed.get());
        return value;
      }
    };
    // Its fastest way to commit, and its default; every 5 seconds, which is its default as well.
    ParallelConsumerOptions<byte[], byte[]> options = ParallelConsumerOptions.<byte[], byte[]>builder()
        .consumer(new KafkaConsumer<>(consumerSettings(job), new ByteArrayDeserializer(), values))
        .ordering(ProcessingOrder.valueOf(job.ordering().toUpperCase(Locale.ROOT)))
        .maxConcurrency(job.concurrency())
        .messageBufferSize(BUFFERED_RECORDS)
        .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
        .build();
    ParallelStreamProcessor<byte[], byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(options);
    processor.subscribe(List.of(job.topic()), sayingReady());
    processor.poll(context -> {
      BenchRecord record = BenchRecord.of(context.value());
      ledger.begin(record);
      work.run(record);
      int completed = ledger.end(record);
      meter.saw(completed);
      if (completed >= job.records()) allHandled.countDown();
    });
    allHandled.await();
  }

  /** Prints the line that says that partitions are assigned: READY_LINE in bench/workload/job.ts. */
  private static ConsumerRebalanceListener sayingReady() {
    return new ConsumerRebalanceListener() {
      @Override
      public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        System.out.println("{\"ready\":true}");
      }

      @Override
      public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}
    };
  }

  /** What a handler does with a record. */
  private enum Work {
    NONE {
      @Override
      void run(BenchRecord record) {}
    },
    WAIT {
      @Override
      void run(BenchRecord record) {
        try {
          // Honours fractions of a millisecond, which Thread.sleep(long) does not take.
          TimeUnit.MICROSECONDS.sleep(record.workUs());
        } catch (InterruptedException interrupted) {
          Thread.currentThread().interrupt();
        }
      }
    };

    abstract void run(BenchRecord record);

    static Work of(String name) {
      return switch (name) {
        case "none" -> NONE;
        case "wait" -> WAIT;
        default -> throw new IllegalArgumentException(
            "This peer does the work 'none' and 'wait', not '" + name + "'.");
      };
    }
  }

  /** The most memory the process had; {@code null} where the system does not say (all but Linux). */
  private static Double rssMaxMiB() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) return null;
    for (String line : Files.readAllLines(status)) {
      if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("\\D", "")) / 1_024.0;
    }
    return null;
  }

  private ParallelConsumerPeer() {}
}

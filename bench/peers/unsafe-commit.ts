/**
 * The plain loop that is often written, and loses records: it starts the handlers of a batch without waiting for them,
 * and commits what it polled. A crash loses every record whose handler had not ended, without a trace; the count of
 * lost records of a run without a crash does not show it. It keeps no order among handlers that wait, and has no limit
 * to how many run at once.
 */
import { peer } from '../workload/peer.ts';
import { connectRawConsumer, nextBatch } from '../workload/raw-consumer.ts';
import { ThisThread } from '../workload/this-thread.ts';

await peer(async (job, measured) => {
  const thread = new ThisThread(job, measured);
  const consumer = await connectRawConsumer(job);
  consumer.subscribe([job.topic]);
  const consume = async (): Promise<void> => {
    for (;;) {
      const batch = await nextBatch(consumer);
      for (const { value } of batch) void thread.handle(value as Buffer);
      if (batch.length > 0) consumer.commit();
    }
  };
  await Promise.race([consume(), thread.allHandled]);
  return undefined;
});

/**
 * The client's own loop, `consume(1000)` again and again: it keeps no order over threads, commits nothing and handles
 * nothing. What it counts are the records that came. With callbacks alone, so that nothing but the client costs.
 */
import type { Message } from '@confluentinc/kafka-javascript';
import { peer } from '../workload/peer.ts';
import { BATCH_RECORDS, connectRawConsumer } from '../workload/raw-consumer.ts';
import { indexOf } from '../workload/record.ts';

await peer(async (job, { meter }) => {
  const consumer = await connectRawConsumer(job);
  consumer.subscribe([job.topic]);
  const seen = new Uint8Array(job.records);
  let [completed, came] = [0, 0];
  await new Promise<void>((resolve, reject) => {
    const next = (): void =>
      consumer.consume(BATCH_RECORDS, (error, batch: Message[]) => {
        if (error) return reject(error);
        if (batch.length > 0) meter.saw(completed);
        for (const { value } of batch) {
          const index = indexOf(value as Buffer);
          came += 1;
          if (seen[index] === 0) completed += 1;
          seen[index] = 1;
        }
        if (completed >= job.records) resolve();
        else next();
      });
    next();
  });
  const counts = { completed, lost: job.records - completed, duplicated: came - completed, outOfOrder: 0 };
  return { counts };
});

/**
 * A loop that starts a handler for each record and waits for none of them: it holds all that came, and what it holds is
 * all that it tells. Watched until `job.records` have come, or for as long as `job.watchMs` says.
 */
import type { Message } from '@confluentinc/kafka-javascript';
import { handling } from '../workload/handling.ts';
import { growthOf, mib, peaksOf, watchMemory } from '../workload/memory.ts';
import { peer } from '../workload/peer.ts';
import { connectRawConsumer, nextBatch } from '../workload/raw-consumer.ts';

await peer(async (job, { meter, data }) => {
  const handle = handling(data);
  const consumer = await connectRawConsumer(job);
  consumer.subscribe([job.topic]);
  // What a handler waits for holds on to its record.
  const running = new Set<Message>();
  const start = (batch: readonly Message[]) => {
    for (const message of batch) {
      running.add(message);
      void Promise.resolve(handle(message.value as Buffer)).then(() => running.delete(message));
    }
  };
  let first: Message[] = [];
  while (first.length === 0) first = await nextBatch(consumer);
  meter.saw(0);
  start(first);
  const takeAll = async () => {
    while (running.size < job.records) start(await nextBatch(consumer));
  };
  let heldBytes = 0;
  const samples = await watchMemory(job.watchMs ?? 0, takeAll());
  for (const { size } of running) heldBytes += size;
  const heldRecords = running.size;
  return { more: { ...peaksOf(samples), growth: growthOf(samples), heldRecords, heldMiB: mib(heldBytes) } };
});

/**
 * Keylane's memory for as long as `job.watchMs` says: from the first record that came on, or, of a job without records,
 * from when its threads are up and the partitions are its own.
 */
import { startConsumer } from 'keylane';
import { keylaneOptions } from '../workload/keylane-options.ts';
import { growthOf, mib, peaksOf, watchMemory } from '../workload/memory.ts';
import { LOOK_EVERY_MS, peer } from '../workload/peer.ts';

await peer(async (job, { meter, data }) => {
  const consumer = await startConsumer(keylaneOptions(job, data));
  const isReady = () => {
    const { buffered, partitions } = consumer.snapshot();
    return job.records > 0 ? buffered.records > 0 : partitions.length === job.partitions;
  };
  while (!isReady()) {
    await Promise.race([consumer.closed, new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))]);
  }
  meter.saw(0);
  let [heldRecords, heldBytes] = [0, 0];
  const samples = await watchMemory(job.watchMs ?? 0, consumer.closed, () => {
    const { records, bytes } = consumer.snapshot().buffered;
    [heldRecords, heldBytes] = [Math.max(heldRecords, records), Math.max(heldBytes, bytes)];
  });
  return { more: { ...peaksOf(samples), growth: growthOf(samples), heldRecords, heldMiB: mib(heldBytes) } };
});

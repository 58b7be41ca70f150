/**
 * The obvious way into threads: the client's loop, and `piscina.run` for each record. It keeps no order: records of one
 * key run in several threads, and in one thread side by side. It commits nothing: to commit safely it would have to
 * know below which offset all is done, which is most of what Keylane is.
 */
import { Piscina } from 'piscina';
import { peer } from '../workload/peer.ts';
import { connectRawConsumer, nextBatch } from '../workload/raw-consumer.ts';

/** Without a limit, a backlog would fill the memory. */
const IN_FLIGHT_MAX = 1_000;

await peer(async (job, { meter, data }) => {
  const pool = new Piscina({
    filename: new URL('./piscina-handler.js', import.meta.url).href,
    minThreads: job.threads,
    maxThreads: job.threads,
    concurrentTasksPerWorker: Math.ceil(job.concurrency / job.threads),
    workerData: data,
  });
  const consumer = await connectRawConsumer(job);
  consumer.subscribe([job.topic]);
  let [inFlight, handled] = [0, 0];
  let ended = (): void => undefined;
  await new Promise<void>((resolve, reject) => {
    const consume = async (): Promise<void> => {
      for (;;) {
        for (const { topic, partition, offset, key, value } of await nextBatch(consumer)) {
          while (inFlight >= IN_FLIGHT_MAX) {
            await new Promise<void>((room) => {
              ended = room;
            });
          }
          meter.saw(handled);
          inFlight += 1;
          pool.run({ topic, partition, offset, key, value }).then(() => {
            inFlight -= 1;
            handled += 1;
            ended();
            if (handled === job.records) resolve();
          }, reject);
        }
      }
    };
    consume().catch(reject);
  });
  return undefined;
});

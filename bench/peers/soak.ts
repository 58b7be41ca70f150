/**
 * The small process of the soak: consumes until its standard input ends, and says all the time how it is. It has no
 * result of its own.
 */
import { startConsumer } from 'keylane';
import type { Job } from '../workload/job.ts';
import { SOAK_BUFFERED_BYTES_MAX, SOAK_HEAP_MIB, type SoakSample } from '../workload/soak.ts';

const SAY_EVERY_MS = 100;

const job = JSON.parse(process.argv.at(-1) as string) as Job;
const consumer = await startConsumer({
  kafka: {
    'bootstrap.servers': job.servers,
    'group.id': job.group,
    'auto.offset.reset': 'earliest',
    'queued.max.messages.kbytes': 4_096,
  },
  topics: [job.topic],
  handler: new URL('./soak-handler.js', import.meta.url),
  threads: job.threads,
  bufferedBytesMax: SOAK_BUFFERED_BYTES_MAX,
  retry: { delayMs: 50 },
  threadOptions: { resourceLimits: { maxOldGenerationSizeMb: SOAK_HEAP_MIB } },
});
const interval = setInterval(() => {
  const { completed, buffered } = consumer.snapshot();
  const sample: SoakSample = { completed, rssBytes: process.memoryUsage.rss(), bufferedBytes: buffered.bytes };
  process.stdout.write(`${JSON.stringify(sample)}\n`);
}, SAY_EVERY_MS);
process.stdin.resume().on('end', async () => {
  clearInterval(interval);
  await consumer.close();
});

// The small process of the soak benchmark: consumes until its standard input ends, and says all the time how it is.
import { startConsumer } from 'keylane';

const [servers, topic] = process.argv.slice(2);
const bufferedBytesMax = 8 * 2 ** 20;
const consumer = await startConsumer({
  kafka: {
    'bootstrap.servers': servers,
    'group.id': `soak-${process.pid}`,
    'auto.offset.reset': 'earliest',
    'queued.max.messages.kbytes': 4_096,
  },
  topics: [topic],
  handler: new URL('./handlers/sometimes-failing.mjs', import.meta.url),
  threads: 1,
  bufferedBytesMax,
  retry: { delayMs: 50 },
  threadOptions: { resourceLimits: { maxOldGenerationSizeMb: 64 } },
});
const interval = setInterval(() => {
  const { completed, buffered } = consumer.snapshot();
  const sample = { completed, rssBytes: process.memoryUsage.rss(), bufferedBytes: buffered.bytes, bufferedBytesMax };
  process.stdout.write(`${JSON.stringify(sample)}\n`);
}, 100);
process.stdin.resume().on('end', async () => {
  clearInterval(interval);
  await consumer.close();
});

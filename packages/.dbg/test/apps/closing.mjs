// A process with one consumer that closes on signals. Its argument: { kafka, topic, hangs, drainTimeoutMs }. Says what
// happens on standard output, a line each.
import { startConsumer } from 'keylane';

const { kafka, topic, hangs, drainTimeoutMs } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${line}\n`);
const consumer = await startConsumer({
  kafka,
  topics: [topic],
  drainTimeoutMs,
  installSignalHandlers: true,
  handler: async ({ offset }) => {
    say(`started ${offset}`);
    await new Promise((resolve) => setTimeout(resolve, hangs ? 1e9 : 300).unref());
    say(`completed ${offset}`);
  },
});
consumer.on('warning', ({ code }) => say(`warning ${code}`));
consumer.on('state', ({ to }) => say(to));
say('ready');

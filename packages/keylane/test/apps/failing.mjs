// A process with one consumer whose every third record fails. Its argument: { kafka, topic, letters }. Says what
// happens on standard output, a line each.
import { NonRetryableError, startConsumer } from 'keylane';

const { kafka, topic, letters } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${line}\n`);
const consumer = await startConsumer({
  kafka,
  topics: [topic],
  commitIntervalMs: 60_000,
  installSignalHandlers: true,
  deadLetter: { topic: letters, shareMax: 1, consecutiveMax: 1_000 },
  handler: ({ offset }) => {
    if (offset % 3 === 1) throw new NonRetryableError('never');
    say(`completed ${offset}`);
  },
});
consumer.on('dead-letter', ({ error }) => say(`dead ${error.partition}@${error.offset}`));
say('ready');

/**
 * One consumer process of the chaos run: what any application is, plus a ledger. SIGTERM closes the consumer; the
 * parent may ask for a fault in a thread, or for a snapshot. Its argument is the JSON of { ledger, options, slowMs }.
 */
import { startConsumer } from 'keylane';
import { ledgerWriter } from './writer.mjs';

const { ledger, options, slowMs } = JSON.parse(process.argv[2]);
const write = ledgerWriter(ledger);
const faults = new Int32Array(new SharedArrayBuffer(12 * options.threads));
let consumer;
let ending = false;

process.once('disconnect', () => process.exit(9));
// Ctrl-C reaches the whole process group; the parent decides what becomes of us.
process.on('SIGINT', () => undefined);
process.once('SIGTERM', () => void close());
process.on('message', ({ thread, fault, value, snapshot }) => {
  if (snapshot) process.send({ snapshot: consumer?.snapshot() ?? 'not started' });
  else Atomics.store(faults, 3 * thread + ['exit', 'hang', 'block'].indexOf(fault), value);
});

async function close() {
  ending = true;
  write({ kind: 'closing' });
  // One that starts is closed once it has.
  if (consumer === undefined) return;
  await consumer.close();
  write({ kind: 'closed' });
  process.exit(0);
}

function fail(kind, error, code) {
  write({ kind, code: error.code ?? 'none', text: String(error.message).slice(0, 300) });
  console.error(error);
  process.exit(code);
}

const numbers = (partitions) => partitions.map(({ partition }) => partition);

try {
  consumer = await startConsumer({
    ...options,
    handler: new URL('./handler.mjs', import.meta.url),
    handlerData: { ledger, slowMs, faults: faults.buffer },
  });
} catch (error) {
  fail('refused', error, 4);
}
consumer.on('assigned', ({ partitions }) => write({ kind: 'assigned', partitions: numbers(partitions) }));
consumer.on('revoked', ({ partitions }) => write({ kind: 'revoked', partitions: numbers(partitions) }));
consumer.on('lost', ({ partitions }) => write({ kind: 'lost', partitions: numbers(partitions) }));
consumer.on('committed', ({ offsets }) => {
  write({ kind: 'committed', offsets: offsets.map(({ partition, offset }) => [partition, offset]) });
});
consumer.on('warning', (error) => {
  write({ kind: 'warning', code: error.code, text: error.message.slice(0, 300) });
});
consumer.closed.catch((error) => fail('failed', error, 5));
if (ending) await close();

/**
 * Produces records at a rate, as a process of its own, and says how late it was itself.
 *
 * Each record carries the time at which it was due, start + number / rate (the warm-up goes slower), whenever it is
 * really sent, and none is ever left out. So a producer that falls behind, or a consumer that stands still, cannot hide
 * in the latency (known as coordinated omission). A producer without a rate sends as fast as it can, and then a record
 * is due when it is sent.
 *
 * All it promises at its end is that the brokers have every record; it fails where they have not.
 */
import confluent, { type LibrdKafkaError } from '@confluentinc/kafka-javascript';
import { keysFrom } from '../workload/keys.ts';
import { type Load, type LoadResult, WARM_UP_PACE } from '../workload/load.ts';
import { firstMeasured, latencyOf } from '../workload/peer.ts';
import { monotonicMs, writeRecord } from '../workload/record.ts';

/** How often it looks what is due. Timers are not finer. */
const TICK_MS = 1;
const CONNECT_MS = 30_000;
const FLUSH_MS = 60_000;
/** librdkafka's code for "too many records wait to be sent": the same record goes again at the next tick. */
const QUEUE_FULL = -184;

const SETTINGS = {
  // Part of every latency, up to this much. With 5 (the client's default) it would be most of it; with 1 the brokers
  // get a request for every few records, and are busier than with any load a real producer would give them.
  'linger.ms': 2,
  // The client's default, said here because it counts: a record is only there to be consumed once all replicas have it.
  acks: 'all',
  // A request that is sent again must not change places with a later one: the records of a key are numbered.
  'enable.idempotence': true,
  // The default of the Java client: the same key goes to the same partition as with `Bench.topic`.
  partitioner: 'murmur2_random',
  dr_cb: true,
  // A callback for every record would cost more than producing it.
  'delivery.report.only.error': true,
};

const load = JSON.parse(process.argv.at(-1) as string) as Load;
const producer = new confluent.Producer({ ...SETTINGS, 'bootstrap.servers': load.servers } as never);
let failure: LibrdKafkaError | undefined;
producer.on('delivery-report', (error) => {
  if (error) failure ??= error;
});
await new Promise<void>((resolve, reject) => {
  // Asks for the topic as well, so that the first record does not have to wait for the answer.
  producer.connect({ topic: load.topic, timeout: CONNECT_MS }, (error) => (error ? reject(error) : resolve()));
});
producer.setPollInterval(100);

const warmUpKey = keysFrom({ ...load.keys, seed: load.keys.seed + 1 });
const measuredKey = keysFrom(load.keys);
const keyAt = (index: number) => (index < load.warmUpRecords ? warmUpKey() : measuredKey());
const sequences = new Int32Array(load.keys.keys);
const names = Array.from(sequences, (_, key) => Buffer.from(`key-${key}`));
const lateMs = new Float64Array(load.records);
const startMs = monotonicMs();

let key = keyAt(0);
for (let index = 0; index < load.records; ) {
  const dueMs = load.recordsPerSecond === null ? monotonicMs() : startMs + dueAfterMs(index, load.recordsPerSecond);
  if (dueMs > monotonicMs() || !send(index, dueMs)) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    if (failure !== undefined) throw failure;
    continue;
  }
  lateMs[index] = monotonicMs() - dueMs;
  index += 1;
  key = keyAt(index);
}
await new Promise<void>((resolve, reject) => {
  producer.flush(FLUSH_MS, (error) => (error ? reject(error) : resolve()));
});
producer.poll();
if (failure !== undefined) throw failure;
const late = latencyOf(lateMs.subarray(firstMeasured(load)));
process.stdout.write(`${JSON.stringify({ late } satisfies LoadResult)}\n`, () => process.exit(0));

/** Milliseconds from the start: the warm-up goes slower than the rest. */
function dueAfterMs(index: number, recordsPerSecond: number): number {
  const warmUp = Math.min(index, load.warmUpRecords);
  return ((warmUp / WARM_UP_PACE + index - warmUp) / recordsPerSecond) * 1_000;
}

/** Gives the record to the client; false where that has too many, and nothing was sent. */
function send(index: number, dueMs: number): boolean {
  const sequence = sequences[key] as number;
  const value = writeRecord({ index, key, sequence, workUs: load.workUs, dueMs }, load.bytes);
  try {
    producer.produce(load.topic, null, value, names[key]);
  } catch (error) {
    if ((error as LibrdKafkaError).code === QUEUE_FULL) return false;
    throw error;
  }
  sequences[key] = sequence + 1;
  return true;
}

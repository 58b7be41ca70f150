/**
 * The client's callback API, for the peers that are a loop around it.
 */
import confluent, { type KafkaConsumer, type Message } from '@confluentinc/kafka-javascript';
import type { Job } from './job.ts';

/** The most records of a batch. */
export const BATCH_RECORDS = 1_000;
/** How long a batch waits for its next record. */
const BATCH_WAIT_MS = 100;

/** A consumer that is connected, and commits nothing by itself. It has neither a subscription nor an assignment yet. */
export async function connectRawConsumer(job: Job): Promise<KafkaConsumer> {
  const consumer = new confluent.KafkaConsumer(
    { 'bootstrap.servers': job.servers, 'group.id': job.group, 'enable.auto.commit': false, ...job.kafka },
    { 'auto.offset.reset': 'earliest' },
  );
  await new Promise<void>((resolve, reject) => {
    consumer.connect({}, (error) => (error ? reject(error) : resolve()));
  });
  consumer.setDefaultConsumeTimeout(BATCH_WAIT_MS);
  return consumer;
}

/** The next records, up to a thousand; none where none came in time. */
export function nextBatch(consumer: KafkaConsumer): Promise<Message[]> {
  return new Promise((resolve, reject) => {
    consumer.consume(BATCH_RECORDS, (error, batch: Message[]) => (error ? reject(error) : resolve(batch)));
  });
}

/**
 * `eachBatch` of the client's KafkaJS-style API: the records of a batch one after the other, on the one event loop,
 * batches of several partitions at once. It keeps the order of each partition. It commits by itself, every five
 * seconds, the batches that were handled: a crash repeats what came after, and a batch that was begun as a whole.
 */
import confluent from '@confluentinc/kafka-javascript';
import { peer } from '../workload/peer.ts';
import { ThisThread } from '../workload/this-thread.ts';

const { Kafka, logLevel } = confluent.KafkaJS;

await peer(async (job, measured) => {
  const thread = new ThisThread(job, measured);
  const kafka = new Kafka({ kafkaJS: { brokers: job.servers.split(','), logLevel: logLevel.ERROR } });
  const consumer = kafka.consumer({ kafkaJS: { groupId: job.group, fromBeginning: true }, ...job.kafka });
  await consumer.connect();
  await consumer.subscribe({ topic: job.topic });
  await consumer.run({
    partitionsConsumedConcurrently: Math.min(job.partitions, job.concurrency),
    eachBatch: async ({ batch }) => {
      for (const { value } of batch.messages) await thread.handle(value as Buffer);
    },
  });
  await thread.allHandled;
  return undefined;
});

/**
 * `eachMessage` of the client's KafkaJS-style API: one handler at a time in a partition, on the one event loop, several
 * partitions at once. It keeps the order of each partition. It commits by itself, every five seconds, what was handled:
 * a crash repeats what came after. One slow record holds up its whole partition.
 */
import confluent from '@confluentinc/kafka-javascript';
import { LOOK_EVERY_MS, peer, sayReady } from '../workload/peer.ts';
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
    eachMessage: async ({ message }) => {
      await thread.handle(message.value as Buffer);
    },
  });
  while (consumer.assignment().length === 0) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  sayReady();
  await thread.allHandled;
  return undefined;
});

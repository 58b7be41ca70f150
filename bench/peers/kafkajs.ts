/**
 * `eachMessage` of kafkajs, a client in JavaScript alone: one handler at a time in a partition, on the one event loop,
 * several partitions at once. It keeps the order of each partition. It commits after each batch what was handled: a
 * crash repeats the batch.
 */
import { Kafka, logLevel } from 'kafkajs';
import { peer } from '../workload/peer.ts';
import { ThisThread } from '../workload/this-thread.ts';

await peer(async (job, measured) => {
  const thread = new ThisThread(job, measured);
  const kafka = new Kafka({ brokers: job.servers.split(','), logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: job.group });
  await consumer.connect();
  await consumer.subscribe({ topic: job.topic, fromBeginning: true });
  await consumer.run({
    partitionsConsumedConcurrently: Math.min(job.partitions, job.concurrency),
    eachMessage: async ({ message }) => {
      await thread.handle(message.value as Buffer);
    },
  });
  await thread.allHandled;
  return undefined;
});

/**
 * The stream of @platformatic/kafka, a client in JavaScript alone: one handler at a time for all partitions, on the one
 * event loop. It keeps the order of each partition. With `autocommit` it commits what a fetch brought once that is in
 * the stream's buffer, before it is handled: a crash loses what was buffered. It needs a newer Node than Keylane does.
 */
import { Consumer } from '@platformatic/kafka';
import { peer } from '../workload/peer.ts';
import { ThisThread } from '../workload/this-thread.ts';

await peer(async (job, measured) => {
  const thread = new ThisThread(job, measured);
  const consumer = new Consumer({ clientId: 'bench', groupId: job.group, bootstrapBrokers: job.servers.split(',') });
  const stream = await consumer.consume({
    topics: [job.topic],
    mode: 'committed',
    fallbackMode: 'earliest',
    autocommit: true,
  });
  const consume = async (): Promise<void> => {
    for await (const { value } of stream) await thread.handle(value);
  };
  await Promise.race([consume(), thread.allHandled]);
  return undefined;
});

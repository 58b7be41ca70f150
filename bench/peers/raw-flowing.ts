/**
 * The client's flowing mode: each record is handled on the event loop as it comes, and nothing is committed. Its
 * latency is what the producer, the brokers and the client take, before anything that keeps order or offsets.
 */
import confluent, { type Message } from '@confluentinc/kafka-javascript';
import { handling } from '../workload/handling.ts';
import { peer, sayReady } from '../workload/peer.ts';
import { connectRawConsumer } from '../workload/raw-consumer.ts';

await peer(async (job, { meter, data }) => {
  const handle = handling(data);
  const consumer = await connectRawConsumer({ ...job, kafka: { ...job.kafka, rebalance_cb: true } });
  consumer.on('rebalance', ({ code }) => {
    if (code === confluent.CODES.ERRORS.ERR__ASSIGN_PARTITIONS) sayReady();
  });
  consumer.subscribe([job.topic]);
  await new Promise<void>((resolve, reject) => {
    let completed = 0;
    consumer.on('event.error', reject);
    consumer.on('data', ({ value }: Message) => {
      meter.saw(completed);
      handle(value as Buffer);
      completed += 1;
      if (completed >= job.records) resolve();
    });
    consumer.consume();
  });
  return undefined;
});

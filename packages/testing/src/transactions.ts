/**
 * A producer of transactions for tests: what consumers see of them, and what they do not.
 */
import confluent from '@confluentinc/kafka-javascript';
import { bytes, call, connect, disconnect, TIMEOUT_MS } from './calls.ts';
import type { RecordToProduce } from './cluster.ts';

/** One transaction at a time. */
export interface Transactions {
  begin(): Promise<void>;
  /** Produces within the transaction; resolves once the broker has the records. */
  produce(records: Iterable<RecordToProduce>): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
  close(): Promise<void>;
}

/** Connects and fences whoever had this id before. */
export async function startTransactions(common: object, transactionalId: string): Promise<Transactions> {
  const producer = new confluent.Producer({ ...common, 'transactional.id': transactionalId, dr_cb: true } as never);
  await connect(producer);
  producer.setPollInterval(10);
  await call((done) => producer.initTransactions(TIMEOUT_MS, done));
  return {
    begin: async () => void (await call((done) => producer.beginTransaction(done))),
    async produce(records) {
      for (const { topic, partition = null, value = null, key = null } of records) {
        producer.produce(topic, partition, bytes(value) as never, bytes(key) as never);
      }
      await call((done) => producer.flush(TIMEOUT_MS, done));
    },
    commit: async () => void (await call((done) => producer.commitTransaction(TIMEOUT_MS, done))),
    abort: async () => void (await call((done) => producer.abortTransaction(TIMEOUT_MS, done))),
    close: () => disconnect(producer),
  };
}

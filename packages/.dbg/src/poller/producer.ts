/**
 * The port for what Keylane itself produces: dead letters and parked records. `confluent-producer.ts` implements it;
 * the simulator and the unit tests implement it in memory.
 */
import type { KafkaError } from '../errors.ts';
import type { RecordHeader } from '../wire/record.ts';
import type { PartitionOffset } from './client.ts';

/** A record to produce. */
export interface OutgoingRecord {
  readonly topic: string;
  /** Left out: the partitioner decides by the key, as the Java client does. */
  readonly partition?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

export interface Producer {
  /** Resolves once a broker answered. Rejects with a KafkaError when none did within `timeoutMs`. */
  connect(timeoutMs: number): Promise<void>;
  /** How many partitions a topic has; `undefined` where it does not exist. Rejects where nobody can say. */
  partitions(topic: string): Promise<number | undefined>;
  /**
   * Resolves with where the record went once all in-sync replicas have it (idempotent, `acks=all`). Rejects with a
   * KafkaError (`ERR_PRODUCE`) where the brokers refuse it for good; while they are only away it is tried again for as
   * long as it takes, and `onDelayed` hears of it, once. Records of one partition keep the order of the calls, but one
   * that is refused does not stop those behind it: where their order counts, await each.
   */
  produce(record: OutgoingRecord, onDelayed?: (error: KafkaError) => void): Promise<PartitionOffset>;
  /** Waits for what is under way, for at most `timeoutMs`, and frees everything. Never rejects. */
  disconnect(timeoutMs: number): Promise<void>;
}

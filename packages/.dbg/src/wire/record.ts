/**
 * The record as handlers see it. Plain data, shared by both sides of the thread boundary.
 */

/** A header: its name and its bytes. Repeated names and their order are kept. */
export type RecordHeader = readonly [name: string, value: Buffer];

/** One record of a topic partition, as the handler receives it: bytes, where it has no decoders. */
export interface KafkaRecord<Key = Buffer, Value = Buffer> {
  readonly topic: string;
  readonly partition: number;
  /** The record's offset in its partition. */
  readonly offset: number;
  /** Milliseconds since the epoch, as the producer or the broker set it; -1 where there is none. */
  readonly timestamp: number;
  /** `null` where the record has no key. */
  readonly key: Key | null;
  /** `null` for a tombstone. */
  readonly value: Value | null;
  readonly headers: readonly RecordHeader[];
  /** The leader epoch the record was written in; -1 where the broker does not say. */
  readonly leaderEpoch: number;
}

/**
 * The port to Kafka: all that the poller's stations need of a client. `confluent-client.ts` implements it on
 * @confluentinc/kafka-javascript; the simulator and the unit tests implement it in memory.
 */
import type { KafkaError } from '../errors.ts';
import type { KafkaRecord, RecordHeader } from '../wire/record.ts';

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** An offset of a partition, as it is committed. */
export interface PartitionOffset extends TopicPartition {
  readonly offset: number;
}

/** What a group has committed in a partition. */
export interface CommittedOffset extends PartitionOffset {
  /** Whatever the committer attached; Keylane's own is an offset map. Empty where there is none. */
  readonly metadata: string;
  /** The latest leader epoch the committer knew; the log below the offset is what that leader had. Absent: unknown. */
  readonly leaderEpoch?: number | undefined;
}

/** The offsets a partition's log has, as of its last fetch: from `low` on, up to and without `high`. */
export interface Watermarks {
  readonly low: number;
  readonly high: number;
}

/** A record as the client hands it over. Its buffers are never changed or transferred: it may have to run again. */
export interface ClientRecord extends TopicPartition {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** One object per header, `{ [name]: value }`; absent where there are none. */
  readonly headers?: readonly Readonly<Record<string, Buffer>>[];
  /** Absent where the broker does not say. */
  readonly leaderEpoch?: number;
}

/** What a broker answered to one partition's part of a commit. */
export interface CommitAnswer extends PartitionOffset {
  /** Absent where the broker took it. */
  readonly error?: KafkaError;
}

/** End and low offset of a partition, from the client's own statistics. */
export interface PartitionStatistics extends TopicPartition {
  /**
   * The end a consumer can reach: the last stable offset under `read_committed`, else the high watermark; -1 unknown.
   */
  readonly endOffset: number;
  /** Of the partition's leader now; -1 unknown. */
  readonly leaderEpoch: number;
  /** Records fetched and waiting inside the client. */
  readonly fetchedRecords: number;
  /** Their bytes. */
  readonly fetchedBytes: number;
}

/** What the client tells its owner, always from the event loop of the poller's thread and never within a call. */
export interface ClientListener {
  /** There are records to consume, and there were none. */
  onRecordsAvailable(): void;
  /** The group gave us these; nothing flows before `assign` answers. May be empty. */
  onAssigned(partitions: readonly TopicPartition[]): void;
  /** The group takes these back; the group waits until `unassign` answers. May be empty. */
  onRevoked(partitions: readonly TopicPartition[], lost: boolean): void;
  /** The broker's answer to a commit; `error` where the whole request failed. */
  onCommitAnswered(answers: readonly CommitAnswer[], error: KafkaError | undefined): void;
  onStatistics(partitions: readonly PartitionStatistics[]): void;
  /** Anything the client reports that is not the answer to a call. */
  onError(error: KafkaError): void;
}

/**
 * What a call of `consume` brought. `ends` names partitions that were read to their end, and the offset that comes
 * next there: past the last record where only transaction markers follow.
 */
export type OnConsumed = (
  error: KafkaError | undefined,
  records: readonly ClientRecord[],
  ends: readonly PartitionOffset[],
) => void;

export interface Client {
  /** Resolves once a broker answered. Rejects with a KafkaError when none did within `timeoutMs`. */
  connect(listener: ClientListener, timeoutMs: number): Promise<void>;
  /** Joins the group. Names of literal topics that do not exist are returned; they are consumed once they do. */
  subscribe(topics: readonly (string | RegExp)[]): Promise<readonly string[]>;
  /** Takes up to `recordsMax` records that are there, waiting for none. One call at a time. */
  consume(recordsMax: number, done: OnConsumed): void;
  /** What the group has committed in these partitions; none for those where it has nothing. */
  committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]>;
  /** The log's first and last offsets as the last fetch told them; `undefined` before the first. Asks nobody. */
  watermarks(partition: TopicPartition): Watermarks | undefined;
  /** Begins at `offset`; where there is none at what is committed, or where `auto.offset.reset` says. */
  assign(partitions: readonly (TopicPartition & { readonly offset?: number })[]): void;
  unassign(partitions: readonly TopicPartition[]): void;
  /** Goes on from this offset; once it resolves, `consume` brings nothing of before that it had not begun to take. */
  seek(offset: PartitionOffset): Promise<void>;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** Sends a commit; the answer comes through `onCommitAnswered` while `consume` goes on being called. */
  commit(offsets: readonly CommittedOffset[]): void;
  /** Leaves the group and frees everything. */
  disconnect(): Promise<void>;
}

/** The record as handlers see it; used where a record stays on this thread. */
export function toKafkaRecord(record: ClientRecord): KafkaRecord {
  const { topic, partition, offset, timestamp, key, value, leaderEpoch = -1 } = record;
  return { topic, partition, offset, timestamp, key, value, headers: headersOf(record), leaderEpoch };
}

/** The headers as pairs, repeated names and order kept. */
export function headersOf(record: ClientRecord): RecordHeader[] {
  return (record.headers ?? []).map(headerOf);
}

/** A header as the client hands it over. */
export function headerOf(header: Readonly<Record<string, Buffer>>): RecordHeader {
  for (const name in header) if (Object.hasOwn(header, name)) return [name, header[name] as Buffer];
  // The binding assigns each value to its name, and this one has its own idea of that.
  return ['__proto__', Object.getPrototypeOf(header)];
}

/** The end a consumer can reach; undefined where statistics do not tell it, or there were none yet. */
export function knownEnd(statistics: PartitionStatistics | undefined): number | undefined {
  return statistics === undefined || statistics.endOffset < 0 ? undefined : statistics.endOffset;
}

/** `topic[partition]`, as Kafka's own tools write it. */
export function partitionName({ topic, partition }: TopicPartition): string {
  return `${topic}[${partition}]`;
}

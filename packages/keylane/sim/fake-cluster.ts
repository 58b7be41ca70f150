/**
 * The brokers in memory: each partition's log, with holes, markers, retention and truncation, and what the group
 * committed in it.
 */
import type { ClientRecord, PartitionStatistics, TopicPartition } from '../src/poller/client.ts';

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/** One partition's log and what the group committed in it. */
export interface FakePartition extends TopicPartition {
  readonly name: string;
  readonly records: ClientRecord[];
  /** Everything below is deleted. */
  low: number;
  /** One past the last offset, markers among them. */
  end: number;
  leaderEpoch: number;
  /** Where the next leader went on, for each that followed. */
  readonly epochs: number[];
  /** -1 where nothing is. */
  committed: number;
  /** What its committer knew; undefined where it did not say. */
  committedEpoch: number | undefined;
  metadata: string;
}

export class FakeCluster {
  readonly partitions: ReadonlyMap<string, FakePartition>;

  constructor(topics: Readonly<Record<string, number>>) {
    const places = Object.entries(topics).flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, partition })),
    );
    const empty = { low: 0, end: 0, leaderEpoch: 0, committed: -1, committedEpoch: undefined, metadata: '' };
    const lists = () => ({ records: [] as ClientRecord[], epochs: [] as number[] });
    this.partitions = new Map(places.map((at) => [nameOf(at), { ...at, ...empty, ...lists(), name: nameOf(at) }]));
  }

  get(at: TopicPartition): FakePartition {
    return this.named(nameOf(at));
  }

  named(name: string): FakePartition {
    return this.partitions.get(name) as FakePartition;
  }

  /** Appends a record, after `hole` and before `markers` offsets that no consumer will ever see. */
  append(at: FakePartition, key: Buffer | null, hole: number, markers: number): ClientRecord {
    const { topic, partition, leaderEpoch } = at;
    const offset = at.end + hole;
    const value = Buffer.from(`${offset}`);
    const record = { topic, partition, offset, timestamp: offset, key, value, leaderEpoch };
    at.records.push(record);
    at.end = offset + 1 + markers;
    return record;
  }

  /** Deletes every record below `low`. */
  delete(at: FakePartition, low: number): void {
    at.low = Math.max(at.low, low);
    at.records.splice(0, placeOf(at.records, at.low));
  }

  /** Loses every record from `end` on: another leader goes on without them. What is committed stays as it is. */
  truncate(at: FakePartition, end: number): void {
    at.records.length = placeOf(at.records, end);
    at.end = end;
    at.epochs.push(end);
    at.leaderEpoch += 1;
  }
}

/** The place of the first record at or past `offset`. */
export function placeOf(records: readonly ClientRecord[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((records[middle] as ClientRecord).offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What a client's statistics say of all partitions. */
export function statisticsOf({ partitions }: FakeCluster): PartitionStatistics[] {
  return [...partitions.values()].map(({ topic, partition, end, leaderEpoch }) => {
    return { topic, partition, endOffset: end, leaderEpoch, fetchedRecords: 0, fetchedBytes: 0 };
  });
}

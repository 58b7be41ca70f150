/**
 * librdkafka's statistics, a JSON text, as what the poller needs of them. Pure.
 */
import type { PartitionStatistics } from './client.ts';
import type { FetchPosition } from './end-watch.ts';
import type { FetchState } from './reset-watch.ts';

/** What a station gets, and what only the client's side looks at. */
export type PartitionDetails = PartitionStatistics & FetchState & FetchPosition;

/** One report of the client. */
export interface FullStatistics {
  /** How old the client was when it took them, in milliseconds. */
  readonly ageMs: number;
  readonly partitions: readonly PartitionDetails[];
}

interface StatisticsJson {
  /** Microseconds. */
  readonly age: number;
  readonly topics: Readonly<Record<string, { readonly partitions: Readonly<Record<string, PartitionJson>> }>>;
}

interface PartitionJson {
  readonly partition: number;
  readonly fetch_state: string;
  readonly next_offset: number;
  readonly ls_offset: number;
  readonly hi_offset: number;
  readonly leader_epoch: number;
  readonly fetchq_cnt: number;
  readonly fetchq_size: number;
}

/**
 * The parts of librdkafka's statistics we use. @see
 * https://github.com/confluentinc/librdkafka/blob/master/STATISTICS.md
 */
export function readStatistics(message: string): FullStatistics {
  const { age, topics } = JSON.parse(message) as StatisticsJson;
  const partitions = Object.entries(topics).flatMap(([topic, { partitions }]) =>
    Object.values(partitions)
      .filter(({ partition }) => partition >= 0)
      .map(({ partition, fetch_state, next_offset, ls_offset, hi_offset, leader_epoch, fetchq_cnt, fetchq_size }) => ({
        topic,
        partition,
        fetchState: fetch_state,
        nextOffset: next_offset,
        leaderEpoch: leader_epoch,
        endOffset: ls_offset >= 0 ? ls_offset : hi_offset,
        fetchedRecords: fetchq_cnt,
        fetchedBytes: fetchq_size,
      })),
  );
  return { ageMs: age / 1_000, partitions };
}

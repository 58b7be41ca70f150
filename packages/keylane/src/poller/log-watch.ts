/**
 * Notices, and says loudly, when a partition's log is not what the committed offset promised: records deleted before
 * they were consumed, a log cut off or made anew, a commit that went back, metadata nobody can read. Runs on the
 * poller's thread.
 */
import { OffsetError } from '../errors.ts';
import type { Events } from '../events.ts';
import {
  type Client,
  type ClientRecord,
  type CommittedOffset,
  type PartitionOffset,
  partitionName,
  type TopicPartition,
} from './client.ts';
import type { Partition } from './partition.ts';

/** So many partitions that went away are remembered, those that went last: topics may come and go for ever. */
const LEFT_MAX = 10_000;

export class LogWatch {
  readonly #client: Pick<Client, 'watermarks'>;
  readonly #events: Events;
  /** What the group had committed of partitions when they were given back, by their names. */
  readonly #left: Map<string, CommittedOffset> = new Map();

  constructor(client: Pick<Client, 'watermarks'>, events: Events) {
    this.#client = client;
    this.#events = events;
  }

  /** A partition goes, with this committed. */
  onLeft({ topic, partition, committed, committedEpoch }: Partition): void {
    if (committed === undefined) return;
    const offset = { topic, partition, offset: committed, leaderEpoch: committedEpoch, metadata: '' };
    const name = partitionName(offset);
    // Anew, so that it is the last one.
    this.#left.delete(name);
    this.#left.set(name, offset);
    const [first] = this.#left.keys();
    if (this.#left.size > LEFT_MAX && first !== undefined) this.#left.delete(first);
  }

  /** A partition comes back, with this committed: not less than when it went, but where a later leader lacks it. */
  onCommitted(at: TopicPartition, committed: CommittedOffset | undefined): void {
    const { offset = -1, leaderEpoch = -1 } = committed ?? {};
    const before = this.#left.get(partitionName(at));
    if (before === undefined || offset >= before.offset || leaderEpoch > (before.leaderEpoch ?? -1)) return;
    const what =
      `the group's committed offset went back: it was ${before.offset}, and is ${offset < 0 ? 'none' : offset} now. ` +
      'Records from there on run again. Somebody moved it, or it expired (offsets.retention.minutes)';
    this.#warn('ERR_COMMIT_BACK', at, before.offset, offset, what);
  }

  /** The metadata of a committed offset cannot be used. */
  onMetadata(at: PartitionOffset, problem: string): void {
    const what =
      `what completed above the committed offset ${at.offset} cannot be read from its metadata: ${problem}. ` +
      'Records from there on that completed before run again';
    this.#events.emit('warning', new OffsetError('ERR_OFFSET_MAP', { ...at, expected: at.offset }, what));
  }

  /** Delivery goes on past the offset that was due: a hole, or records that are gone. */
  onAhead(partition: Partition, offset: number): void {
    const expected = partition.tracker.position;
    const low = this.#client.watermarks(partition)?.low;
    if (expected === undefined || low === undefined || low <= expected) return;
    const what =
      `offsets ${expected} to ${offset - 1} were deleted before they were consumed (the log begins at ${low} now): ` +
      "those records are lost. Look at the topic's retention.ms and retention.bytes, and at the lag";
    this.#warn('ERR_OFFSET_SKIPPED', partition, expected, offset, what);
  }

  /** Whether delivery began again further back, rather than deliver a record twice. */
  isRewound(partition: Partition, record: ClientRecord): boolean {
    const expected = partition.tracker.position as number;
    if (!partition.isRewound(record, this.#client.watermarks(partition)?.high)) return false;
    const what =
      `the log was cut off or made anew: offset ${expected} was due and ${record.offset} came. ` +
      'Everything from there on is consumed again';
    this.#warn('ERR_OFFSET_BACK', partition, expected, record.offset, what);
    return true;
  }

  #warn(
    code: 'ERR_OFFSET_SKIPPED' | 'ERR_OFFSET_BACK' | 'ERR_COMMIT_BACK',
    { topic, partition }: TopicPartition,
    expected: number,
    offset: number,
    what: string,
  ): void {
    this.#events.emit('warning', new OffsetError(code, { topic, partition, expected, offset }, what));
  }
}

/**
 * The state of a consumer as plain data, safe for JSON.
 */
import type { ConsumerState } from './events.ts';
import type { ThreadSnapshot } from './executor/executor.ts';
import type { BreakerSnapshot } from './poller/breaker.ts';
import { knownEnd } from './poller/client.ts';
import type { Partition } from './poller/partition.ts';
import type { Pipeline } from './poller/pipeline.ts';

export type { RunningRecord, ThreadSnapshot } from './executor/executor.ts';
export type { BreakerSnapshot } from './poller/breaker.ts';

/** One partition that is ours. */
export interface PartitionSnapshot {
  readonly topic: string;
  readonly partition: number;
  /** What the group has committed, as the broker says; `null` where it has nothing. */
  readonly committed: number | null;
  /** What the next commit will say; `null` while nothing is known. */
  readonly committable: number | null;
  /** The offset that comes next: one past the last record taken in; `null` while nothing is known. */
  readonly position: number | null;
  /** The end a consumer can reach, as of the client's last statistics; `null` before the first. */
  readonly endOffset: number | null;
  /** Records from the committable offset to the end; `null` while either is unknown. */
  readonly lag: number | null;
  /** Fetched ahead and waiting inside the client, outside the JavaScript heap, as of its last statistics. */
  readonly fetched: { readonly records: number; readonly bytes: number };
  /** Records held: queued, running or waiting for a retry. */
  readonly buffered: number;
  /** Records with a thread, or on their way to a dead-letter topic. */
  readonly inFlight: number;
  /** Keys whose first record waits for its next attempt. */
  readonly retrying: number;
  /**
   * Not fetched: paused by the application, about to be given back, or holding too much. That may be little while
   * another partition has more left to do.
   */
  readonly paused: boolean;
  /** Nothing more is handed out, because too many records were exhausted; `consumer.resume()` ends that. */
  readonly halted: boolean;
  /** Keys whose records go to the park topic; `null` while that is not known, or where nothing is ever parked. */
  readonly parkedKeys: number | null;
}

/** What `consumer.snapshot()` returns. */
export interface ConsumerSnapshot {
  readonly state: ConsumerState;
  /** Records completed by their handlers since the start. */
  readonly completed: number;
  /** Attempts that failed and were followed by another, since the start. */
  readonly retried: number;
  /** Records exhausted since the start, by what was done with them. */
  readonly deadLettered: number;
  /** Those that followed a parked key among them. */
  readonly parked: number;
  readonly skipped: number;
  /** `null` where the option `breaker` is not set. */
  readonly breaker: BreakerSnapshot | null;
  /** Records held; `waiting` are those of them behind keys whose first record waits for its next attempt. */
  readonly buffered: { readonly records: number; readonly bytes: number; readonly waiting: number };
  readonly partitions: readonly PartitionSnapshot[];
  readonly threads: readonly ThreadSnapshot[];
}

export function takeSnapshot(
  state: ConsumerState,
  pipeline: Pipeline,
  threads: readonly ThreadSnapshot[],
): ConsumerSnapshot {
  const { records, bytes, waiting } = pipeline.budget;
  return {
    state,
    completed: pipeline.settle.completed,
    retried: pipeline.settle.retried,
    ...pipeline.leaving.counts,
    breaker: pipeline.breaker?.snapshot() ?? null,
    buffered: { records, bytes, waiting },
    partitions: pipeline.assignment.open().map(partitionSnapshot),
    threads,
  };
}

function partitionSnapshot(partition: Partition): PartitionSnapshot {
  const { committed = null, statistics } = partition;
  const { committable = null, position = null } = partition.tracker;
  const endOffset = knownEnd(statistics) ?? null;
  // Statistics are some seconds old, so the end may seem to lie behind what was taken in since.
  const end = endOffset === null || position === null ? endOffset : Math.max(endOffset, position);
  return {
    topic: partition.topic,
    partition: partition.partition,
    committed,
    committable,
    position,
    endOffset: end,
    lag: end === null || committable === null ? null : end - committable,
    fetched: { records: statistics?.fetchedRecords ?? 0, bytes: statistics?.fetchedBytes ?? 0 },
    buffered: partition.bufferedRecords,
    inFlight: partition.inFlight,
    retrying: partition.waiting.size,
    paused: partition.clientPaused,
    halted: partition.halted,
    parkedKeys: partition.parked?.known === true ? partition.parked.size : null,
  };
}

/**
 * What the producer process (peers/producer.ts) is told and what it answers.
 */
import type { Latency } from './job.ts';
import type { KeySpec } from './keys.ts';

/** Warm-up records go at this share of the rate: no queue may be left where the measured ones begin. */
export const WARM_UP_PACE = 0.5;

export interface Load {
  readonly servers: string;
  readonly topic: string;
  /** In all, those of the warm-up among them. */
  readonly records: number;
  /** How many of them, the first, are warm-up. Their keys are drawn apart, so that those measured stay the same. */
  readonly warmUpRecords: number;
  /** `null`: as fast as it can. */
  readonly recordsPerSecond: number | null;
  readonly keys: KeySpec;
  /** Bytes of a value. */
  readonly bytes: number;
  /** How long the handler of each record takes, in microseconds. */
  readonly workUs: number;
}

export interface LoadResult {
  /** Milliseconds from when a record was due to when the client had taken it, without the warm-up. */
  readonly late: Latency;
}

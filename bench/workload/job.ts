/**
 * What a peer is told and what it answers. Every measurement is a process of its own: it gets a job as JSON in its last
 * argument, and its last line on standard output is its result, as JSON. Peers in other languages do the same.
 */

/** The line a peer prints once partitions are assigned to it: from here on what is produced comes to it at once. */
export const READY_LINE = '{"ready":true}';

/** What a handler does with a record; the record says for how long. */
export type Work =
  /** Nothing. */
  | 'none'
  /** Computes: a fixed amount of work, so that threads which share a CPU do not look faster than they are. */
  | 'compute'
  /** Waits, as for I/O. */
  | 'wait'
  /** Never ends. */
  | 'hang';

interface Window {
  /** How long, from the start of the clock. */
  readonly ms: number;
  /** Only records whose number is below this count in `rate`, `cpuUsPerRecord` and `mainUsPerRecord`. */
  readonly countedRecords: number;
}

export interface Job {
  readonly servers: string;
  readonly topic: string;
  readonly group: string;
  /** The topic's records. The peer stops once so many have been handled. */
  readonly records: number;
  /** CPU is counted once so many of them have been handled; the clock starts with the first that comes. */
  readonly warmUpRecords: number;
  readonly keys: number;
  readonly partitions: number;
  readonly ordering: 'key' | 'partition' | 'unordered';
  readonly threads: number;
  /** Handlers in flight at once in all. */
  readonly concurrency: number;
  readonly work: Work;
  /** Rounds of the computation that take a millisecond on this machine. */
  readonly roundsPerMs: number;
  /** Whether the times of the records are wanted: `latency`, `runningMax`, `workMs`. */
  readonly times: boolean;
  /** How long each handler takes, where there are no records to say it (bare-threads). */
  readonly workUs?: number;
  /** Ends the measurement after a while, however many records were handled. */
  readonly window?: Window;
  /** How long the memory is watched (keylane-memory, unbounded). */
  readonly watchMs?: number;
  /** Which build of Keylane: the real one (default), or one that takes ready lanes in rotation (rotation-build.ts). */
  readonly build?: 'rotation';
  /** Further options, of Keylane's own. */
  readonly keylane?: Readonly<Record<string, unknown>>;
  /** Further settings of the client, where it is librdkafka. */
  readonly kafka?: Readonly<Record<string, unknown>>;
}

/** Milliseconds from when a record was due to when its handler had ended. */
export interface Latency {
  readonly records: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly most: number;
}

export interface PeerResult {
  /** From the first record that came to the last that was handled. */
  readonly seconds: number;
  /** Records a second in that time. */
  readonly rate: number;
  readonly completed: number;
  /** Never handled; with a `window`: those that it did not reach among them. */
  readonly lost: number;
  readonly duplicated: number;
  readonly outOfOrder: number;
  /** CPU of the whole process from the end of the warm-up on, per record, in microseconds. */
  readonly cpuUsPerRecord: number;
  /** CPU of its main thread alone; `null` where the system does not say. */
  readonly mainUsPerRecord: number | null;
  /** The most memory the process had, in MiB; `null` where the system does not say. */
  readonly rssMaxMiB: number | null;
  /** Of jobs with `times`. */
  readonly runningMax?: number;
  /** Milliseconds that all handlers took, added up, as measured. */
  readonly workMs?: number;
  /** The same of the key with the most. */
  readonly longestKeyMs?: number;
  /** From when that key's first handler began to when its last ended. */
  readonly longestKeySpanMs?: number;
  readonly latency?: Latency;
  /** Latency of the records of key 0, and of all others. */
  readonly hotLatency?: Latency;
  readonly coldLatency?: Latency;
  /** Whatever else the peer measured, by name. */
  readonly more?: Readonly<Record<string, number>>;
}

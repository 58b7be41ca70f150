/**
 * The port to whatever runs the handlers: threads (`thread-executor.ts`), the poller's own event loop
 * (`inline-executor.ts`), or the simulator. Runs on the poller's thread.
 */
import type { FailureStage, KeylaneError, ThreadLostError } from '../errors.ts';
import type { Lane } from '../poller/lane.ts';
import type { Leases } from '../wire/leases.ts';

/** What an executor tells its owner; never from within a call of `send`. */
export interface ExecutorListener {
  /** The first `count` records of the lane's segment completed. */
  onCompleted(lane: Lane, count: number): void;
  /** The segment stopped: its next record failed, and how. */
  onFailed(lane: Lane, error: Error, stage: FailureStage): void;
  /** The segment was given up: its partition is no longer ours, so the rest of it did not run. */
  onDropped(lane: Lane): void;
  /** The outcomes of one report are all told. */
  onReported(): void;
  /**
   * A thread ended; these lanes were with it and are with nobody now. Those of them whose first record was with a
   * handler at that moment are `suspects`: one of these records may be what ended the thread.
   */
  onThreadLost(error: ThreadLostError, lanes: readonly Lane[], suspects: readonly Lane[]): void;
  /** No handler can run any more. */
  onFatal(error: KeylaneError): void;
}

/** One place that runs handlers: a thread, or the event loop. */
export interface ExecutorThread {
  /** 0-based. */
  readonly id: number;
  /** What it was given and what of it is left. */
  readonly load: ThreadLoadView;
  /** Gives it the segments of these lanes; each lane's `inFlight` says how many records. */
  send(lanes: readonly Lane[]): void;
}

/** How much a thread has and takes; see `thread-load.ts`. */
export interface ThreadLoadView {
  /** Records given and not yet reported. */
  readonly records: number;
  /** Handlers it could start at once. */
  readonly freeSlots: number;
  /** Whether a frame now is worth its cost. */
  readonly hungry: boolean;
  /** Records it can run at once; 0 while there is no thread. */
  readonly slots: number;
  /** Whether they take so long that it matters who is next. */
  readonly slow: boolean;
  /** Whether that is more than a guess: it ran some. */
  readonly measured: boolean;
  /** Records the next segment may have; 0 when the thread has enough. */
  segmentRoom(): number;
  /** Notes a segment that is about to be sent. */
  add(records: number): void;
}

/** One thread, for snapshots. */
export interface ThreadSnapshot {
  readonly id: number;
  /** Records given and not yet reported. */
  readonly records: number;
  /** Records completed since the start. */
  readonly completed: number;
  /** How often it was replaced after it was lost, or was ended because a handler hung. */
  readonly restarts: number;
  /** What is with a handler at this moment. */
  readonly running: readonly RunningRecord[];
}

/** A record that is with a handler. */
export interface RunningRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Of this run, from 1. */
  readonly attempt: number;
  /** Milliseconds since the handler was called. */
  readonly runningMs: number;
}

export interface Executor {
  readonly threads: readonly ExecutorThread[];
  /** Where its handlers see which partitions are ours. */
  readonly leases: Leases;
  /** Resolves when every thread can run handlers; rejects with a ConfigurationError where the handler does not load. */
  start(listener: ExecutorListener): Promise<void>;
  snapshot(): ThreadSnapshot[];
  /** Ends every thread; those that do not end by themselves within `timeoutMs` are stopped. */
  close(timeoutMs: number): Promise<void>;
}

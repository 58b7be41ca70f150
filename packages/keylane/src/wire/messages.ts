/**
 * Every message between the poller and a handler thread's session, both directions, as discriminated unions. They
 * travel over the session's MessagePort.
 */
import type { WireError } from './wire-error.ts';

/** What a session is started with (Piscina's task argument). */
export interface SessionStart {
  readonly port: import('node:worker_threads').MessagePort;
  /** The handler module, as a URL. */
  readonly handlerUrl: string;
  /** 0-based; stable across restarts of the thread. */
  readonly threadId: number;
  /** Handlers in flight at once in this thread. */
  readonly concurrency: number;
  /** Memory of {@link import('./slots.ts').Slots}, this session's own. */
  readonly slots: SharedArrayBuffer;
  /** Memory of a {@link import('./ring.ts').Ring} for frames, and of one for reports; this session's own. */
  readonly frames: SharedArrayBuffer;
  readonly reports: SharedArrayBuffer;
  /** The table of {@link import('./leases.ts').Leases}, shared by all threads. */
  readonly leases: SharedArrayBuffer;
  /** Milliseconds a handler may take; 0 for no limit. */
  readonly handlerTimeoutMs: number;
  /** Whatever the application put into `handlerData`. */
  readonly handlerData: unknown;
}

/** Poller to thread. */
export type ToThread =
  /** A frame of so many bytes in the ring, of known topics and records that never failed. */
  | number
  | {
      readonly type: 'frame';
      /** Packed as `frame.ts` says: its length in the ring, or a buffer that is transferred. */
      readonly frame: number | ArrayBuffer;
      /** Topic names this thread has not seen yet, continuing its table. */
      readonly topics: readonly string[];
      /** What failed before, in the order of the frame's records; left out where nothing did. */
      readonly errors?: readonly PreviousError[] | undefined;
    }
  /** Finish what runs, call the handler's `close`, and resolve the session. */
  | { readonly type: 'end' };

/** The place of a record in its frame, and what its attempt before failed with. */
export type PreviousError = readonly [row: number, error: WireError];

/** Thread to poller. */
export type FromThread =
  /** A report of so many bytes in the ring. */
  | number
  /** The handler is open. */
  | { readonly type: 'ready' }
  | Report;

/** What became of deliveries since the last report, coalesced. */
export interface Report {
  readonly type: 'report';
  /** Pairs of lane id and the number of its records that completed, in the order they completed. */
  readonly completed: readonly number[] | Int32Array;
  /** Lanes whose segment stopped at a failed record: the one after those counted in `completed`. */
  readonly failed: readonly FailedRecord[];
  /** Lanes whose segment was given up before its next record: their partition is no longer ours. */
  readonly dropped: readonly number[];
  /** Milliseconds the completed and failed records took, added up. */
  readonly serviceMs: number;
  /** Milliseconds of this period in which the thread computed, rather than waited for events. */
  readonly activeMs: number;
}

/** One failed record of a report. */
export interface FailedRecord {
  readonly laneId: number;
  readonly error: WireError;
  /** What failed: its decoder, or its handler; or whether it had run out of time by then. */
  readonly stage: 'deserialize' | 'handle' | 'timeout';
}

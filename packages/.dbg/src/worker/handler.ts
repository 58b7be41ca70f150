/**
 * What applications import as `keylane/handler`: the shape of a handler module. It never loads the Kafka client, so
 * handler threads start fast and may import it freely.
 */
import type { KafkaRecord } from '../wire/record.ts';

export { NonRetryableError } from '../wire/non-retryable.ts';
export type { KafkaRecord, RecordHeader } from '../wire/record.ts';

/** What a handler learns about this run of a record. */
export interface HandlerContext<State = undefined> {
  /** 1 at first, one more after each failure. Starts again at 1 where the record is delivered again. */
  readonly attempt: number;
  /** The 0-based number of the thread; 0 for inline handlers. */
  readonly threadId: number;
  /** What `open` returned in this thread. */
  readonly state: State;
  /**
   * Aborts when the record has run for `handlerTimeoutMs`, or when its partition is no longer ours while it still runs
   * (it was lost, or its drain ran out of time). The reason is an Error that says which, with the code
   * `ERR_HANDLER_TIMEOUT` or `ERR_PARTITION_NOT_OWNED`. Hand it to whatever can be aborted. A handler that computes
   * without ever waiting sees it by asking `context.signal.aborted` anew: each access looks at the clock.
   */
  readonly signal: AbortSignal;
  /**
   * Whether the record's partition is still this consumer's. Costs a look into shared memory: ask before an effect
   * that must not happen twice.
   */
  readonly owned: () => boolean;
  /** When `signal` aborts for time, in milliseconds since the epoch; `Infinity` where there is no limit. */
  readonly deadline: number;
}

/** What `open` learns about its thread. */
export interface OpenContext {
  /** The 0-based number of the thread, stable across restarts. */
  readonly threadId: number;
  /** The `handlerData` option, as structured clone carried it here. */
  readonly handlerData: unknown;
}

/** Handles one record. When the returned promise resolves the record is complete; when it rejects it is tried again. */
export type HandleFunction<State = undefined> = (record: KafkaRecord, context: HandlerContext<State>) => unknown;

/** A handler module's default export. */
export interface Handler<State = undefined> {
  /** Runs once in each thread before its first record; what it returns is `context.state`. */
  open?(context: OpenContext): State | Promise<State>;
  handle: HandleFunction<State>;
  /** Runs when the thread ends cleanly, after its last record. */
  close?(context: { readonly state: State }): unknown;
}

/**
 * Names the parts of a handler module and infers their types; returns what it is given.
 *
 * @example
 * export default defineHandler({
 *   open: () => ({ db: connect() }),
 *   handle: async (record, { state }) => state.db.insert(JSON.parse(String(record.value))),
 *   close: ({ state }) => state.db.end(),
 * });
 */
export function defineHandler<State = undefined>(handler: Handler<State>): Handler<State> {
  return handler;
}

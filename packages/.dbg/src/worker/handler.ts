/**
 * What applications import as `keylane/handler`: the shape of a handler module. It never loads the Kafka client, so
 * handler threads start fast and may import it freely.
 */
import type { KafkaRecord } from '../wire/record.ts';
import type { Decoder } from './decode.ts';

export { NonRetryableError } from '../wire/non-retryable.ts';
export type { KafkaRecord, RecordHeader } from '../wire/record.ts';
export {
  bytes,
  type DecodeFunction,
  type Decoder,
  json,
  type SchemaIssue,
  type SchemaResult,
  type StandardSchema,
  string,
} from './decode.ts';

/** What a handler learns about this run of a record. */
export interface HandlerContext<State = undefined> {
  /** 1 at first, one more after each failure. Starts again at 1 where the record is delivered again. */
  readonly attempt: number;
  /**
   * What the attempt before failed with: what the handler threw, or what ended it. `undefined` where it has not failed
   * yet. In a thread it has the name, message, stack, `code`, causes and `retryable` of what was thrown, not its class.
   */
  readonly previousError: Error | undefined;
  /** The record as it came, its key and value as bytes: for decoders, and for handlers that have some. */
  readonly raw: KafkaRecord;
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
export type HandleFunction<State = undefined, Key = Buffer, Value = Buffer> = (
  record: KafkaRecord<Key, Value>,
  context: HandlerContext<State>,
) => unknown;

/** A handler module's default export. */
export interface Handler<State = undefined, Key = Buffer, Value = Buffer> {
  /** Runs once in each thread before its first record; what it returns is `context.state`. */
  open?(context: OpenContext): State | Promise<State>;
  /** What reads `record.key`, in the thread. Without it the key is its bytes. */
  readonly key?: Decoder<Key, State>;
  /**
   * What reads `record.value`, in the thread. Without it the value is its bytes. A record that cannot be decoded never
   * comes to `handle`: it has failed, with the stage `'deserialize'`.
   */
  readonly value?: Decoder<Value, State>;
  // The types come from the decoders alone: what `handle` says of its record cannot make them so.
  handle: HandleFunction<State, NoInfer<Key>, NoInfer<Value>>;
  /** Runs when the thread ends cleanly, after its last record. */
  close?(context: { readonly state: State }): unknown;
}

/** A handler of any state, key and value. */
// biome-ignore lint/suspicious/noExplicitAny: a handler takes its own types in and gives them out, so nothing else fits
export type AnyHandler = Handler<any, any, any>;

/**
 * Names the parts of a handler module and infers their types; returns what it is given.
 *
 * @example
 * export default defineHandler({
 *   open: () => ({ db: connect() }),
 *   value: json<Order>(),
 *   handle: async ({ value }, { state }) => state.db.insert(value),
 *   close: ({ state }) => state.db.end(),
 * });
 */
export function defineHandler<State = undefined, Key = Buffer, Value = Buffer>(
  handler: Handler<State, Key, Value>,
): Handler<State, Key, Value> {
  return handler;
}

/**
 * Decoding: what a record's key and value become before the handler is called with them. Runs in handler threads, and
 * on the poller's thread for handlers that run there.
 *
 * Invariant: the handler is called with a record that is decoded as a whole, or not at all; what fails before that call
 * is an UndecodableError. A record without decoders is handed on as it came, and costs nothing.
 */
import { isUtf8 } from 'node:buffer';
import { fromWireError, toWireError } from '../wire/wire-error.ts';
import type { AnyHandler, HandleFunction, HandlerContext } from './handler.ts';

/**
 * Reads the bytes of a key or a value. Never called for `null`: a record without a key, and a tombstone, stay `null`.
 *
 * What it throws makes the record undecodable: it is not tried again, unless the error has a property `retryable` that
 * is `true`, such as for a schema registry that does not answer. Its time is the handler's.
 */
export type DecodeFunction<T, State = unknown> = (bytes: Buffer, context: HandlerContext<State>) => T | Promise<T>;

/**
 * A schema of zod, valibot, arktype or any other library that follows Standard Schema. The bytes are parsed as JSON and
 * given to it; what it returns (its defaults, its transformations) is what the handler gets.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema<T> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>;
  };
}

/** What a {@link StandardSchema} answers. */
export type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing a {@link StandardSchema} found wrong, and where. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What `key` and `value` of a handler may be: `string()`, `json()`, `bytes()`, a function of yours, or a schema. */
export type Decoder<T, State = unknown> = DecodeFunction<T, State> | StandardSchema<T>;

/** More of a schema's issues are only counted. */
const ISSUES_SHOWN_MAX = 5;

/** The bytes as they are: what a handler gets without a decoder. A view, so copy what you keep. */
export function bytes(): (bytes: Buffer) => Buffer {
  return (given) => given;
}

/** Text in UTF-8. Bytes that are none make the record undecodable. */
export function string(): (bytes: Buffer) => string {
  return (given) => {
    if (isUtf8(given)) return given.toString();
    throw fromWireError({ name: 'TypeError', message: 'the bytes are no UTF-8 text', stack: '' });
  };
}

/** JSON. `T` is taken on trust: give a schema instead where it has to be checked. */
export function json<T = unknown>(): (bytes: Buffer) => T {
  const text = string();
  return (given) => JSON.parse(text(given)) as T;
}

/** Why the handler was not called: its decoder failed with the `cause`. */
export class UndecodableError extends Error {
  readonly retryable: boolean;

  constructor(part: 'key' | 'value', thrown: unknown) {
    const { message, retryable = false } = toWireError(thrown);
    super(`${part}: ${message}`, { cause: thrown });
    this.name = 'UndecodableError';
    this.retryable = retryable;
  }
}

/**
 * The handler as one function from a record as it came.
 *
 * @throws a TypeError where a decoder can decode nothing
 */
export function decoding(handler: AnyHandler): HandleFunction<unknown> {
  if (handler.key === undefined && handler.value === undefined)
    return (record, context) => handler.handle(record, context);
  const key = reader('key', handler.key);
  const value = reader('value', handler.value);
  // One after the other: of two that both fail, none would be there to hear of the other.
  return (record, context) =>
    next(key(record.key, context), (decodedKey) =>
      next(value(record.value, context), (decodedValue) =>
        handler.handle({ ...record, key: decodedKey, value: decodedValue }, context),
      ),
    );
}

/** Whether a handler or decoder returned something to wait for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

type Read = (given: Buffer | null, context: HandlerContext<unknown>) => unknown;

function reader(part: 'key' | 'value', decoder: Decoder<unknown> | undefined): Read {
  if (decoder === undefined) return (given) => given;
  const decode = decodeFunction(part, decoder);
  const undecodable = (thrown: unknown): never => {
    throw new UndecodableError(part, thrown);
  };
  return (given, context) => {
    if (given === null) return null;
    try {
      const decoded = decode(given, context);
      if (!isThenable(decoded)) return decoded;
      return decoded.then((late) => {
        // The time or the partition went by meanwhile: the handler's effects would come too late.
        context.signal.throwIfAborted();
        return late;
      }, undecodable);
    } catch (thrown) {
      return undecodable(thrown);
    }
  };
}

function decodeFunction(part: 'key' | 'value', decoder: unknown): DecodeFunction<unknown> {
  // A schema may be a function itself.
  if (isSchema(decoder)) return validating(decoder);
  if (typeof decoder === 'function') return decoder as DecodeFunction<unknown>;
  const message =
    `the handler's ${part} decoder is ${decoder === null ? 'null' : typeof decoder}. ` +
    'Give string(), json(), bytes(), a function or a Standard Schema.';
  throw fromWireError({ name: 'TypeError', message, stack: '' });
}

function isSchema(decoder: unknown): decoder is StandardSchema<unknown> {
  return Object(decoder) === decoder && typeof (decoder as Partial<StandardSchema<unknown>>)['~standard'] === 'object';
}

function validating(schema: StandardSchema<unknown>): DecodeFunction<unknown> {
  const parse = json();
  return (given) =>
    next(schema['~standard'].validate(parse(given)), (result) => checked(result as SchemaResult<unknown>));
}

function checked(result: SchemaResult<unknown>): unknown {
  if (result.issues === undefined) return result.value;
  const shown = result.issues.slice(0, ISSUES_SHOWN_MAX).map(({ path = [], message }) => {
    const where = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
    return where === '' ? message : `${where}: ${message}`;
  });
  const more = result.issues.length - shown.length;
  const message = `${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
  throw fromWireError({ name: 'SchemaError', message, stack: '' });
}

/** `then`, without a turn where there is nothing to wait for. */
function next(value: unknown, then: (value: unknown) => unknown): unknown {
  return isThenable(value) ? value.then(then) : then(value);
}

/**
 * Errors as plain data. An error that is thrown across a thread boundary loses its class, name and own `code`, so both
 * sides send this shape instead, and the poller builds an Error from it again.
 */

/** An error on its way between threads. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly code?: string;
  /** `false` where another attempt would only fail again; left out where the error does not say. */
  readonly retryable?: boolean;
  readonly cause?: WireError;
}

/** Causes nested deeper than this are cut: a cycle of causes must not hang the thread. */
const CAUSES_MAX = 5;

/** Describes whatever was thrown; never throws itself. */
export function toWireError(thrown: unknown, depth = 0): WireError {
  try {
    if (!(thrown instanceof Error)) return { name: 'Thrown', message: String(thrown), stack: '' };
    const code = 'code' in thrown ? thrown.code : undefined;
    const retryable = 'retryable' in thrown ? thrown.retryable : undefined;
    return {
      name: String(thrown.name),
      message: String(thrown.message),
      stack: String(thrown.stack ?? ''),
      ...(typeof code === 'string' && { code }),
      ...(typeof retryable === 'boolean' && { retryable }),
      ...(thrown.cause !== undefined && depth < CAUSES_MAX && { cause: toWireError(thrown.cause, depth + 1) }),
    };
  } catch {
    return { name: 'Thrown', message: 'a value that cannot be described', stack: '' };
  }
}

/** Rebuilds an Error with the name, message, stack, code, causes and `retryable` it had in its own thread. */
export function fromWireError(wire: WireError): Error {
  const error = new Error(wire.message, wire.cause && { cause: fromWireError(wire.cause) });
  Object.defineProperty(error, 'name', { value: wire.name, configurable: true });
  if (wire.stack !== '') error.stack = wire.stack;
  if (wire.retryable !== undefined) Object.assign(error, { retryable: wire.retryable });
  return wire.code === undefined ? error : Object.assign(error, { code: wire.code });
}

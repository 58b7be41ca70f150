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

/**
 * Characters; what is more is cut. The errors of records that wait for their next attempt are kept, many thousands of
 * them while a service is down, and some have its whole answer in their message.
 */
const MESSAGE_MAX = 2_048;
/** Has the message in it, cut as well. */
const STACK_MAX = 8_192;

function cut(text: string, most = MESSAGE_MAX): string {
  return text.length <= most ? text : `${text.slice(0, most)}... (${text.length} characters)`;
}

/** The same error, or one that tells the same, where its causes are nested deeper than a thread would tell. */
export function withFewCauses(error: Error): Error {
  let deepest: unknown = error;
  for (let depth = 0; depth <= CAUSES_MAX && deepest instanceof Error; depth += 1) deepest = deepest.cause;
  return deepest === undefined ? error : fromWireError(toWireError(error));
}

/** Describes whatever was thrown; never throws itself. */
export function toWireError(thrown: unknown, depth = 0): WireError {
  try {
    if (!(thrown instanceof Error)) return { name: 'Thrown', message: cut(String(thrown)), stack: '' };
    const code = 'code' in thrown ? thrown.code : undefined;
    const retryable = 'retryable' in thrown ? thrown.retryable : undefined;
    const text = String(thrown.message);
    const message = cut(text);
    const stack = String(thrown.stack ?? '');
    return {
      name: String(thrown.name),
      message,
      stack: cut(message === text ? stack : stack.replace(text, () => message), STACK_MAX),
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

/**
 * The client's callbacks as promises, and what its binding wants of bytes.
 */
import type { LibrdKafkaError } from '@confluentinc/kafka-javascript';

/** No call of a test takes longer. */
export const TIMEOUT_MS = 30_000;

type Connectable = {
  connect(options: never, done: (error: LibrdKafkaError) => void): unknown;
  disconnect(done: () => void): unknown;
};

export function connect(client: Connectable): Promise<unknown> {
  return call((done) => client.connect({ timeout: TIMEOUT_MS } as never, done));
}

export function disconnect(client: Connectable): Promise<void> {
  return new Promise((resolve) => client.disconnect(() => resolve()));
}

export function call<T>(
  start: (done: (error: LibrdKafkaError | null | undefined, answer?: T) => void) => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => start((error, answer) => (error ? reject(error) : resolve(answer as T))));
}

/** No bytes, but at an address: the binding takes an empty buffer without one for null. */
const EMPTY = Buffer.alloc(1).subarray(0, 0);

export function bytes<T extends string | Uint8Array | null>(value: T): Buffer | null {
  if (value === null) return null;
  return value.length === 0 ? EMPTY : Buffer.from(value as string);
}

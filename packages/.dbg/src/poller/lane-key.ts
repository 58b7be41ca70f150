/**
 * Which lane a record belongs to, and which thread that lane prefers. Pure; runs on the poller's thread.
 */
import { asError, HandlerError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import { type ClientRecord, toKafkaRecord } from './client.ts';

/** The lane of a whole partition. Outside latin1, so that no key's bytes can spell it. */
export const PARTITION_LANE = '\u{100}partition';

export type LaneKeyOptions = Pick<ResolvedOptions, 'ordering' | 'nullKeys' | 'orderingKey'>;

/**
 * Returns the lane's key for a record: the key's bytes as latin1, or `undefined` for a record that waits for no other.
 */
export function laneKeys({
  ordering,
  nullKeys,
  orderingKey,
}: LaneKeyOptions): (record: ClientRecord) => string | undefined {
  if (ordering === 'partition') return () => PARTITION_LANE;
  if (ordering === 'unordered') return () => undefined;
  const keyless = nullKeys === 'partition' ? PARTITION_LANE : undefined;
  if (orderingKey === undefined) return ({ key }) => (key === null ? keyless : key.toString('latin1'));
  return (record) => {
    const key = keyOf(record, orderingKey);
    if (key === null || key === undefined) return keyless;
    const bytes = typeof key === 'string' ? Buffer.from(key) : Buffer.from(key.buffer, key.byteOffset, key.length);
    return bytes.toString('latin1');
  };
}

function keyOf(
  record: ClientRecord,
  orderingKey: NonNullable<LaneKeyOptions['orderingKey']>,
): ReturnType<typeof orderingKey> {
  try {
    return orderingKey(toKafkaRecord(record));
  } catch (thrown) {
    throw new HandlerError({ ...record, attempt: 1 }, asError(thrown), 'handle', 'orderingKey threw for');
  }
}

/**
 * The thread a key prefers: FNV-1a over the key, finished with murmur3's mixer. It must not be the producer's
 * partitioner (murmur2): the keys of one partition already agree in that hash, so they would all prefer the same few
 * threads.
 */
export function threadOfKey(key: string, threads: number): number {
  if (threads === 1) return 0;
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % threads;
}

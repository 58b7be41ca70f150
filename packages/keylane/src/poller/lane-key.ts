/**
 * Which lane a record belongs to, and which thread that lane prefers. Pure; runs on the poller's thread.
 *
 * A key stays the bytes it is, and is hashed once: a string of it for each record would cost more than all else that is
 * done to find its lane.
 */
import { asError, HandlerError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import { type ClientRecord, toKafkaRecord } from './client.ts';

/** The exact bytes that records of one lane share. */
export type LaneKey = Uint8Array;

/** The lane of a whole partition: this object, whatever its bytes. */
export const PARTITION_LANE: LaneKey = new Uint8Array(0);
/** Its name. Outside latin1, so that no key's bytes can spell it. */
const PARTITION_NAME = '\u{100}partition';

export type LaneKeyOptions = Pick<ResolvedOptions, 'ordering' | 'nullKeys' | 'orderingKey'>;

/** Returns the lane's key for a record; `undefined` for a record that waits for no other. */
export function laneKeys({
  ordering,
  nullKeys,
  orderingKey,
}: LaneKeyOptions): (record: ClientRecord) => LaneKey | undefined {
  if (ordering === 'partition') return () => PARTITION_LANE;
  if (ordering === 'unordered') return () => undefined;
  const keyless = nullKeys === 'partition' ? PARTITION_LANE : undefined;
  if (orderingKey === undefined) return ({ key }) => (key === null ? keyless : key);
  return (record) => {
    const key = keyOf(record, orderingKey);
    if (key === null || key === undefined) return keyless;
    // Bytes of the application's are copied: it may change them, or name the lane of the partition by chance.
    return Buffer.from(key);
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

/** The key as text, one character for each byte: what the park topic knows it by. */
export function laneName(key: LaneKey): string {
  if (key === PARTITION_LANE) return PARTITION_NAME;
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

/** Whether both are the same lane. */
export function isSameLane(one: LaneKey, other: LaneKey): boolean {
  if (one === other) return true;
  if (one === PARTITION_LANE || other === PARTITION_LANE || one.length !== other.length) return false;
  for (let index = 0; index < one.length; index += 1) if (one[index] !== other[index]) return false;
  return true;
}

/**
 * FNV-1a over the key, finished with murmur3's mixer; a whole number of 32 bits, without sign. It must not be the
 * producer's partitioner (murmur2): the keys of one partition already agree in that hash, so they would all prefer the
 * same few threads.
 */
export function hashOfKey(key: LaneKey): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ (key[index] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * What goes into a park topic: records that failed, those that follow them, and the word that a key is released; and
 * how each is read back. Pure.
 */
import { asError, ConfigurationError, type HandlerError } from '../errors.ts';
import type { KafkaRecord, RecordHeader } from '../wire/record.ts';
import type { PartitionOffset } from './client.ts';
import { type DeadLetterBasis, deadLetterOf } from './dead-letter.ts';
import { KEYLANE, keptHeaders, originHeaders, textHeader, timeHeader } from './dead-letter-headers.ts';
import { type ParkedKeys, rankHeader, rankOf } from './parked-keys.ts';
import type { OutgoingRecord } from './producer.ts';

/** Where parked records go. */
export interface ParkPolicy {
  /**
   * The park topic, or a function of the source topic that names it. Default: `orders-parked` for `orders`. A parked
   * record goes to the partition of its record's number, where there is one.
   */
  readonly topic: string | ((topic: string) => string);
}

export function defaultParkTopic(topic: string): string {
  return `${topic}-parked`;
}

/**
 * The park topic of a topic's records.
 *
 * @throws ConfigurationError where the application's function throws, or names none
 */
export function parkTopicOf({ topic }: ParkPolicy, source: string): string {
  const name = typeof topic === 'string' ? topic : called(topic, source);
  if (typeof name === 'string' && name !== '' && name !== source) return name;
  const problem = `park.topic must name another topic for ${source}, and says ${JSON.stringify(name)}`;
  throw new ConfigurationError('ERR_OPTION_INVALID', [problem]);
}

function called(topic: (source: string) => string, source: string): unknown {
  try {
    return topic(source);
  } catch (cause) {
    const problem = `park.topic threw for topic ${source}: ${asError(cause).message}`;
    throw new ConfigurationError('ERR_OPTION_INVALID', [problem], { cause });
  }
}

/** @param key the lane's; `undefined` where the record waits for no other, and so none follows it */
export function failedRecordOf(
  basis: DeadLetterBasis & { readonly park: ParkPolicy },
  record: KafkaRecord,
  error: HandlerError,
  failedAt: number,
  key: string | undefined,
): Omit<OutgoingRecord, 'partition'> {
  const letter = deadLetterOf(basis, record, error, failedAt);
  const headers = [...letter.headers, textHeader(KEYLANE.parked, 'failed'), ...keyHeaders(record, key)];
  return { ...letter, topic: parkTopicOf(basis.park, record.topic), headers };
}

/**
 * A record that goes after one of its key.
 *
 * @param parkedAt milliseconds since the epoch
 */
export function followingRecordOf(
  { park, group }: DeadLetterBasis & { readonly park: ParkPolicy },
  record: KafkaRecord,
  parkedAt: number,
  key: string,
): Omit<OutgoingRecord, 'partition'> {
  const headers = [
    ...keptHeaders(record.headers),
    ...originHeaders(record, group),
    timeHeader(KEYLANE.failedAt, parkedAt),
    textHeader(KEYLANE.parked, 'follows'),
    ...keyHeaders(record, key),
  ];
  const { key: bytes, value, timestamp } = record;
  return { topic: parkTopicOf(park, record.topic), key: bytes, value, timestamp, headers };
}

/** The word that a key is handled again, as all of it up to an offset of the park topic was. */
export function releaseOf(
  { park, group }: DeadLetterBasis & { readonly park: ParkPolicy },
  record: KafkaRecord,
  key: string,
  upTo: number,
): Omit<OutgoingRecord, 'partition'> {
  const headers = [...originHeaders(record, group), textHeader(KEYLANE.released, upTo), keyHeader(key)];
  const { key: bytes, timestamp } = record;
  return { topic: parkTopicOf(park, record.topic), key: bytes, value: null, timestamp, headers };
}

/** A record of a park topic. */
export interface ParkTopicRecord extends PartitionOffset {
  readonly headers: readonly RecordHeader[];
}

/**
 * Takes in what a record of a park topic says.
 *
 * @param keysOf the parked keys of a source partition; `undefined` for one that is not asked for
 */
export function readParked(
  record: ParkTopicRecord,
  keysOf: (topic: string, partition: number) => ParkedKeys | undefined,
): void {
  const said = new Map(record.headers);
  const [topic, partition] = [String(said.get(KEYLANE.topic)), Number(said.get(KEYLANE.partition)?.toString())];
  const keys = keysOf(topic, partition);
  const key = said.get(KEYLANE.parkKey)?.toString();
  if (keys === undefined || key === undefined) return;
  const released = said.get(KEYLANE.released);
  if (released !== undefined) keys.released(key, Number(released.toString()));
  else {
    const offset = Number(said.get(KEYLANE.offset)?.toString());
    keys.parked(key, record, rankOf({ topic, partition, offset, headers: record.headers }));
  }
}

/** What a parked record says of its key, and of its place in it; none where it waits for no other. */
function keyHeaders(record: KafkaRecord, key: string | undefined): RecordHeader[] {
  if (key === undefined) return [];
  // One that was parked before says its place already.
  return rankOf(record) === record.offset ? [keyHeader(key), rankHeader(record)] : [keyHeader(key)];
}

function keyHeader(key: string): RecordHeader {
  return textHeader(KEYLANE.parkKey, key);
}

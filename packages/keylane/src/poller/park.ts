/**
 * What goes into a park topic: records that failed, those that follow them, and the word that a key is released; and
 * how each is read back. Pure.
 */
import type { HandlerError } from '../errors.ts';
import type { KafkaRecord, RecordHeader } from '../wire/record.ts';
import type { PartitionOffset } from './client.ts';
import { type DeadLetterBasis, deadLetterOf } from './dead-letter.ts';
import { KEYLANE, keptHeaders, originHeaders, textHeader } from './dead-letter-headers.ts';
import { type ParkedKeys, parkOrder } from './parked-keys.ts';
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

/** The park topic of a topic's records. */
export function parkTopicOf({ topic }: ParkPolicy, source: string): string {
  return typeof topic === 'string' ? topic : topic(source);
}

/** @param key the lane's; `undefined` where the record waits for no other, and so none follows it */
export function failedRecordOf(
  basis: DeadLetterBasis & { readonly park: ParkPolicy },
  record: KafkaRecord,
  error: HandlerError,
  failedAt: number,
  key: string | undefined,
): Omit<OutgoingRecord, 'partition'> {
  const topic = parkTopicOf(basis.park, record.topic);
  const letter = deadLetterOf(basis, record, error, failedAt);
  const headers = [...letter.headers, textHeader(KEYLANE.parked, 'failed'), ...placeHeaders(topic, record, key)];
  return { ...letter, topic, headers };
}

/** A record that goes after one of its key. */
export function followingRecordOf(
  { park, group }: DeadLetterBasis & { readonly park: ParkPolicy },
  record: KafkaRecord,
  key: string,
): Omit<OutgoingRecord, 'partition'> {
  const topic = parkTopicOf(park, record.topic);
  const headers = [
    ...keptHeaders(record.headers),
    ...originHeaders(record, group),
    textHeader(KEYLANE.parked, 'follows'),
    ...placeHeaders(topic, record, key),
  ];
  const { key: bytes, value, timestamp } = record;
  return { topic, key: bytes, value, timestamp, headers };
}

/** The word that all of a key up to a place in its order was handled. */
export function releaseOf(
  { park, group }: DeadLetterBasis & { readonly park: ParkPolicy },
  record: KafkaRecord,
  key: string,
  upTo: number,
): Omit<OutgoingRecord, 'partition'> {
  const headers = [...originHeaders(record, group), textHeader(KEYLANE.released, upTo), ...keyHeader(key)];
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
  const keys = keysOf(String(said.get(KEYLANE.topic)), Number(said.get(KEYLANE.partition)?.toString()));
  const key = said.get(KEYLANE.parkKey)?.toString();
  if (keys === undefined || key === undefined) return;
  const released = said.get(KEYLANE.released);
  if (released !== undefined) keys.released(key, Number(released.toString()));
  else if (said.get(KEYLANE.parked)?.toString() === 'failed') keys.failed(key, record, orderOf(said, record));
  else keys.follows(key, record, orderOf(said, record));
}

function orderOf(said: ReadonlyMap<string, Buffer>, { offset }: PartitionOffset): number {
  return Number(said.get(KEYLANE.parkOrder)?.toString() ?? offset);
}

/** Its key, and its order where it was in this park topic before. */
function placeHeaders(topic: string, { headers }: KafkaRecord, key: string | undefined): RecordHeader[] {
  const order = parkOrder(headers, topic);
  return [...keyHeader(key), ...(order === undefined ? [] : [textHeader(KEYLANE.parkOrder, order)])];
}

function keyHeader(key: string | undefined): RecordHeader[] {
  return key === undefined ? [] : [textHeader(KEYLANE.parkKey, key)];
}

/**
 * Which keys of one partition are parked, and what a record of such a key has to do. Pure.
 *
 * A key is parked from its first exhausted record on. All its later records follow into the park topic, in order, and
 * are produced again from there in that order. A record that comes back so is handled, unless an earlier one of its key
 * is parked behind it: one that failed again when it came back has to come first, and all that were behind it have to
 * follow it once more. What is earlier is told by where a record was consumed first, which it carries with it. With the
 * last one that was parked the key is released.
 *
 * Invariant: nothing of a parked key is handled but what comes back from the park topic, the earliest first.
 */
import type { KafkaRecord, RecordHeader } from '../wire/record.ts';
import { type PartitionOffset, partitionName, type TopicPartition } from './client.ts';
import { KEYLANE, textHeader } from './dead-letter-headers.ts';

/** What it takes to know a record by: its place, and what it carries with it. */
export type PlacedRecord = Pick<KafkaRecord, 'topic' | 'partition' | 'offset' | 'headers'>;

/** Where a parked key's records lie in the park topic. */
interface ParkedKey extends TopicPartition {
  /** The offset of the record parked last, and its rank. */
  readonly last: number;
  readonly rank: number;
  /**
   * The records that are earlier than some that were parked before them; of those behind one of them none is earlier.
   * Ranks and offsets grow.
   */
  readonly turns: readonly { readonly offset: number; readonly rank: number }[];
}

export class ParkedKeys {
  /** False until the park topic was read: until then nothing may be handed out. */
  known = false;
  readonly #keys: Map<string, ParkedKey> = new Map();

  get size(): number {
    return this.#keys.size;
  }

  has(key: string | undefined): boolean {
    return key !== undefined && this.#keys.has(key);
  }

  /** A record of this key was exhausted, or followed one that was, and lies here in the park topic. */
  parked(key: string, { topic, partition, offset }: PartitionOffset, rank: number): void {
    const known = this.#keys.get(key);
    let turns = known?.turns ?? [];
    if (known !== undefined && rank < known.rank)
      turns = [...turns.filter((turn) => turn.rank < rank), { offset, rank }];
    this.#keys.set(key, { topic, partition, last: offset, rank, turns });
  }

  /** All that was parked up to this offset was handled. */
  released(key: string, upTo: number): void {
    const parked = this.#keys.get(key);
    if (parked !== undefined && parked.last <= upTo) this.#keys.delete(key);
  }

  /** Whether a record of the key has to follow into the park topic, instead of being handled. */
  mustFollow(key: string | undefined, record: PlacedRecord): boolean {
    const parked = key === undefined ? undefined : this.#keys.get(key);
    if (parked === undefined) return false;
    const back = replayedFrom(record.headers);
    if (!isOf(parked, back)) return true;
    const rank = rankOf(record);
    return parked.turns.some((turn) => turn.offset > back.offset && turn.rank < rank);
  }

  /** The park topic's offset up to which the key is done with once this record is; `undefined` where more is parked. */
  releasedBy(key: string | undefined, headers: readonly RecordHeader[]): number | undefined {
    const parked = key === undefined ? undefined : this.#keys.get(key);
    const back = parked && replayedFrom(headers);
    return parked !== undefined && isOf(parked, back) && back.offset === parked.last ? back.offset : undefined;
  }
}

const PLACE = /^(.+)\[(\d+)\]@(\d+)$/;

/** Where a record that was produced again lay before; `undefined` for any other. */
export function replayedFrom(headers: readonly RecordHeader[]): PartitionOffset | undefined {
  return placeIn(headers, KEYLANE.replayedFrom);
}

/** Its place among the records of its key: the offset at which it was consumed first. */
export function rankOf({ topic, partition, offset, headers }: PlacedRecord): number {
  const first = placeIn(headers, KEYLANE.parkedFrom);
  // One that was parked elsewhere begins anew here.
  return first?.topic === topic && first.partition === partition ? first.offset : offset;
}

/** Says where a record was consumed first, for as long as it is parked and comes back. */
export function rankHeader(record: PlacedRecord): RecordHeader {
  return textHeader(KEYLANE.parkedFrom, `${partitionName(record)}@${rankOf(record)}`);
}

function placeIn(headers: readonly RecordHeader[], header: string): PartitionOffset | undefined {
  const said = headers.findLast(([name]) => name === header)?.[1].toString();
  const [, topic, partition, offset] = PLACE.exec(said ?? '') ?? [];
  return topic === undefined ? undefined : { topic, partition: Number(partition), offset: Number(offset) };
}

function isOf(parked: ParkedKey, back: PartitionOffset | undefined): back is PartitionOffset {
  return back !== undefined && back.topic === parked.topic && back.partition === parked.partition;
}

/**
 * Which keys of one partition are parked, and what a record of such a key has to do. Pure.
 *
 * A key is parked from its first exhausted record on. All its later records follow into the park topic, in order, and
 * are produced again from there in that order. A record that comes back so is handled, unless one of its key failed
 * after it was parked: then that one has to come first. With the last one that was parked the key is released.
 *
 * What is parked again lies behind records that arrived meanwhile and yet comes before them. So each keeps the offset
 * it had when it was parked first as its order, and neither a replay nor the release goes by where it lies.
 *
 * Invariant: nothing of a parked key is handled but what comes back from the park topic, in its order there.
 */
import type { RecordHeader } from '../wire/record.ts';
import type { PartitionOffset, TopicPartition } from './client.ts';
import { KEYLANE } from './dead-letter-headers.ts';

/** Where a parked key's records lie in the park topic. */
interface ParkedKey extends TopicPartition {
  /** The offset of the record that failed last; what was parked before it waits until one was handled since. */
  readonly from: number;
  /** The highest order of its records. */
  readonly last: number;
}

/** Below every offset. */
const NONE_FAILED = -1;

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

  /** A record of this key was exhausted, and lies here in the park topic. */
  failed(key: string, { topic, partition, offset }: PartitionOffset, order: number = offset): void {
    const last = Math.max(this.#keys.get(key)?.last ?? order, order);
    this.#keys.set(key, { topic, partition, from: offset, last });
  }

  /** Another record of the key followed it there; the one that failed may be deleted by now. */
  follows(key: string, at: PartitionOffset, order: number = at.offset): void {
    const parked = this.#keys.get(key);
    if (parked === undefined) this.failed(key, at, order);
    else this.#keys.set(key, { ...parked, last: Math.max(parked.last, order) });
  }

  /** All up to this place in the order was handled: the key goes on, or, where more is parked, the next may come. */
  released(key: string, upTo: number): void {
    const parked = this.#keys.get(key);
    if (parked === undefined) return;
    if (parked.last <= upTo) this.#keys.delete(key);
    else this.#keys.set(key, { ...parked, from: NONE_FAILED });
  }

  /** Whether a record of the key has to follow into the park topic, instead of being handled. */
  mustFollow(key: string | undefined, headers: readonly RecordHeader[]): boolean {
    const parked = key === undefined ? undefined : this.#keys.get(key);
    if (parked === undefined) return false;
    const back = replayedFrom(headers);
    return !isOf(parked, back) || back.offset < parked.from;
  }

  /**
   * The order up to which the key is done with once this record is, where the park topic has to say so: it is the last
   * one, or the first that was handled since one failed. `undefined` for all others.
   */
  releasedBy(key: string | undefined, headers: readonly RecordHeader[]): number | undefined {
    const parked = key === undefined ? undefined : this.#keys.get(key);
    if (parked === undefined || !isOf(parked, replayedFrom(headers))) return undefined;
    const order = parkOrder(headers, parked.topic);
    return order !== undefined && (order >= parked.last || parked.from !== NONE_FAILED) ? order : undefined;
  }
}

const PLACE = /^(.+)\[(\d+)\]@(\d+)$/;

/** Where a record that was produced again lay before; `undefined` for any other. */
export function replayedFrom(headers: readonly RecordHeader[]): PartitionOffset | undefined {
  const said = headers.findLast(([name]) => name === KEYLANE.replayedFrom)?.[1].toString();
  const [, topic, partition, offset] = PLACE.exec(said ?? '') ?? [];
  return topic === undefined ? undefined : { topic, partition: Number(partition), offset: Number(offset) };
}

/** The order of a record that comes back from this park topic: where it lay first. `undefined` for any other. */
export function parkOrder(headers: readonly RecordHeader[], topic: string): number | undefined {
  const back = replayedFrom(headers);
  if (back?.topic !== topic) return undefined;
  const said = headers.findLast(([name]) => name === KEYLANE.parkOrder)?.[1].toString();
  return said === undefined ? back.offset : Number(said);
}

function isOf(parked: ParkedKey, back: PartitionOffset | undefined): back is PartitionOffset {
  return back !== undefined && back.topic === parked.topic && back.partition === parked.partition;
}

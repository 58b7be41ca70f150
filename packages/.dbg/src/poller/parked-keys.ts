/**
 * Which keys of one partition are parked, and what a record of such a key has to do. Pure.
 *
 * A key is parked from its first exhausted record on. All its later records follow into the park topic, in order, and
 * are produced again from there in that order. A record that comes back so is handled, unless one of its key failed
 * after it was parked: then that one has to come first. With the last one that was parked the key is released.
 *
 * Invariant: nothing of a parked key is handled but what comes back from the park topic, in its order there.
 */
import type { RecordHeader } from '../wire/record.ts';
import type { PartitionOffset, TopicPartition } from './client.ts';
import { KEYLANE } from './dead-letter-headers.ts';

/** Where a parked key's records lie in the park topic. */
interface ParkedKey extends TopicPartition {
  /** The offset of the record that failed last: what was parked before it must not be handled before it. */
  readonly from: number;
  /** The offset of the last record parked. */
  readonly last: number;
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

  /** A record of this key was exhausted, and lies here in the park topic. */
  failed(key: string, { topic, partition, offset }: PartitionOffset): void {
    this.#keys.set(key, { topic, partition, from: offset, last: offset });
  }

  /** Another record of the key followed it there; the one that failed may be deleted by now. */
  follows(key: string, at: PartitionOffset): void {
    const parked = this.#keys.get(key);
    if (parked === undefined) this.failed(key, at);
    else this.#keys.set(key, { ...parked, last: Math.max(parked.last, at.offset) });
  }

  /** All that was parked up to this offset was handled. */
  released(key: string, upTo: number): void {
    const parked = this.#keys.get(key);
    if (parked !== undefined && parked.last <= upTo) this.#keys.delete(key);
  }

  /** Whether a record of the key has to follow into the park topic, instead of being handled. */
  mustFollow(key: string | undefined, headers: readonly RecordHeader[]): boolean {
    const parked = key === undefined ? undefined : this.#keys.get(key);
    if (parked === undefined) return false;
    const back = replayedFrom(headers);
    return !isOf(parked, back) || back.offset < parked.from;
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
  const said = headers.findLast(([name]) => name === KEYLANE.replayedFrom)?.[1].toString();
  const [, topic, partition, offset] = PLACE.exec(said ?? '') ?? [];
  return topic === undefined ? undefined : { topic, partition: Number(partition), offset: Number(offset) };
}

function isOf(parked: ParkedKey, back: PartitionOffset | undefined): back is PartitionOffset {
  return back !== undefined && back.topic === parked.topic && back.partition === parked.partition;
}

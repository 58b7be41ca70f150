/**
 * Records without end, made as they are asked for: each with a key of its own bytes, all with one value.
 */
import type { ClientRecord } from '../../packages/keylane/dist/poller/client.js';

const TOPIC = 'scale';
const KEY_BYTES = 8;
const VALUE = Buffer.alloc(100);
/** So many records of one partition come together, as of one fetch. */
const RUN_RECORDS = 10;

export class RecordSource {
  /** Made so far. */
  made = 0;
  /** By partition: the offset that comes next. */
  readonly offsets: Float64Array;
  readonly #partitions: number;
  readonly #keys: number;

  /** @param keys come in turn; a multiple of ten times the partitions, so that each is of one partition */
  constructor(partitions: number, keys: number) {
    if (keys % (partitions * RUN_RECORDS) !== 0) throw new Error(`${keys} keys do not fit ${partitions} partitions`);
    this.#partitions = partitions;
    this.#keys = keys;
    this.offsets = new Float64Array(partitions);
  }

  take(count: number): ClientRecord[] {
    const keys = Buffer.allocUnsafe(count * KEY_BYTES);
    const records: ClientRecord[] = [];
    for (let index = 0; index < count; index += 1) {
      const partition = Math.floor(this.made / RUN_RECORDS) % this.#partitions;
      const offset = this.offsets[partition] as number;
      this.offsets[partition] = offset + 1;
      const at = index * KEY_BYTES;
      keys.writeDoubleLE(this.made % this.#keys, at);
      const key = keys.subarray(at, at + KEY_BYTES);
      records.push({ topic: TOPIC, partition, offset, timestamp: 0, key, value: VALUE });
      this.made += 1;
    }
    return records;
  }

  get topic(): string {
    return TOPIC;
  }
}

/**
 * A log in shared memory that handler threads and the test write together. The place an entry gets is taken
 * atomically, so the log is one total order of what happened in all threads: checks need no clock.
 */
import type { LogEntry } from './log.ts';

const KINDS = [
  'produced',
  'assigned',
  'started',
  'completed',
  'failed',
  'interrupted',
  'committed',
  'deleted',
  'truncated',
  'reset',
] as const satisfies readonly LogEntry['kind'][];
const NAME_BYTES = 40;
/** kind, name lengths, partition, epoch (int32 each), offset (float64), topic and key. */
const ROW_BYTES = 24 + 2 * NAME_BYTES;
const HEAD_BYTES = 8;
const NO_KEY = 0xff;
const NO_EPOCH = -1;

export class SharedLog {
  /** Pass this to threads (`handlerData`) and open the log there again with `new SharedLog(buffer)`. */
  readonly buffer: SharedArrayBuffer;
  readonly #rows: Buffer;
  readonly #count: Int32Array;

  /** @param source the number of entries it can hold, or the buffer of a log that exists */
  constructor(source: number | SharedArrayBuffer) {
    this.buffer = typeof source === 'number' ? new SharedArrayBuffer(HEAD_BYTES + source * ROW_BYTES) : source;
    this.#count = new Int32Array(this.buffer, 0, 1);
    this.#rows = Buffer.from(this.buffer, HEAD_BYTES);
  }

  get length(): number {
    return Math.min(Atomics.load(this.#count, 0), Math.floor(this.#rows.length / ROW_BYTES));
  }

  /** @throws RangeError when the log is full, or a topic or key is longer than 40 bytes */
  append(entry: LogEntry): void {
    const key = 'key' in entry ? entry.key : null;
    for (const name of [entry.topic, key ?? '']) {
      if (Buffer.byteLength(name) > NAME_BYTES) throw new RangeError(`'${name}' is longer than ${NAME_BYTES} bytes`);
    }
    const at = Atomics.add(this.#count, 0, 1) * ROW_BYTES;
    if (at + ROW_BYTES > this.#rows.length) throw new RangeError('the shared log is full');
    const keyAt = at + 24 + NAME_BYTES;
    this.#rows.writeUInt8(this.#rows.write(entry.topic, at + 24), at + 4);
    this.#rows.writeUInt8(key === null ? NO_KEY : this.#rows.write(key, keyAt), at + 5);
    this.#rows.writeInt32LE(entry.partition, at + 8);
    this.#rows.writeInt32LE(('epoch' in entry ? entry.epoch : undefined) ?? NO_EPOCH, at + 12);
    this.#rows.writeDoubleLE('offset' in entry ? entry.offset : -1, at + 16);
    this.#rows.writeInt32LE(KINDS.indexOf(entry.kind), at);
  }

  entries(): LogEntry[] {
    return Array.from({ length: this.length }, (_, index) => {
      const at = index * ROW_BYTES;
      const keyLength = this.#rows.readUInt8(at + 5);
      const keyAt = at + 24 + NAME_BYTES;
      const epoch = this.#rows.readInt32LE(at + 12);
      return {
        kind: KINDS[this.#rows.readInt32LE(at)],
        topic: this.#rows.toString('utf8', at + 24, at + 24 + this.#rows.readUInt8(at + 4)),
        partition: this.#rows.readInt32LE(at + 8),
        offset: this.#rows.readDoubleLE(at + 16),
        key: keyLength === NO_KEY ? null : this.#rows.toString('utf8', keyAt, keyAt + keyLength),
        ...(epoch !== NO_EPOCH && { epoch }),
      } as LogEntry;
    });
  }
}

/**
 * Packs the segments of lanes into one frame. Runs on the poller's thread; `worker/frame-reader.ts` is its other half.
 *
 * Every value is copied, never transferred: the poller keeps the original, because it may have to send the record
 * again.
 */

import { headersOf } from '../poller/client.ts';
import type { Delivery } from '../poller/delivery.ts';
import type { Lane } from '../poller/lane.ts';
import {
  frameParts,
  HEADER_LENGTH_BYTES,
  NULL_LENGTH,
  PREFIX_INTS,
  RECORD_INTS,
  SEGMENT_INTS,
  TIME_FLOATS,
} from '../wire/frame.ts';
import type { PreviousError, ToThread } from '../wire/messages.ts';
import type { RecordHeader } from '../wire/record.ts';
import { aligned, type Ring } from '../wire/ring.ts';
import { toWireError } from '../wire/wire-error.ts';

/** Below this many bytes a loop copies faster than a call into the engine. */
const COPY_LOOP_BYTES_MAX = 24;

/** What goes to a thread; where it is a buffer, that is transferred. */
export type Frame = Omit<Extract<ToThread, { readonly type: 'frame' }>, 'type'>;

/**
 * What a frame should have at most, as records count against the byte budget. A handler that waits keeps the frame that
 * its record came in, whatever else was in there.
 */
const FRAME_BYTES_MAX = 1 << 20;

/** Where the frame ends that begins with the segment of this lane: in front of the lane with this index. */
export function frameEnd(lanes: readonly Lane[], first: number): number {
  let bytes = 0;
  for (let index = first; index < lanes.length; index += 1) {
    const lane = lanes[index] as Lane;
    let delivery = lane.head as Delivery;
    for (let count = lane.inFlight; count > 0; count -= 1) {
      bytes += delivery.bytes;
      delivery = delivery.next as Delivery;
    }
    if (bytes > FRAME_BYTES_MAX && index > first) return index;
  }
  return lanes.length;
}

export class FrameWriter {
  /** Topic names the thread was told, and their place in its table. */
  readonly #topics: Map<string, number> = new Map();
  /** Mostly that of the segment before. */
  #lastTopic = { name: '', index: -1 };
  readonly #ring: Ring;

  constructor(ring: Ring) {
    this.#ring = ring;
  }

  /**
   * Packs the segments (`lane.inFlight` records from the head of each lane).
   *
   * @param laneIds the id the thread shall report each lane under
   * @returns the frame, the topic names that are new to the thread, and what its records failed with before
   */
  write(lanes: readonly Lane[], laneIds: readonly number[]): Frame {
    let recordCount = 0;
    let payloadBytes = 0;
    const headers: Map<Delivery, PackedHeaders> = new Map();
    for (const lane of lanes) {
      let delivery = lane.head as Delivery;
      for (let count = lane.inFlight; count > 0; count -= 1) {
        const { record } = delivery;
        recordCount += 1;
        payloadBytes += aligned(record.key?.length ?? 0) + aligned(record.value?.length ?? 0);
        if (record.headers !== undefined) {
          const packed = packHeaders(headersOf(record));
          headers.set(delivery, packed);
          payloadBytes += aligned(packed.bytes);
        }
        delivery = delivery.next as Delivery;
      }
    }

    const parts = frameParts(recordCount, lanes.length);
    const bytes = parts.payload + payloadBytes;
    const place = this.#ring.reserve(bytes);
    const buffer = place === undefined ? new ArrayBuffer(bytes) : this.#ring.buffer;
    const base = place ?? 0;
    const prefix = new Int32Array(buffer, base, PREFIX_INTS);
    prefix[0] = recordCount;
    prefix[1] = lanes.length;
    const times = new Float64Array(buffer, base + parts.times, recordCount * TIME_FLOATS);
    const segments = new Int32Array(buffer, base + parts.segments, lanes.length * SEGMENT_INTS);
    const records = new Int32Array(buffer, base + parts.records, recordCount * RECORD_INTS);
    const payload = Buffer.from(buffer, base, bytes);
    const topics: string[] = [];
    const errors: PreviousError[] = [];

    let row = 0;
    let segment = 0;
    let at = parts.payload;
    for (const lane of lanes) {
      const { topic, partition, lease } = lane.partition;
      const place = segment * SEGMENT_INTS;
      segments[place] = laneIds[segment] as number;
      segments[place + 1] = lane.inFlight;
      segments[place + 2] = this.#topicIndex(topic, topics);
      segments[place + 3] = partition;
      segments[place + 4] = lease.index;
      segments[place + 5] = lease.generation;
      segment += 1;
      let delivery = lane.head as Delivery;
      for (let count = lane.inFlight; count > 0; count -= 1) {
        const { record } = delivery;
        const packed = record.headers === undefined ? undefined : headers.get(delivery);
        times[row * TIME_FLOATS] = record.offset;
        times[row * TIME_FLOATS + 1] = record.timestamp;
        const first = row * RECORD_INTS;
        records[first] = record.leaderEpoch ?? -1;
        records[first + 1] = delivery.attempt;
        records[first + 2] = record.key?.length ?? NULL_LENGTH;
        records[first + 3] = record.value?.length ?? NULL_LENGTH;
        records[first + 4] = packed?.bytes ?? 0;
        if (record.key !== null) at = aligned(copy(record.key, payload, at));
        if (record.value !== null) at = aligned(copy(record.value, payload, at));
        if (packed !== undefined) at = aligned(writeHeaders(packed, payload, at));
        if (delivery.errors.length > 0) errors.push([row, toWireError(delivery.previousError)]);
        row += 1;
        delivery = delivery.next as Delivery;
      }
    }
    const frame = place === undefined ? (buffer as ArrayBuffer) : bytes;
    return errors.length === 0 ? { frame, topics } : { frame, topics, errors };
  }

  #topicIndex(name: string, added: string[]): number {
    if (name === this.#lastTopic.name) return this.#lastTopic.index;
    let index = this.#topics.get(name);
    if (index === undefined) {
      index = this.#topics.size;
      this.#topics.set(name, index);
      added.push(name);
    }
    this.#lastTopic = { name, index };
    return index;
  }
}

interface PackedHeaders {
  readonly pairs: readonly { readonly name: Buffer; readonly value: Buffer }[];
  readonly bytes: number;
}

function packHeaders(headers: readonly RecordHeader[]): PackedHeaders {
  const pairs = headers.map(([name, value]) => ({ name: Buffer.from(name), value }));
  const bytes = pairs.reduce(
    (sum, { name, value }) => sum + 2 * HEADER_LENGTH_BYTES + name.length + value.length,
    HEADER_LENGTH_BYTES,
  );
  return { pairs, bytes };
}

function writeHeaders({ pairs }: PackedHeaders, target: Buffer, start: number): number {
  let at = target.writeUInt32LE(pairs.length, start);
  for (const { name, value } of pairs) {
    at = target.writeUInt32LE(name.length, at);
    at = copy(name, target, at);
    at = target.writeUInt32LE(value.length, at);
    at = copy(value, target, at);
  }
  return at;
}

/** Copies and returns the position behind. */
function copy(source: Uint8Array, target: Uint8Array, start: number): number {
  if (source.length > COPY_LOOP_BYTES_MAX) {
    target.set(source, start);
  } else {
    for (let index = 0; index < source.length; index += 1) target[start + index] = source[index] as number;
  }
  return start + source.length;
}

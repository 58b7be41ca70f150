/**
 * Reads a frame back into records. Runs in handler threads; `executor/frame-writer.ts` is its other half.
 *
 * Keys, values and header values are views into the frame, so reading copies nothing; whoever keeps one of them keeps
 * the frame in memory with it.
 */
import {
  frameParts,
  HEADER_LENGTH_BYTES,
  NULL_LENGTH,
  PREFIX_INTS,
  RECORD_INTS,
  SEGMENT_INTS,
  TIME_FLOATS,
} from '../wire/frame.ts';
import type { Lease } from '../wire/leases.ts';
import type { PreviousError } from '../wire/messages.ts';
import type { RecordHeader } from '../wire/record.ts';
import { aligned, type Ring } from '../wire/ring.ts';
import type { DueRecord } from '../wire/run.ts';
import { fromWireError } from '../wire/wire-error.ts';

/** Consecutive records of one lane: to be run one after the other, up to the first failure. */
export interface Segment {
  readonly laneId: number;
  /** By which its partition is ours. */
  readonly lease: Lease;
  readonly records: readonly DueRecord[];
}

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);
const NO_ERRORS: readonly PreviousError[] = Object.freeze([]);

/** The next frame in the ring, copied out of it: what handlers hold of it is theirs. */
export function takeFrame(frames: Ring, bytes: number): ArrayBuffer {
  return frames.take(bytes, (at) => {
    const frame = Buffer.allocUnsafeSlow(bytes);
    frame.set(new Uint8Array(frames.buffer, at, bytes));
    return frame.buffer as ArrayBuffer;
  });
}

/**
 * @param topics the thread's table of topic names
 * @param errors of those of its records that failed before
 */
export function readFrame(
  buffer: ArrayBuffer,
  topics: readonly string[],
  errors: readonly PreviousError[] = NO_ERRORS,
): Segment[] {
  const [recordCount = 0, segmentCount = 0] = new Int32Array(buffer, 0, PREFIX_INTS);
  const parts = frameParts(recordCount, segmentCount);
  const times = new Float64Array(buffer, parts.times, recordCount * TIME_FLOATS);
  const segmentRows = new Int32Array(buffer, parts.segments, segmentCount * SEGMENT_INTS);
  const recordRows = new Int32Array(buffer, parts.records, recordCount * RECORD_INTS);
  let at = parts.payload;
  let row = 0;
  let errorsRead = 0;

  const take = (length: number): Buffer => {
    const start = at;
    at = aligned(at + length);
    return Buffer.from(buffer, start, length);
  };

  const segments: Segment[] = [];
  for (let segment = 0; segment < segmentCount; segment += 1) {
    const first = segment * SEGMENT_INTS;
    const topic = topics[segmentRows[first + 2] as number] as string;
    const partition = segmentRows[first + 3] as number;
    const records: DueRecord[] = [];
    for (let count = segmentRows[first + 1] as number; count > 0; count -= 1) {
      const cell = row * RECORD_INTS;
      const keyLength = recordRows[cell + 2] as number;
      const valueLength = recordRows[cell + 3] as number;
      const headersLength = recordRows[cell + 4] as number;
      const failed = errors[errorsRead]?.[0] === row ? errors[errorsRead++] : undefined;
      records.push({
        attempt: recordRows[cell + 1] as number,
        previousError: failed && fromWireError(failed[1]),
        record: {
          topic,
          partition,
          offset: times[row * TIME_FLOATS] as number,
          timestamp: times[row * TIME_FLOATS + 1] as number,
          key: keyLength === NULL_LENGTH ? null : take(keyLength),
          value: valueLength === NULL_LENGTH ? null : take(valueLength),
          headers: headersLength === 0 ? NO_HEADERS : readHeaders(take(headersLength)),
          leaderEpoch: recordRows[cell] as number,
        },
      });
      row += 1;
    }
    const lease = { index: segmentRows[first + 4] as number, generation: segmentRows[first + 5] as number };
    segments.push({ laneId: segmentRows[first] as number, lease, records });
  }
  return segments;
}

function readHeaders(bytes: Buffer): RecordHeader[] {
  let at = HEADER_LENGTH_BYTES;
  const take = (): Buffer => {
    const length = bytes.readUInt32LE(at);
    at += HEADER_LENGTH_BYTES + length;
    return bytes.subarray(at - length, at);
  };
  return Array.from({ length: bytes.readUInt32LE(0) }, () => [take().toString(), take()] as const);
}

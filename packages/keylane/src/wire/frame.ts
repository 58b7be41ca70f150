/**
 * The layout of a frame: a run of records for a thread, in one piece of memory. `executor/frame-writer.ts` packs it,
 * `worker/frame-reader.ts` reads it; the numbers both must agree on are here and nowhere else.
 *
 *     prefix      2 × int32    records, segments
 *     times       2 × float64  per record: offset, timestamp
 *     segments    6 × int32    per segment: lane id, records, topic index, partition, lease index, lease generation
 *     records     5 × int32    per record: leader epoch, attempt, key length, value length, headers length
 *     payload     bytes        per record: key, value, headers, each of them from a multiple of 8 on
 *
 * A length of -1 stands for null. The prefix is 8 bytes, so the float64 table behind it is aligned. So is the payload:
 * bytes that lie unaligned in shared memory are copied one by one.
 */

import { aligned } from './ring.ts';

/** Room for the frames of small records. */
export const FRAME_RING_BYTES: number = 1 << 20;

export const PREFIX_INTS = 2;
export const TIME_FLOATS = 2;
export const SEGMENT_INTS = 6;
export const RECORD_INTS = 5;
export const NULL_LENGTH = -1;

/** Where each part of a frame begins, in bytes. */
export interface FrameParts {
  readonly times: number;
  readonly segments: number;
  readonly records: number;
  readonly payload: number;
}

export function frameParts(recordCount: number, segmentCount: number): FrameParts {
  const times = PREFIX_INTS * 4;
  const segments = times + recordCount * TIME_FLOATS * 8;
  const records = segments + segmentCount * SEGMENT_INTS * 4;
  return { times, segments, records, payload: aligned(records + recordCount * RECORD_INTS * 4) };
}

/**
 * Headers are packed as: count (uint32), then for each one the name's length (uint32), the name (UTF-8), the value's
 * length (uint32) and the value.
 */
export const HEADER_LENGTH_BYTES = 4;

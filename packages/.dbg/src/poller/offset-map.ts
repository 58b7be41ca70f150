/**
 * What completed above the committed offset, as text for the commit's metadata, so that it is not run again after a
 * restart, a crash or a rebalance. Pure.
 *
 *     kl1 | codec · body length · checksum · body, 15 bits a character
 *
 * The broker limits metadata in characters, not in bytes, so an alphabet of 2^15 characters holds 2.5 times what
 * base64 would (docs/adr/0008). The checksum covers the committed offset as well: a map that somebody's tool moved to
 * another offset is not believed.
 *
 * Invariant: `decode(encode(base, ranges), base)` is `ranges`, and whatever else comes in is refused with the reason.
 */
import { constants, crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { ByteReader, ByteWriter, readDense, varintLength, writeDense } from './offset-map-bytes.ts';

/**
 * Completed offsets: start and end of each range, in turn and ascending; an end is one past the range's last offset.
 * Offsets that hold no record may lie inside or outside.
 */
export type OffsetRanges = readonly number[];

const MAGIC = 'kl';
const VERSION = '1';
const PREFIX_CHARACTERS = MAGIC.length + VERSION.length;
/** Codec (1), body length (2), checksum (4). */
const HEADER_BYTES = 7;
/** Below this there is nothing to win by compressing. */
const DEFLATE_BYTES_MIN = 512;
const DEFLATED = 0x80;
/** No map decodes to more than this; a body that claims to is not ours. */
const INFLATED_BYTES_MAX = 1 << 20;

/** The ways to write the ranges down; the shortest wins. */
const CODECS = [
  { id: 0, length: bitSetLength, write: writeBitSet, read: readBitSet },
  { id: 1, length: runsLength, write: writeRuns, read: readRuns },
  { id: 2, length: incompleteLength, write: writeIncomplete, read: readIncomplete },
] as const;

/** How much a map may hold, and so how far hand-out may run ahead of the committed offset. */
export interface OffsetMapLimits {
  /** A map whose last offset is no further than this from the committed one always fits (bit set). */
  readonly span: number;
  /** A map always fits whose runs take no more bytes than this, each between two records (run lengths). */
  readonly runBytes: number;
}

/** The limits that follow from the characters a commit's metadata may have. */
export function offsetMapLimits(charactersMax: number): OffsetMapLimits {
  const bytes = Math.floor(((charactersMax - PREFIX_CHARACTERS) * 15) / 8) - HEADER_BYTES;
  return { span: bytes * 8, runBytes: bytes };
}

/** Bytes that the run between two neighbouring offsets takes, at most. */
export function runBytes(distance: number): number {
  return varintLength(distance);
}

/** The metadata for a commit at `base`: empty where nothing above it is complete. */
export function encodeOffsetMap(base: number, ranges: OffsetRanges): string {
  if (ranges.length === 0) return '';
  let shortest: (typeof CODECS)[number] = CODECS[0];
  let length = Infinity;
  for (const codec of CODECS) {
    const bytes = codec.length(base, ranges, length);
    if (bytes < length) [shortest, length] = [codec, bytes];
  }
  const writer = new ByteWriter(length);
  shortest.write(writer, base, ranges);
  let body: Uint8Array = writer.bytes;
  let codec: number = shortest.id;
  if (body.length >= DEFLATE_BYTES_MIN) {
    const deflated = deflateRawSync(body, { level: constants.Z_BEST_SPEED });
    if (deflated.length < body.length) [body, codec] = [deflated, codec | DEFLATED];
  }
  const map = Buffer.alloc(HEADER_BYTES + body.length);
  map.writeUInt8(codec, 0);
  map.writeUInt16LE(body.length, 1);
  map.writeUInt32LE(checksum(base, codec, body), 3);
  map.set(body, HEADER_BYTES);
  return MAGIC + VERSION + writeDense(map);
}

/** The ranges of a commit's metadata, or why they cannot be read. Never throws. */
export function decodeOffsetMap(base: number, metadata: string): { ranges: OffsetRanges } | { problem: string } {
  if (metadata === '') return { ranges: [] };
  if (!metadata.startsWith(MAGIC)) return { problem: 'it was written by something else than Keylane' };
  if (metadata[MAGIC.length] !== VERSION) return { problem: 'it was written by another version of Keylane' };
  const map = readDense(metadata.slice(PREFIX_CHARACTERS));
  if (map === undefined || map.length < HEADER_BYTES) return { problem: 'it is damaged' };
  const codecByte = map.readUInt8(0);
  const body = map.subarray(HEADER_BYTES, HEADER_BYTES + map.readUInt16LE(1));
  if (checksum(base, codecByte, body) !== map.readUInt32LE(3)) {
    return { problem: 'it is damaged, or belongs to another offset' };
  }
  const codec = CODECS.find(({ id }) => id === (codecByte & ~DEFLATED));
  if (codec === undefined) return { problem: 'it was written by another version of Keylane' };
  const plain = inflated(body, codecByte);
  const ranges = plain && codec.read(new ByteReader(plain), base);
  return ranges !== undefined && areRanges(base, ranges) ? { ranges } : { problem: 'it is damaged' };
}

function inflated(body: Buffer, codec: number): Buffer | undefined {
  if ((codec & DEFLATED) === 0) return body;
  try {
    return inflateRawSync(body, { maxOutputLength: INFLATED_BYTES_MAX });
  } catch {
    return undefined;
  }
}

/** Whether these are starts and ends in turn, ascending, at or above the base. */
function areRanges(base: number, ranges: OffsetRanges): boolean {
  if (ranges.length % 2 !== 0 || (ranges[0] ?? base) < base) return false;
  return ranges.every((at, index) => Number.isSafeInteger(at) && (index === 0 || at > (ranges[index - 1] as number)));
}

/** What of the ranges lies below an offset. */
export function rangesBelow(ranges: OffsetRanges, offset: number): OffsetRanges {
  const below = ranges.filter((at) => at < offset);
  return below.length % 2 === 0 ? below : [...below, offset];
}

function checksum(base: number, codec: number, body: Uint8Array): number {
  const head = Buffer.alloc(9);
  head.writeDoubleLE(base, 0);
  head.writeUInt8(codec, 8);
  return crc32(body, crc32(head));
}

// Bit set: one bit for each offset from the base on.

function bitSetLength(base: number, ranges: OffsetRanges): number {
  return Math.ceil(((ranges.at(-1) as number) - base) / 8);
}

function writeBitSet(writer: ByteWriter, base: number, ranges: OffsetRanges): void {
  for (let index = 0; index < ranges.length; index += 2) {
    writer.setBits((ranges[index] as number) - base, (ranges[index + 1] as number) - base);
  }
}

function readBitSet(reader: ByteReader, base: number): OffsetRanges {
  const ranges: number[] = [];
  let before = false;
  for (let bit = 0; bit <= reader.length * 8; bit += 1) {
    const set = reader.bit(bit);
    if (set !== before) ranges.push(base + bit);
    before = set;
  }
  return ranges;
}

// Run lengths: incomplete, complete, incomplete, …

function runsLength(base: number, ranges: OffsetRanges, lengthMax: number): number {
  let length = 0;
  let last = base;
  for (let index = 0; index < ranges.length && length < lengthMax; index += 1) {
    const at = ranges[index] as number;
    length += varintLength(at - last);
    last = at;
  }
  return length;
}

function writeRuns(writer: ByteWriter, base: number, ranges: OffsetRanges): void {
  let last = base;
  for (const at of ranges) {
    writer.varint(at - last);
    last = at;
  }
}

function readRuns(reader: ByteReader, base: number): OffsetRanges {
  const ranges: number[] = [];
  let last = base;
  while (!reader.done) {
    last += reader.varint();
    ranges.push(last);
  }
  return ranges;
}

// Incomplete offsets: between each one and the next, how many are complete. Best where few are incomplete.

function incompleteLength(base: number, ranges: OffsetRanges, lengthMax: number): number {
  let length = 0;
  let end = base;
  for (let index = 0; index < ranges.length && length < lengthMax; index += 2) {
    const start = ranges[index] as number;
    // Every range follows an incomplete offset here; one that begins at the base does not.
    if (start === end) return Infinity;
    length += start - end - 1 + varintLength((ranges[index + 1] as number) - start);
    end = ranges[index + 1] as number;
  }
  return length;
}

function writeIncomplete(writer: ByteWriter, base: number, ranges: OffsetRanges): void {
  let end = base;
  for (let index = 0; index < ranges.length; index += 2) {
    const start = ranges[index] as number;
    for (let others = start - end - 1; others > 0; others -= 1) writer.varint(0);
    end = ranges[index + 1] as number;
    writer.varint(end - start);
  }
}

function readIncomplete(reader: ByteReader, base: number): OffsetRanges {
  const ranges: number[] = [];
  let at = base;
  while (!reader.done) {
    const complete = reader.varint();
    at += 1;
    if (complete > 0) ranges.push(at, at + complete);
    at += complete;
  }
  return ranges;
}

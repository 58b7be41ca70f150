/**
 * The bytes and characters beneath the offset map. Pure.
 *
 * Characters: 15 bits each, from an unbroken range of 2^15 that begins at U+4000 and ends before the surrogates, so
 * each is one UTF-16 unit, which is what a broker counts, and survives UTF-8.
 */

const BITS = 15;
const FIRST_CHARACTER = 0x4000;
const MASK = (1 << BITS) - 1;
/** Characters built in one call: more arguments than this may be too many for one. */
const CHUNK = 4_096;

/** Packs bytes into characters. */
export function writeDense(bytes: Uint8Array): string {
  const characters = new Uint16Array(Math.ceil((bytes.length * 8) / BITS));
  let pending = 0;
  let bits = 0;
  let at = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    bits += 8;
    if (bits >= BITS) {
      bits -= BITS;
      characters[at] = FIRST_CHARACTER + ((pending >>> bits) & MASK);
      at += 1;
      pending &= (1 << bits) - 1;
    }
  }
  if (bits > 0) characters[at] = FIRST_CHARACTER + ((pending << (BITS - bits)) & MASK);
  let text = '';
  for (let start = 0; start < characters.length; start += CHUNK) {
    text += String.fromCharCode(...characters.subarray(start, start + CHUNK));
  }
  return text;
}

/** Unpacks characters; up to one byte of padding may follow. `undefined` where a character is none of ours. */
export function readDense(text: string): Buffer | undefined {
  const bytes = Buffer.alloc(Math.floor((text.length * BITS) / 8));
  let pending = 0;
  let bits = 0;
  let at = 0;
  for (let index = 0; index < text.length; index += 1) {
    const value = text.charCodeAt(index) - FIRST_CHARACTER;
    if (value < 0 || value > MASK) return undefined;
    pending = (pending << BITS) | value;
    bits += BITS;
    while (bits >= 8) {
      bits -= 8;
      bytes[at] = (pending >>> bits) & 0xff;
      at += 1;
    }
    pending &= (1 << bits) - 1;
  }
  return bytes;
}

/** Bytes of a number as a variable-length integer, 7 bits a byte. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  let length = 4;
  for (let rest = Math.floor(value / 0x1000_0000); rest > 0; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}

export class ByteWriter {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.#at] = (rest % 0x80) | 0x80;
      this.#at += 1;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.#at] = rest;
    this.#at += 1;
  }

  /** Sets the bits from `start` to before `end`. */
  setBits(start: number, end: number): void {
    let bit = start;
    for (; bit < end && (bit & 7) !== 0; bit += 1) (this.bytes[bit >> 3] as number) |= 1 << (bit & 7);
    const whole = (end - bit) >> 3;
    if (whole > 0) {
      this.bytes.fill(0xff, bit >> 3, (bit >> 3) + whole);
      bit += whole * 8;
    }
    for (; bit < end; bit += 1) (this.bytes[bit >> 3] as number) |= 1 << (bit & 7);
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** NaN for one that does not end. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.#at];
      this.#at += 1;
      if (byte === undefined) return NaN;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  /** False past the end. */
  bit(at: number): boolean {
    return (((this.#bytes[at >> 3] ?? 0) >> (at & 7)) & 1) === 1;
  }
}

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, readDense, varintLength, writeDense } from './offset-map-bytes.ts';

const anyBytes = fc.uint8Array({ maxLength: 300 });
/** Numbers whose lengths in bits are all equally likely, edges of a byte more, up to 2^53 - 1. */
const anyNumber = fc
  .tuple(fc.integer({ min: 0, max: 53 }), fc.maxSafeNat(), fc.integer({ min: -1, max: 1 }))
  .map(([bits, random, edge]) =>
    Math.min(Math.max(edge === 0 ? random % 2 ** bits : 2 ** bits + edge, 0), 2 ** 53 - 1),
  );

function write(length: number, act: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(length);
  act(writer);
  return writer.bytes;
}

describe('dense text', () => {
  test('gives the bytes back, with at most one byte of padding, and in no more characters than needed', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const text = writeDense(bytes);
        const back = readDense(text) as Buffer;
        expect([...back.subarray(0, bytes.length)]).toEqual([...bytes]);
        expect([...back.subarray(bytes.length)]).toEqual(back.length > bytes.length ? [0] : []);
        expect(text).toHaveLength(Math.ceil((bytes.length * 8) / 15));
      }),
    );
  });

  test('many bytes are no matter', () => {
    const bytes = Buffer.alloc(100_000, 0xc5);
    expect(readDense(writeDense(bytes))?.subarray(0, bytes.length).equals(bytes)).toBe(true);
  });

  test('every character is one unit of the alphabet, no surrogate, and survives UTF-8', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const text = writeDense(bytes);
        for (let index = 0; index < text.length; index += 1) {
          expect(text.charCodeAt(index)).toBeGreaterThanOrEqual(0x4000);
          expect(text.charCodeAt(index)).toBeLessThan(0xc000);
        }
        expect([...text]).toHaveLength(text.length);
        expect(Buffer.from(text, 'utf8').toString('utf8')).toBe(text);
      }),
    );
  });

  test.each([
    { name: 'none', bytes: [], text: '' },
    { name: 'the first of the alphabet', bytes: [0, 0], text: '\u4000\u4000' },
    { name: 'the last of the alphabet', bytes: [0xff, 0xff], text: '\ubfff\u8000' },
  ])('$name', ({ bytes, text }) => {
    expect(writeDense(Uint8Array.from(bytes))).toBe(text);
  });

  test.each(['\u3fff', '\uc000', 'A', '\ud800', '\udfff', '\uffff', '\u4000\u4000A'])('%j is not ours', (text) => {
    expect(readDense(text)).toBeUndefined();
  });
});

describe('varint', () => {
  test('any number comes back, in as many bytes as was said', () => {
    fc.assert(
      fc.property(fc.array(anyNumber, { maxLength: 20 }), (numbers) => {
        const length = numbers.reduce((sum, number) => sum + varintLength(number), 0);
        const bytes = write(length, (writer) => {
          for (const number of numbers) writer.varint(number);
        });
        const reader = new ByteReader(bytes);
        expect(numbers.map(() => reader.varint())).toEqual(numbers);
        expect(reader.done).toBe(true);
      }),
    );
  });

  test('its length grows every 7 bits', () => {
    for (let bytes = 1; bytes <= 7; bytes += 1) {
      expect([varintLength(2 ** (7 * bytes) - 1), varintLength(2 ** (7 * bytes))]).toEqual([bytes, bytes + 1]);
    }
    expect([varintLength(0), varintLength(Number.MAX_SAFE_INTEGER)]).toEqual([1, 8]);
  });

  test('two distances take no less than both at once: a run is never longer than the way from record to record', () => {
    fc.assert(
      fc.property(anyNumber, anyNumber, (one, other) => {
        if (one < 1 || other < 1 || one + other > Number.MAX_SAFE_INTEGER) return;
        expect(varintLength(one + other)).toBeLessThanOrEqual(varintLength(one) + varintLength(other));
      }),
    );
  });

  test.each([
    { name: 'nothing there', bytes: [] },
    { name: 'cut off', bytes: [0x80, 0xff] },
    { name: 'without an end', bytes: Array.from({ length: 20 }, () => 0xff) },
  ])('one that does not end is none: $name', ({ bytes }) => {
    expect(new ByteReader(Uint8Array.from(bytes)).varint()).toBeNaN();
  });
});

describe('bits', () => {
  test('any ranges are set, and nothing else', () => {
    const ranges = fc.array(fc.tuple(fc.nat(199), fc.nat(60)), { maxLength: 6 });
    fc.assert(
      fc.property(ranges, (all) => {
        const model = Array.from({ length: 264 }, () => false);
        const bytes = write(33, (writer) => {
          for (const [start, length] of all) {
            writer.setBits(start, start + length);
            model.fill(true, start, start + length);
          }
        });
        const reader = new ByteReader(bytes);
        expect(model.map((_, bit) => reader.bit(bit))).toEqual(model);
        expect([reader.length, reader.bit(264), reader.bit(1_000_000)]).toEqual([33, false, false]);
      }),
    );
  });
});

import { constants, crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeOffsetMap, encodeOffsetMap, type OffsetRanges, offsetMapLimits, runBytes } from './offset-map.ts';
import { readDense, varintLength, writeDense } from './offset-map-bytes.ts';

const DEFLATED = 0x80;
const BIT_SET = 0;
const RUNS = 1;
const INCOMPLETE = 2;

/** Ranges from the distances between one end and the next start and so on; the first may be 0. */
function rangesOf(base: number, distances: readonly number[]): OffsetRanges {
  let at = base;
  return distances.map((distance) => {
    at += distance;
    return at;
  });
}

const distance = fc.oneof(
  { weight: 5, arbitrary: fc.constant(1) },
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 20 }) },
  { weight: 2, arbitrary: fc.constantFrom(127, 128, 129, 16_383, 16_384) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 ** 31 }) },
);
/** A base and ranges above it, of all kinds: at the base, dense, sparse, many, huge. */
const anyMap = fc
  .tuple(
    fc.oneof(fc.nat(1_000), fc.maxSafeNat(), fc.constant(2 ** 52)),
    fc.boolean(),
    fc.oneof(
      fc.array(fc.tuple(distance, distance), { maxLength: 200, size: 'max' }),
      // Few are incomplete, each by itself.
      fc.array(fc.tuple(fc.constant(1), fc.integer({ min: 20, max: 120 })), { maxLength: 200, size: 'max' }),
    ),
  )
  .map(([start, atBase, pairs]) => {
    const distances = pairs.flat();
    if (atBase && distances.length > 0) distances[0] = 0;
    const span = distances.reduce((sum, one) => sum + one, 0);
    const base = Math.min(start, Number.MAX_SAFE_INTEGER - span);
    return { base, ranges: rangesOf(base, distances) };
  });

/** What a text is made of. */
function partsOf(text: string) {
  const map = readDense(text.slice(3)) as Buffer;
  const length = map.readUInt16LE(1);
  const deflated = (map.readUInt8(0) & DEFLATED) !== 0;
  const body = map.subarray(7, 7 + length);
  return { codec: map.readUInt8(0) & ~DEFLATED, deflated, body, plain: deflated ? inflateRawSync(body) : body };
}

/** A map with a checksum that is right, whatever is in it. */
function forge(base: number, codec: number, body: Uint8Array): string {
  const head = Buffer.alloc(9);
  head.writeDoubleLE(base, 0);
  head.writeUInt8(codec, 8);
  const map = Buffer.alloc(7 + body.length);
  map.writeUInt8(codec, 0);
  map.writeUInt16LE(body.length, 1);
  map.writeUInt32LE(crc32(body, crc32(head)), 3);
  map.set(body, 7);
  return `kl1${writeDense(map)}`;
}

/** How long each way to write it down would be, counted anew. */
function lengthsOf(base: number, ranges: OffsetRanges): Record<number, number> {
  const all = [base, ...ranges];
  const distances = ranges.map((at, index) => at - (all[index] as number));
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const gaps = distances.filter((_, index) => index % 2 === 0);
  const counts = distances.filter((_, index) => index % 2 === 1);
  return {
    [BIT_SET]: Math.ceil(((ranges.at(-1) as number) - base) / 8),
    [RUNS]: sum(distances.map(varintLength)),
    [INCOMPLETE]: gaps.includes(0) ? Infinity : sum(gaps.map((gap) => gap - 1)) + sum(counts.map(varintLength)),
  };
}

describe('offset map, there and back', () => {
  test('any ranges come back as they were', () => {
    fc.assert(
      fc.property(anyMap, ({ base, ranges }) => {
        expect(decodeOffsetMap(base, encodeOffsetMap(base, ranges))).toEqual({ ranges });
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    { name: 'nothing', base: 7, ranges: [] },
    { name: 'one offset', base: 7, ranges: [8, 9] },
    { name: 'at the base', base: 7, ranges: [7, 8] },
    { name: 'from the base on, and more', base: 0, ranges: [0, 300, 301, 302] },
    { name: 'the last offset there is', base: 0, ranges: [2 ** 53 - 2, 2 ** 53 - 1] },
    { name: 'all there is', base: 0, ranges: [1, 2 ** 53 - 1] },
    { name: 'at the end of all there is', base: 2 ** 53 - 10, ranges: [2 ** 53 - 8, 2 ** 53 - 1] },
  ])('$name', ({ base, ranges }) => {
    expect(decodeOffsetMap(base, encodeOffsetMap(base, ranges))).toEqual({ ranges });
  });

  test('where nothing above is complete there is no text', () => {
    expect([encodeOffsetMap(9, []), decodeOffsetMap(9, '')]).toEqual(['', { ranges: [] }]);
  });

  test('every character is one unit that is no surrogate and survives UTF-8, whatever the ranges', () => {
    fc.assert(
      fc.property(anyMap, ({ base, ranges }) => {
        const text = encodeOffsetMap(base, ranges);
        expect(text === '' || /^kl1[\u4000-\ubfff]+$/.test(text)).toBe(true);
        expect(Buffer.from(text, 'utf8').toString('utf8')).toBe(text);
      }),
    );
  });
});

describe('offset map, as short as can be', () => {
  const random = (index: number) => (Math.imul(index, 0x9e3779b1) >>> 7) % 13 < 6;
  const noise = (count: number): OffsetRanges => {
    const ranges: number[] = [];
    for (let offset = 1; offset <= count; offset += 1) {
      if (random(offset) !== random(offset - 1) || offset === 1) ranges.push(offset);
    }
    return ranges.length % 2 === 0 ? ranges : [...ranges, count + 1];
  };
  const every = (count: number, gap: number, run: number) =>
    rangesOf(
      0,
      Array.from({ length: count * 2 }, (_, index) => (index % 2 === 0 ? gap : run)),
    );
  test.each([
    { name: 'many short runs: a bit set', ranges: noise(400), codec: BIT_SET, deflated: false },
    { name: 'one long run far away: run lengths', ranges: [50_000, 60_000], codec: RUNS, deflated: false },
    { name: 'few incomplete ones: their distances', ranges: every(50, 1, 90), codec: INCOMPLETE, deflated: false },
    { name: 'one that repeats itself: deflated', ranges: every(5_000, 1, 1), codec: BIT_SET, deflated: true },
    {
      name: 'distances that repeat themselves: deflated',
      ranges: every(600, 1, 90),
      codec: INCOMPLETE,
      deflated: true,
    },
    { name: 'runs that repeat themselves: deflated', ranges: every(300, 1_000, 1_000), codec: RUNS, deflated: true },
    { name: 'short, though it repeats itself', ranges: every(500, 4, 1), codec: BIT_SET, deflated: false },
  ])('$name', ({ ranges, codec, deflated }) => {
    const text = encodeOffsetMap(0, ranges);
    expect(partsOf(text)).toMatchObject({ codec, deflated });
    expect(decodeOffsetMap(0, text)).toEqual({ ranges });
  });

  test('the shortest codec is chosen, and deflated only where that is shorter still', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(anyMap, ({ base, ranges }) => {
        if (ranges.length === 0) return;
        const text = encodeOffsetMap(base, ranges);
        const { codec, deflated, body, plain } = partsOf(text);
        const lengths = lengthsOf(base, ranges);
        expect([plain.length, lengths[codec]]).toEqual([Math.min(...Object.values(lengths)), plain.length]);
        const shorter =
          plain.length >= 512 ? deflateRawSync(plain, { level: constants.Z_BEST_SPEED }).length : Infinity;
        expect(deflated).toBe(shorter < plain.length);
        expect(body).toHaveLength(deflated ? shorter : plain.length);
        expect(text).toHaveLength(3 + Math.ceil(((7 + body.length) * 8) / 15));
        seen.add(`${codec}`);
      }),
      { numRuns: 500 },
    );
    expect(seen).toEqual(new Set(['0', '1', '2']));
  });

  test('bits without any pattern are not deflated', () => {
    const { plain, deflated } = partsOf(encodeOffsetMap(0, noiseOf(20_000)));
    expect([plain.length > 512, deflated]).toEqual([true, false]);
  });

  /** Ranges by the bits of a good generator: nothing to compress. */
  function noiseOf(count: number): OffsetRanges {
    let state = 1;
    const bit = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 31;
    };
    const ranges: number[] = [];
    let before = 0;
    for (let offset = 0; offset < count; offset += 1) {
      const now = bit();
      if (now !== before) ranges.push(offset);
      before = now;
    }
    return before === 0 ? ranges : [...ranges, count];
  }
});

describe('offsetMapLimits', () => {
  test.each([64, 65, 66, 67, 68, 69, 70, 71, 72, 200, 4_095, 32_768])(
    '%i characters hold that much',
    (charactersMax) => {
      const { span, runBytes: bytes } = offsetMapLimits(charactersMax);
      const textLength = (body: number) => 3 + Math.ceil(((7 + body) * 8) / 15);
      expect(textLength(bytes)).toBeLessThanOrEqual(charactersMax);
      expect(textLength(bytes + 1)).toBeGreaterThan(charactersMax);
      expect([span, bytes < 2 ** 16]).toEqual([bytes * 8, true]);
    },
  );

  test('what a run takes is what is written', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (length) => {
        expect(runBytes(length)).toBe(varintLength(length));
      }),
    );
  });
});

describe('offset map, what is not to be believed', () => {
  const TEXT = encodeOffsetMap(5, [7, 9, 12, 13, 200, 260]);
  const bytesAsBase64 = Buffer.from([1, 0, 0, 0, 0, 0, 0, 3, 232, 255, 0]).toString('base64');

  test.each([
    { name: "another tool's base64", text: 'AAAB', problem: 'something else than Keylane' },
    { name: "Kafka Streams' base64", text: bytesAsBase64, problem: 'something else than Keylane' },
    { name: 'JSON', text: '{"lag":3}', problem: 'something else than Keylane' },
    { name: 'half our name', text: 'k', problem: 'something else than Keylane' },
    { name: 'a lone surrogate', text: '\ud800', problem: 'something else than Keylane' },
    { name: 'a newer version', text: TEXT.replace('kl1', 'kl2'), problem: 'another version' },
    { name: 'our name only', text: 'kl', problem: 'another version' },
    { name: 'a codec that is not known', text: forge(5, 3, Buffer.alloc(2)), problem: 'another version' },
    { name: 'nothing but a version', text: 'kl1', problem: 'damaged' },
    { name: 'a header that is cut off', text: TEXT.slice(0, 6), problem: 'damaged' },
    { name: 'a character that is not ours', text: `${TEXT.slice(0, -1)}A`, problem: 'damaged' },
    { name: 'a surrogate', text: `${TEXT.slice(0, -1)}\udc00`, problem: 'damaged' },
    { name: 'cut off', text: TEXT.slice(0, -1), problem: 'damaged' },
    { name: 'a number without an end', text: forge(5, RUNS, Buffer.from([1, 0x80])), problem: 'damaged' },
    { name: 'deflated, but not', text: forge(5, RUNS | DEFLATED, Buffer.from([7, 7, 7])), problem: 'damaged' },
    { name: 'of a base below', text: encodeOffsetMap(4, [7, 9]), problem: 'belongs to another offset' },
    { name: 'of a base above', text: encodeOffsetMap(6, [7, 9]), problem: 'belongs to another offset' },
  ])('$name', ({ text, problem }) => {
    expect(decodeOffsetMap(5, text)).toEqual({ problem: expect.stringContaining(problem) });
  });

  // Only who computes the checksum can write these, so no accident can; but what they say would skip records.
  test.each([
    { name: 'a range that does not end', codec: RUNS, body: [2, 3, 4] },
    { name: 'ranges without an offset', codec: RUNS, body: [2, 0, 0, 0] },
    {
      name: 'offsets past what a number can hold',
      codec: RUNS,
      body: [1, ...Array.from({ length: 7 }, () => 0xff), 0x7f],
    },
  ])('ranges that are none: $name', ({ codec, body }) => {
    expect(decodeOffsetMap(5, forge(5, codec, Buffer.from(body)))).toEqual({ problem: expect.any(String) });
  });

  test('a body that inflates to more than any map holds', () => {
    const bomb = deflateRawSync(Buffer.alloc(60 * 2 ** 20), { level: 9 });
    expect(bomb.length).toBeLessThan(2 ** 16);
    expect(decodeOffsetMap(5, forge(5, BIT_SET | DEFLATED, bomb))).toEqual({ problem: expect.any(String) });
  });

  test('any text at all, surrogates and all', () => {
    const unit = fc.oneof(
      fc.integer({ min: 0, max: 0xffff }),
      fc.integer({ min: 0x4000, max: 0xbfff }),
      fc.integer({ min: 0xd800, max: 0xdfff }),
    );
    const prefix = fc.constantFrom('', 'k', 'kl', 'kl1', 'kl2');
    fc.assert(
      fc.property(prefix, fc.array(unit, { minLength: 1, maxLength: 60 }), fc.nat(100), (start, units, base) => {
        const text = start + String.fromCharCode(...units);
        expect(decodeOffsetMap(base, text)).toEqual({ problem: expect.any(String) });
      }),
      { numRuns: 1_000 },
    );
  });

  test('one that is cut off anywhere, or belongs to another offset', () => {
    fc.assert(
      fc.property(anyMap, fc.nat(), fc.integer({ min: 1, max: 1_000 }), ({ base, ranges }, cut, moved) => {
        if (ranges.length === 0) return;
        const text = encodeOffsetMap(base, ranges);
        const part = text.slice(0, 1 + (cut % (text.length - 1)));
        expect(decodeOffsetMap(base, part)).toEqual({ problem: expect.any(String) });
        const other = base + moved > Number.MAX_SAFE_INTEGER ? base - moved : base + moved;
        expect(decodeOffsetMap(other, text)).toEqual({ problem: expect.any(String) });
      }),
    );
  });

  test('one with a bit flipped anywhere is refused, or says the same', () => {
    let refused = 0;
    fc.assert(
      fc.property(anyMap, fc.nat(), fc.nat(15), ({ base, ranges }, place, bit) => {
        if (ranges.length === 0) return;
        const text = encodeOffsetMap(base, ranges);
        const units = Array.from(text, (_, index) => text.charCodeAt(index));
        (units[place % units.length] as number) ^= 1 << bit;
        const result = decodeOffsetMap(base, String.fromCharCode(...units));
        if ('problem' in result) refused += 1;
        // Bits that pad the last character mean nothing.
        else expect(result).toEqual({ ranges });
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(300);
  });
});

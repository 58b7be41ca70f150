import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClientRecord } from './client.ts';
import {
  hashOfKey,
  isSameLane,
  type LaneKey,
  type LaneKeyOptions,
  laneKeys,
  laneName,
  PARTITION_LANE,
} from './lane-key.ts';

function recordOf(key: Buffer | null): ClientRecord {
  return { topic: 't', partition: 0, offset: 7, timestamp: 0, key, value: Buffer.from('value') };
}

/** The lane's key of a record with this key, under these options. */
function bytesOf(key: Buffer | string | null, options: Partial<LaneKeyOptions> = {}): LaneKey | undefined {
  const laneKey = laneKeys({ ordering: 'key', nullKeys: 'unordered', orderingKey: undefined, ...options });
  return laneKey(recordOf(typeof key === 'string' ? Buffer.from(key) : key));
}

/** Its name. */
function keyOf(...args: Parameters<typeof bytesOf>): string | undefined {
  const key = bytesOf(...args);
  return key && laneName(key);
}

const WHOLE = laneName(PARTITION_LANE);
const threadOf = (key: Uint8Array, threads: number) => hashOfKey(key) % threads;

/** The hash of Kafka's own partitioner, as in org.apache.kafka.common.utils.Utils. */
function murmur2(bytes: Uint8Array): number {
  const mix = (value: number) => {
    const product = Math.imul(value, 0x5bd1e995);
    return Math.imul(product ^ (product >>> 24), 0x5bd1e995);
  };
  const words = Math.floor(bytes.length / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let hash = 0x9747b28c ^ bytes.length;
  for (let word = 0; word < words; word += 1) {
    hash = Math.imul(hash, 0x5bd1e995) ^ mix(view.getInt32(word * 4, true));
  }
  const rest = bytes.subarray(words * 4);
  if (rest.length > 0) {
    rest.forEach((byte, index) => {
      hash ^= byte << (8 * index);
    });
    hash = Math.imul(hash, 0x5bd1e995);
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995);
  return hash ^ (hash >>> 15);
}

/** How unevenly keys spread over threads: Pearson's chi-square against an even spread. */
function chiSquare(keys: readonly Buffer[], threads: number, threadOf: (key: Buffer) => number): number {
  const counts = new Array<number>(threads).fill(0);
  for (const key of keys) {
    const thread = threadOf(key);
    counts[thread] = (counts[thread] ?? 0) + 1;
  }
  const even = keys.length / threads;
  return counts.reduce((sum, count) => sum + (count - even) ** 2 / even, 0);
}

describe('laneKeys', () => {
  test.each([
    { name: 'no order', options: { ordering: 'unordered' }, key: 'a', expected: undefined },
    { name: 'order of the partition', options: { ordering: 'partition' }, key: 'a', expected: WHOLE },
    { name: 'order of the partition, no key', options: { ordering: 'partition' }, key: null, expected: WHOLE },
    { name: 'the key', options: {}, key: 'a', expected: 'a' },
    { name: 'an empty key is a key', options: {}, key: '', expected: '' },
    { name: 'no key waits for none', options: {}, key: null, expected: undefined },
    {
      name: 'no key, in the order of the partition',
      options: { nullKeys: 'partition' },
      key: null,
      expected: WHOLE,
    },
    { name: 'an empty key beside keyless ones', options: { nullKeys: 'partition' }, key: '', expected: '' },
    { name: 'a named string', options: { orderingKey: () => 'n' }, key: 'a', expected: 'n' },
    { name: 'a named empty string', options: { orderingKey: () => '', nullKeys: 'partition' }, key: 'a', expected: '' },
    { name: 'named bytes', options: { orderingKey: () => Uint8Array.of(110) }, key: 'a', expected: 'n' },
    { name: 'none named', options: { orderingKey: () => null }, key: 'a', expected: undefined },
    { name: 'undefined named', options: { orderingKey: () => undefined }, key: 'a', expected: undefined },
    {
      name: 'none named, in the order of the partition',
      options: { orderingKey: () => null, nullKeys: 'partition' },
      key: 'a',
      expected: WHOLE,
    },
  ] satisfies { name: string; options: Partial<LaneKeyOptions>; key: string | null; expected: string | undefined }[])(
    '$name',
    ({ options, key, expected }) => expect(keyOf(key, options)).toBe(expected),
  );

  test('keys that are no UTF-8 differ', () => {
    const keys = [[0xff, 0x01], [0xfe, 0x01], [0xff], [0xef, 0xbf, 0xbd], []].map((bytes) => keyOf(Buffer.from(bytes)));
    expect(new Set(keys).size).toBe(5);
  });

  test('two keys share a lane if and only if their bytes are equal', () => {
    const bytes = fc.uint8Array({ maxLength: 6 });
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [left, right] = [Buffer.from(a), Buffer.from(b)];
        expect(isSameLane(bytesOf(left) as LaneKey, bytesOf(right) as LaneKey)).toBe(left.equals(right));
        expect(keyOf(left) === keyOf(right)).toBe(left.equals(right));
        expect(isSameLane(bytesOf(left) as LaneKey, PARTITION_LANE)).toBe(false);
      }),
    );
  });

  test('no named string is the lane of the partition, and a part of a buffer is only that part', () => {
    const [named, bytes] = [WHOLE, PARTITION_LANE].map((key) => bytesOf('a', { orderingKey: () => key }) as LaneKey);
    expect([named, bytes].map((key) => isSameLane(key as LaneKey, PARTITION_LANE))).toEqual([false, false]);
    expect(isSameLane(PARTITION_LANE, PARTITION_LANE)).toBe(true);
    expect(keyOf('a', { orderingKey: () => Buffer.from('xxabcxx').subarray(2, 5) })).toBe('abc');
  });

  test('a named string and the same text as UTF-8 bytes are one lane', () => {
    const named = (key: string | Uint8Array) => keyOf(null, { orderingKey: () => key });
    expect(named('größe-鍵')).toBe(named(Buffer.from('größe-鍵')));
  });

  test('an orderingKey that throws is named, with the record', () => {
    const cause = new TypeError('no such field');
    const orderingKey = () => {
      throw cause;
    };
    const error = { name: 'HandlerError', topic: 't', partition: 0, offset: 7, cause };
    expect(() => keyOf('a', { orderingKey })).toThrow(expect.objectContaining(error));
    expect(() => keyOf('a', { orderingKey })).toThrow('orderingKey threw for t[0]@7: no such field');
  });

  test('orderingKey sees the record as the handler will', () => {
    const key = keyOf('a', {
      orderingKey: ({ topic, offset, headers, value }) => `${topic}${offset}${headers.length}${value}`,
    });
    expect(key).toBe('t70value');
  });
});

describe('hashOfKey', () => {
  const FAMILIES: readonly { name: string; key: (index: number) => Buffer }[] = [
    { name: 'numbers', key: (index) => Buffer.from(`${index}`) },
    { name: 'names with a number', key: (index) => Buffer.from(`customer-${index}`) },
    { name: 'a number in front', key: (index) => Buffer.from(`${index}/order`) },
    { name: 'hexadecimal', key: (index) => Buffer.from(Math.imul(index, 0x9e3779b1).toString(16)) },
    { name: 'binary longs', key: (index) => Buffer.from(BigInt64Array.of(BigInt(index)).buffer) },
  ];

  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
  ])("the partitioner's hash here is Kafka's own: %s", (key, hash) => expect(murmur2(Buffer.from(key))).toBe(hash));

  test.each(FAMILIES)('keys of one partition spread over 8 threads: $name', ({ key }) => {
    const partitionOf = (bytes: Buffer) => (murmur2(bytes) & 0x7fffffff) % 16;
    const keys = Array.from({ length: 64_000 }, (_, index) => key(index)).filter((bytes) => partitionOf(bytes) === 3);
    expect(keys.length).toBeGreaterThan(2_000);
    // 7 degrees of freedom: an even hash is above 29.9 once in 10,000 times.
    expect(chiSquare(keys, 8, (bytes) => threadOf(bytes, 8))).toBeLessThan(29.9);
    // What the salt is for: the partitioner's own hash sends them all to one thread.
    expect(chiSquare(keys, 8, (bytes) => (murmur2(bytes) & 0x7fffffff) % 8)).toBeGreaterThan(1_000);
  });

  test('a key always has the same thread, and the thread exists', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 1, max: 1_024 }), (bytes, threads) => {
        const thread = threadOf(bytes, threads);
        expect(threadOf(Buffer.from(bytes), threads)).toBe(thread);
        expect(Number.isInteger(thread) && thread >= 0 && thread < threads).toBe(true);
      }),
    );
  });

  test('another hash is a choice, not an accident: it moves the keys of every user', () => {
    expect(
      ['', 'a', 'customer-1', '\u{ff}\u{fe}'].map((key) => threadOf(Buffer.from(key, 'latin1'), 8)),
    ).toMatchInlineSnapshot(`
      [
        3,
        3,
        0,
        0,
      ]
    `);
  });
});

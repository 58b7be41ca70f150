import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Ring } from './ring.ts';

const RING_BYTES = 1 << 16;

/** Both ends of a ring. */
function ringOf(ringBytes = RING_BYTES) {
  const here = new Ring(ringBytes);
  const there = new Ring(here.buffer);
  /** Writes a piece of this byte all over; `undefined` where there is no room. */
  const write = (bytes: number, fill: number): number | undefined => {
    const at = here.reserve(bytes);
    if (at !== undefined) new Uint8Array(here.buffer, at, bytes).fill(fill);
    return at;
  };
  const take = (bytes: number) => there.take(bytes, (at) => Uint8Array.from(new Uint8Array(there.buffer, at, bytes)));
  return { here, there, write, take };
}

describe('Ring', () => {
  test('every piece is read as it was written, whatever was read by then', () => {
    const step = fc.record({ bytes: fc.integer({ min: 1, max: 25_000 }), reads: fc.nat(4) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        const { write, take } = ringOf();
        const unread: { bytes: number; fill: number }[] = [];
        const readOne = (): void => {
          const next = unread.shift();
          if (next === undefined) return;
          const piece = take(next.bytes);
          expect([piece.length, piece.every((byte) => byte === next.fill)]).toEqual([next.bytes, true]);
        };
        for (const [index, { bytes, reads }] of steps.entries()) {
          const fill = 1 + (index % 255);
          const at = write(bytes, fill);
          if (at !== undefined) {
            expect(at % 8).toBe(0);
            unread.push({ bytes, fill });
          } else expect(unread.length).toBeGreaterThan(0);
          for (let read = 0; read < reads; read += 1) readOne();
        }
        while (unread.length > 0) readOne();
      }),
      { numRuns: 100 },
    );
  });

  test('has room for nothing while nothing was read, and for all of it once it was', () => {
    const { write, take } = ringOf();
    expect([typeof write(RING_BYTES, 1), write(1, 2)]).toEqual(['number', undefined]);
    take(RING_BYTES);
    expect(write(RING_BYTES, 3)).toBeDefined();
  });

  test('what is being read is not written again', () => {
    const { write, there } = ringOf();
    write(RING_BYTES, 1);
    expect(there.take(RING_BYTES, () => write(8, 2))).toBe(undefined);
    expect(write(8, 2)).toBeDefined();
  });

  test('what found no room leaves no trace', () => {
    const { write, take } = ringOf();
    write(RING_BYTES - 16, 1);
    expect(write(24, 2)).toBe(undefined);
    write(16, 3);
    take(RING_BYTES - 16);
    expect(take(16)).toEqual(new Uint8Array(16).fill(3));
  });

  test('a piece larger than the ring never has room', () => {
    expect(ringOf().write(RING_BYTES + 1, 1)).toBe(undefined);
  });

  test('goes on past 2^32 bytes', () => {
    const ringBytes = 1 << 22;
    const { here, there, write, take } = ringOf(ringBytes);
    for (let round = 0; round < 2 ** 32 / ringBytes + 8; round += 1) {
      write(8, round % 256);
      expect(take(8)[0]).toBe(round % 256);
      expect(here.reserve(ringBytes - 8)).toBeDefined();
      there.take(ringBytes - 8, () => undefined);
    }
  });
});

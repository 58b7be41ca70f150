import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FramePlace, FrameRing } from './frame-ring.ts';

const RING_BYTES = 1 << 20;

/** Both ends of a ring. */
function ringOf() {
  const here = new FrameRing();
  const there = new FrameRing(here.buffer);
  /** Writes a frame of this byte all over; `undefined` where there is no room. */
  const write = (bytes: number, fill: number): FramePlace | undefined => {
    const place = here.reserve(bytes);
    if (place !== undefined) new Uint8Array(here.buffer, place.at, place.bytes).fill(fill);
    return place;
  };
  return { write, take: (place: FramePlace) => new Uint8Array(there.take(place)) };
}

describe('FrameRing', () => {
  test('every frame is read as it was written, whatever the thread has read by then', () => {
    const step = fc.record({ bytes: fc.integer({ min: 1, max: 400_000 }), reads: fc.nat(4) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        const { write, take } = ringOf();
        const unread: { place: FramePlace; fill: number }[] = [];
        const readOne = (): void => {
          const next = unread.shift();
          if (next === undefined) return;
          const frame = take(next.place);
          expect([frame.length, frame.every((byte) => byte === next.fill)]).toEqual([next.place.bytes, true]);
        };
        for (const [index, { bytes, reads }] of steps.entries()) {
          const fill = 1 + (index % 255);
          const place = write(bytes, fill);
          if (place !== undefined) {
            expect(place.at % 8).toBe(0);
            unread.push({ place, fill });
          } else expect(unread.length).toBeGreaterThan(0);
          for (let read = 0; read < reads; read += 1) readOne();
        }
        while (unread.length > 0) readOne();
      }),
      { numRuns: 60 },
    );
  });

  test('has room for nothing while the thread has read nothing, and for all of it once it has', () => {
    const { write, take } = ringOf();
    const whole = write(RING_BYTES, 1) as FramePlace;
    expect([whole.bytes, write(1, 2)]).toEqual([RING_BYTES, undefined]);
    take(whole);
    expect(write(RING_BYTES, 3)?.bytes).toBe(RING_BYTES);
  });

  test('a frame larger than the ring never has room', () => {
    expect(ringOf().write(RING_BYTES + 1, 1)).toBe(undefined);
  });

  test('goes on past 2^32 bytes', () => {
    const { write, take } = ringOf();
    for (let round = 0; round < 2 ** 32 / RING_BYTES + 8; round += 1) {
      const place = write(8, round % 256) as FramePlace;
      expect(take(place)[0]).toBe(round % 256);
      // What is left of the ring is passed over.
      const rest = write(RING_BYTES - 8, 0);
      if (rest !== undefined) take(rest);
    }
  });
});

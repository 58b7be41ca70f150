import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { collectGarbage } from '../../sim/collect-garbage.ts';
import { Queue } from './queue.ts';

describe('Queue', () => {
  test('gives out what came first, whatever comes and goes meanwhile', () => {
    const steps = fc.array(fc.nat({ max: 40 }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (counts) => {
        const queue = new Queue<{ at: number }>();
        const expected: { at: number }[] = [];
        let made = 0;
        for (const [turns, count] of counts.entries()) {
          for (let left = count; left > 0; left -= 1) {
            if (turns % 2 === 1) {
              expect(queue.shift()).toBe(expected.shift());
              continue;
            }
            const item = { at: made };
            made += 1;
            queue.push(item);
            expected.push(item);
          }
          expect([queue.size, queue.first, queue.last]).toEqual([expected.length, expected[0], expected.at(-1)]);
        }
      }),
    );
  });

  test('is the same after it was large and empty', () => {
    const queue = new Queue<{ at: number }>();
    for (const round of [10_000, 3, 10_000]) {
      for (let at = 0; at < round; at += 1) queue.push({ at });
      for (let at = 0; at < round; at += 1) expect(queue.shift()?.at).toBe(at);
      expect([queue.size, queue.first, queue.last, queue.shift()]).toEqual([0, undefined, undefined, undefined]);
    }
  });

  test('refers to nothing that it gave out, even if it is never empty', async () => {
    const queue = new Queue<object>();
    const given: WeakRef<object>[] = [];
    queue.push({});
    for (let count = 0; count < 1_000; count += 1) {
      queue.push({});
      given.push(new WeakRef(queue.shift() as object));
    }
    await collectGarbage();
    expect(given.filter((reference) => reference.deref() !== undefined)).toHaveLength(0);
    expect(queue.size).toBe(1);
  });
});

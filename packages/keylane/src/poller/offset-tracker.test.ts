import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { collectGarbage } from '../../sim/collect-garbage.ts';
import { offsetMapLimits } from './offset-map.ts';
import { OffsetTracker } from './offset-tracker.ts';

describe('OffsetTracker', () => {
  test('what it grew to for a record that was stuck is given back, and it goes on as before', async () => {
    const trackers = Array.from({ length: 20 }, () => new OffsetTracker(offsetMapLimits(4_095)));
    const before = process.memoryUsage().arrayBuffers;
    for (const tracker of trackers) {
      for (let offset = 0; offset < 50_000; offset += 1) tracker.register(offset);
      for (let ticket = 1; ticket < 50_000; ticket += 1) tracker.complete(ticket);
    }
    const stuck = process.memoryUsage().arrayBuffers - before;
    for (const tracker of trackers) tracker.complete(0);
    expect(trackers.map(({ committable }) => committable)).toEqual(Array(20).fill(50_000));
    await collectGarbage();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(stuck / 20);
    for (const tracker of trackers) {
      const tickets = Array.from({ length: 6_000 }, (_, index) => tracker.register(50_000 + 2 * index) as number);
      for (const ticket of tickets.slice(1)) tracker.complete(ticket);
      expect([tracker.committable, tracker.span, tracker.completed()]).toEqual([50_000, 6_000, [50_002, 61_999]]);
      tracker.complete(tickets[0] as number);
      expect([tracker.committable, tracker.incomplete]).toEqual([61_999, 0]);
    }
  });

  test.each([
    { name: 'nothing registered', offsets: [], complete: [], committable: undefined },
    { name: 'nothing complete: the first record', offsets: [5, 6, 7], complete: [], committable: 5 },
    { name: 'the first complete: the second', offsets: [5, 6, 7], complete: [0], committable: 6 },
    { name: 'a later one complete changes nothing', offsets: [5, 6, 7], complete: [1, 2], committable: 5 },
    { name: 'all complete: one past the last', offsets: [5, 6, 7], complete: [2, 0, 1], committable: 8 },
    { name: 'holes are no records', offsets: [0, 2, 4, 6], complete: [0, 1, 3], committable: 4 },
    { name: 'holes, all complete', offsets: [0, 2, 4, 6], complete: [3, 1, 0, 2], committable: 7 },
    { name: 'holes, the last two the other way round', offsets: [0, 2, 4, 6], complete: [0, 1, 3, 2], committable: 7 },
    { name: 'a wide hole (compaction)', offsets: [10, 1_000_010], complete: [0], committable: 1_000_010 },
    {
      name: 'the largest offset',
      offsets: [Number.MAX_SAFE_INTEGER - 1],
      complete: [0],
      committable: Number.MAX_SAFE_INTEGER,
    },
  ])('$name', ({ offsets, complete, committable }) => {
    const tracker = new OffsetTracker(offsetMapLimits(4_095));
    const tickets = offsets.map((offset) => tracker.register(offset) as number);
    for (const index of complete) tracker.complete(tickets[index] as number);
    expect(tracker.committable).toBe(committable);
  });

  test('an offset that was delivered before changes nothing', () => {
    const tracker = new OffsetTracker(offsetMapLimits(4_095));
    tracker.register(3);
    tracker.register(7);
    expect([tracker.register(7), tracker.register(3), tracker.register(5)]).toEqual([undefined, undefined, undefined]);
    expect([tracker.incomplete, tracker.span, tracker.position]).toEqual([2, 2, 8]);
  });

  test('a ticket completes once only, and only while it is outstanding', () => {
    const tracker = new OffsetTracker(offsetMapLimits(4_095));
    const [first, second] = [tracker.register(0) as number, tracker.register(1) as number];
    tracker.complete(second);
    expect(() => tracker.complete(second)).toThrow('completed twice');
    tracker.complete(first);
    expect(() => tracker.complete(first)).toThrow('not outstanding');
    expect(() => tracker.complete(2)).toThrow('not outstanding');
  });

  test('any holes, any order of completion: equals the brute-force model', () => {
    const holes = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1_000_000 })), {
      minLength: 1,
      maxLength: 300,
    });
    fc.assert(
      fc.property(fc.nat(2 ** 40), holes, fc.infiniteStream(fc.nat()), (start, steps, choices) => {
        const tracker = new OffsetTracker(offsetMapLimits(4_095));
        const records: { offset: number; ticket: number; done: boolean }[] = [];
        let offset = start;
        const completeOne = () => {
          const open = records.filter(({ done }) => !done);
          const record = open[(choices.next().value as number) % open.length];
          if (record === undefined) return;
          record.done = true;
          tracker.complete(record.ticket);
        };
        const check = () => {
          const first = records.find(({ done }) => !done);
          const last = records.at(-1) as { offset: number };
          expect(tracker.committable).toBe(first === undefined ? last.offset + 1 : first.offset);
          expect(tracker.incomplete).toBe(records.filter(({ done }) => !done).length);
        };
        for (const step of steps) {
          offset += step;
          records.push({ offset, ticket: tracker.register(offset) as number, done: false });
          if ((choices.next().value as number) % 2 === 0) completeOne();
          check();
        }
        while (tracker.incomplete > 0) {
          completeOne();
          check();
        }
        expect(tracker.span).toBe(0);
      }),
    );
  });
});

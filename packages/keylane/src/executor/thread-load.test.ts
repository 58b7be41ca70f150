import { describe, expect, test } from 'vitest';
import { ThreadLoad } from './thread-load.ts';

interface Measured {
  readonly slots?: number;
  /** Work ahead, where it is not the default. */
  readonly aheadMs?: number;
  /** Milliseconds per record: of its slot, of computing. */
  readonly serviceMs?: number;
  readonly activeMs?: number;
}

/** A thread that has reported often enough for its means to have settled. */
function loadOf({ slots = 16, aheadMs, serviceMs = 5, activeMs = 0 }: Measured = {}): ThreadLoad {
  const load = new ThreadLoad(slots, aheadMs);
  for (let report = 0; report < 200; report += 1) load.observe(256, serviceMs * 256, activeMs * 256);
  return load;
}

/** Gives it segments as the dispatcher does, each as long as there is room, until it has enough. */
function fill(load: ThreadLoad): number[] {
  const segments = [];
  for (let room = load.segmentRoom(); room > 0 && segments.length < 10_000; room = load.segmentRoom()) {
    load.add(room);
    segments.push(room);
  }
  return segments;
}

describe('ThreadLoad', () => {
  test.each([
    {
      name: 'no-op: long segments, 2,048 records ahead of its slots',
      load: { serviceMs: 0 },
      longest: 256,
      ahead: 2_048,
    },
    { name: '10 µs', load: { slots: 1, serviceMs: 0.00999 }, longest: 256, ahead: 200 },
    { name: '1 ms, one slot: two ahead', load: { slots: 1, serviceMs: 0.99 }, longest: 10, ahead: 2 },
    { name: '5 ms, one slot: none ahead', load: { slots: 1, serviceMs: 5 }, longest: 2, ahead: 0 },
    { name: '100 ms in 16 slots: one in each, none ahead', load: { serviceMs: 100 }, longest: 1, ahead: 0 },
    { name: '10 ms in 16 slots: about 2 ms ahead', load: { serviceMs: 10.01 }, longest: 1, ahead: 3 },
  ])('takes what its slots take and about 2 ms more: $name', ({ load: measured, longest, ahead }) => {
    const load = loadOf(measured);
    const { slots = 16 } = { slots: 16, ...measured };
    const segments = fill(load);
    expect(Math.max(...segments)).toBe(longest);
    expect(segments.length).toBeGreaterThanOrEqual(slots);
    // Every slot gets its segment; beyond those, no more records than one a slot and what is ahead.
    expect(load.records).toBe(Math.max(slots * longest, slots + ahead));
    expect(load.hungry).toBe(false);
  });

  test.each([
    { serviceMs: 0.99, slow: false },
    { serviceMs: 1.01, slow: true },
  ])('slots are shared out from 1 ms a record on: $serviceMs ms', ({ serviceMs, slow }) => {
    expect(loadOf({ serviceMs }).slow).toBe(slow);
  });

  test.each([
    { name: 'no-op', load: { serviceMs: 0.001 }, longest: 256 },
    { name: '1 ms', load: { serviceMs: 0.99 }, longest: 10 },
    { name: '100 ms', load: { serviceMs: 100 }, longest: 1 },
  ])('where handing over takes no time, nothing is taken ahead: $name', ({ load: measured, longest }) => {
    const load = loadOf({ slots: 3, aheadMs: 0, ...measured });
    expect(fill(load)).toEqual([longest, longest, longest]);
    expect([load.freeSlots, load.hungry]).toEqual([0, false]);
  });

  test.each([
    { name: 'only waits: all slots', activeMs: 0, slots: 16 },
    { name: 'computes half of its time: two', activeMs: 5, slots: 2 },
    { name: 'computes all of its time: one', activeMs: 10, slots: 1 },
    { name: 'computes a hundredth: all it has', activeMs: 0.1, slots: 16 },
    { name: 'seems to compute more than it runs: one', activeMs: 50, slots: 1 },
  ])('uses as many slots as one CPU can keep busy: a handler that $name', ({ activeMs, slots }) => {
    const load = loadOf({ aheadMs: 0, serviceMs: 10, activeMs });
    expect(load.freeSlots).toBe(slots);
    expect(fill(load)).toHaveLength(slots);
    expect([load.freeSlots, load.hungry]).toEqual([0, false]);
  });

  test('free slots are those without a segment, and never fewer than none', () => {
    const load = loadOf({ slots: 2 });
    expect(load.freeSlots).toBe(2);
    load.add(3);
    expect([load.freeSlots, load.lanes, load.records]).toEqual([1, 1, 3]);
    for (let lane = 0; lane < 5; lane += 1) load.add(1);
    expect(load.freeSlots).toBe(0);
  });

  test('what is ahead follows from what its slots could do, whatever they did', () => {
    const [few, many] = [2, 20].map((slots) => loadOf({ slots, serviceMs: 9.9 })) as [ThreadLoad, ThreadLoad];
    expect(fill(few)).toHaveLength(2);
    expect(fill(many)).toHaveLength(20 + 4);
  });

  test('the first 100 ms that a thread computes are its compiler, and leave it all its slots', () => {
    const load = new ThreadLoad(16);
    load.observe(20, 50, 50);
    load.observe(20, 50, 50);
    expect(load.freeSlots).toBe(16);
    for (let report = 0; report < 3; report += 1) load.observe(20, 50, 50);
    expect(load.freeSlots).toBeLessThan(16);
  });

  test('before the first report it takes one record a slot and about 2 ms more', () => {
    const load = new ThreadLoad(5);
    expect([load.hungry, load.segmentRoom()]).toEqual([true, 1]);
    expect(fill(load)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(load.hungry).toBe(false);
  });

  test('it is hungry again when half of what is ahead is used up', () => {
    const load = loadOf({ slots: 1, serviceMs: 0.0199 });
    fill(load);
    expect(load.records).toBe(256);
    load.records = 51;
    expect(load.hungry).toBe(false);
    load.records = 50;
    expect(load.hungry).toBe(true);
  });

  test('a free slot is hunger, however many records wait', () => {
    const load = loadOf({ slots: 2, serviceMs: 4.9 });
    load.add(1_000);
    expect([load.hungry, load.segmentRoom()]).toEqual([true, 2]);
  });

  test('a report of nothing teaches nothing', () => {
    const load = loadOf({ serviceMs: 0.5 });
    load.observe(0, 1_000, 1_000);
    expect(load.segmentRoom()).toBe(20);
  });

  test('it is measured once it ran a record', () => {
    const load = new ThreadLoad(16);
    load.observe(0, 0, 0);
    expect(load.measured).toBe(false);
    load.observe(1, 1, 0);
    expect(load.measured).toBe(true);
  });

  test('one slow record moves the mean by a tenth, a report of many by half', () => {
    const single = loadOf({ slots: 1, serviceMs: 0.05 });
    single.observe(1, 5.05, 0);
    expect(single.segmentRoom()).toBe(Math.floor(10 / 0.55));
    const many = loadOf({ slots: 1, serviceMs: 0.05 });
    many.observe(1_000, 9_950, 0);
    expect(many.segmentRoom()).toBe(2);
  });

  test('a thread that was lost has nothing and gets nothing, until there is a new one', () => {
    const load = loadOf({ slots: 2 });
    load.add(7);
    load.close();
    expect([load.lanes, load.records]).toEqual([0, 0]);
    expect([load.freeSlots, load.hungry]).toEqual([0, false]);
    load.reopen();
    expect([load.freeSlots, load.hungry]).toEqual([2, true]);
  });
});

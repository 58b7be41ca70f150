import { describe, expect, test } from 'vitest';
import { decodeOffsetMap, encodeOffsetMap, type OffsetRanges, offsetMapLimits } from './offset-map.ts';
import { OffsetTracker } from './offset-tracker.ts';

function trackerOf(charactersMax = 4_095): OffsetTracker {
  return new OffsetTracker(offsetMapLimits(charactersMax));
}

/** Registers offsets; tickets of those that need a run, by offset. */
function register(tracker: OffsetTracker, offsets: readonly number[]): Map<number, number> {
  const tickets = new Map<number, number>();
  for (const offset of offsets) {
    const ticket = tracker.register(offset);
    if (ticket !== undefined) tickets.set(offset, ticket);
  }
  return tickets;
}

function complete(tracker: OffsetTracker, tickets: ReadonlyMap<number, number>, offsets: readonly number[]): void {
  for (const offset of offsets) tracker.complete(tickets.get(offset) as number);
}

function range(start: number, end: number, step = 1): number[] {
  return Array.from({ length: Math.ceil((end - start) / step) }, (_, index) => start + index * step);
}

/** The committed offset, and what is complete above it, as the next life finds it. */
function stored(tracker: OffsetTracker): { offset: number; ranges: OffsetRanges } {
  const offset = tracker.committable as number;
  const map = decodeOffsetMap(offset, encodeOffsetMap(offset, tracker.completed()));
  if ('problem' in map) throw new Error(map.problem);
  return { offset, ranges: map.ranges };
}

/** A tracker that begins with that. */
function restored({ offset, ranges }: { offset: number; ranges: OffsetRanges }, charactersMax?: number) {
  const tracker = trackerOf(charactersMax);
  expect(tracker.restore(offset, ranges)).toBe(true);
  return tracker;
}

describe('OffsetTracker, what is complete above the committable offset', () => {
  test.each([
    { name: 'nothing registered', offsets: [], done: [], committable: undefined, ranges: [] },
    { name: 'nothing complete', offsets: [5, 6], done: [], committable: 5, ranges: [] },
    { name: 'one, in the middle', offsets: [5, 6, 7], done: [6], committable: 5, ranges: [6, 7] },
    { name: 'the last', offsets: [5, 6, 7], done: [7], committable: 5, ranges: [7, 8] },
    { name: 'all but the first', offsets: [5, 6, 7], done: [6, 7], committable: 5, ranges: [6, 8] },
    { name: 'all', offsets: [5, 6, 7], done: [5, 6, 7], committable: 8, ranges: [] },
    {
      name: 'a hole between two that are complete',
      offsets: [0, 2, 4, 5],
      done: [2, 4],
      committable: 0,
      ranges: [2, 5],
    },
    {
      name: 'holes, the order of completion mixed',
      offsets: [0, 2, 4, 6],
      done: [0, 2, 6],
      committable: 4,
      ranges: [6, 7],
    },
    { name: 'and then the last one', offsets: [0, 2, 4, 6], done: [0, 2, 6, 4], committable: 7, ranges: [] },
  ])('$name', ({ offsets, done, committable, ranges }) => {
    const tracker = trackerOf();
    complete(tracker, register(tracker, offsets), done);
    expect([tracker.committable, tracker.completed()]).toEqual([committable, ranges]);
  });

  test('a ring that has turned and grown tells the same', () => {
    const tracker = trackerOf();
    complete(tracker, register(tracker, range(0, 40)), range(0, 40));
    const tickets = register(tracker, range(40, 1_000));
    complete(tracker, tickets, range(41, 1_000, 2));
    expect(tracker.committable).toBe(40);
    expect(tracker.completed()).toEqual(
      [...range(41, 1_000)].flatMap((offset) => (offset === 40 ? [] : [offset])).concat(1_000),
    );
  });
});

describe('OffsetTracker, restored', () => {
  test('what was complete needs no run; the rest does, and delivery goes on from there', () => {
    const tracker = restored({ offset: 5, ranges: [7, 9, 12, 14] });
    expect([tracker.position, tracker.committable, tracker.incomplete, tracker.version]).toEqual([5, 5, 0, 0]);
    expect([...register(tracker, range(5, 16)).keys()]).toEqual([5, 6, 9, 10, 11, 14, 15]);
    expect([tracker.incomplete, tracker.span, tracker.position]).toEqual([7, 11, 16]);
  });

  test.each([
    { name: 'nothing delivered', delivered: [], done: [], offset: 5, ranges: [7, 9, 12, 14] },
    { name: 'some delivered', delivered: [5, 6], done: [], offset: 5, ranges: [7, 9, 12, 14] },
    { name: 'some delivered, one complete', delivered: [5, 6], done: [6], offset: 5, ranges: [6, 9, 12, 14] },
    { name: 'delivered into a range', delivered: [5, 6, 7], done: [], offset: 5, ranges: [7, 9, 12, 14] },
    { name: 'delivered to the end of a range', delivered: [5, 6, 7, 8], done: [], offset: 5, ranges: [7, 9, 12, 14] },
    { name: 'a hole where the range began', delivered: [5, 6, 8], done: [], offset: 5, ranges: [8, 9, 12, 14] },
    { name: 'a range that no record is left of', delivered: [5, 6, 10], done: [], offset: 5, ranges: [12, 14] },
    { name: 'a hole over all of it', delivered: [5, 20], done: [], offset: 5, ranges: [] },
    { name: 'all delivered', delivered: range(5, 15), done: [], offset: 5, ranges: [7, 9, 12, 14] },
    {
      name: 'all that was missing complete',
      delivered: range(5, 12),
      done: [5, 6, 9, 10, 11],
      offset: 12,
      ranges: [12, 14],
    },
    { name: 'and the rest delivered', delivered: range(5, 14), done: [5, 6, 9, 10, 11], offset: 14, ranges: [] },
    { name: 'the head complete, at a range', delivered: [5, 6, 7], done: [5, 6], offset: 8, ranges: [8, 9, 12, 14] },
  ])(
    'the next commit says what is complete and what the last one said: $name',
    ({ delivered, done, offset, ranges }) => {
      const tracker = restored({ offset: 5, ranges: [7, 9, 12, 14] });
      complete(tracker, register(tracker, delivered), done);
      expect([tracker.committable, tracker.completed()]).toEqual([offset, ranges]);
    },
  );

  test.each([0, 1, 3, 5, 9])(
    'two quick restarts lose nothing, though only %i records were delivered between',
    (count) => {
      const first = trackerOf();
      complete(first, register(first, range(0, 10)), [2, 3, 7, 9]);
      const second = restored(stored(first));
      const tickets = register(second, range(0, count));
      if (count > 1) complete(second, tickets, [1]);
      const third = restored(stored(second));
      const open = [0, 1, 4, 5, 6, 8].filter((offset) => offset !== 1 || count <= 1);
      expect([...register(third, range(0, 12)).keys()]).toEqual([...open, 10, 11]);
    },
  );

  test('only before the first record', () => {
    const tracker = trackerOf();
    tracker.register(3);
    expect(() => tracker.restore(0, [])).toThrow('after its first record');
  });

  test.each([
    { name: 'as far as a bit set reaches', ranges: range(100, 956), fits: true },
    { name: 'further, but few', ranges: [5_000, 6_000], fits: true },
    { name: 'further, and many', ranges: range(100, 4_000, 10), fits: false },
  ])('more than the limits allow is left out: $name', ({ ranges, fits }) => {
    const tracker = trackerOf(64);
    expect(tracker.restore(100, ranges)).toBe(fits);
    expect([tracker.position, tracker.completed()]).toEqual([100, fits ? ranges : []]);
  });

  test('below the position nothing needs a run, before the first record either', () => {
    const tracker = restored({ offset: 5, ranges: [7, 9] });
    expect([tracker.register(4), tracker.register(0), tracker.incomplete, tracker.version]).toEqual([
      undefined,
      undefined,
      0,
      0,
    ]);
    expect([tracker.register(5), tracker.register(5), tracker.position]).toEqual([0, undefined, 6]);
  });
});

describe('OffsetTracker.skipTo', () => {
  test.each([
    { name: 'nothing known', delivered: [], to: 9, position: 9, committable: 9 },
    { name: 'all complete', delivered: [5], to: 9, position: 9, committable: 9, done: [5] },
    { name: 'one incomplete', delivered: [5, 6], to: 9, position: 9, committable: 5 },
    { name: 'to where it stands', delivered: [5], to: 6, position: 6, committable: 5 },
    { name: 'back', delivered: [5], to: 3, position: 6, committable: 5 },
  ])('$name', ({ delivered, to, position, committable, done = [] }) => {
    const tracker = trackerOf();
    complete(tracker, register(tracker, delivered), done);
    tracker.skipTo(to);
    expect([tracker.position, tracker.committable, tracker.register(position - 1)]).toEqual([
      position,
      committable,
      undefined,
    ]);
    expect(tracker.register(position)).toBeDefined();
  });

  test.each([
    { to: 8, ranges: [8, 9, 12, 14] },
    { to: 9, ranges: [12, 14] },
    { to: 14, ranges: [] },
  ])('to $to: what was restored below is past', ({ to, ranges }) => {
    const tracker = restored({ offset: 5, ranges: [7, 9, 12, 14] });
    tracker.skipTo(to);
    expect([tracker.committable, tracker.completed()]).toEqual([to, ranges]);
  });
});

describe('OffsetTracker.version', () => {
  type Act = (tracker: OffsetTracker, tickets: ReadonlyMap<number, number>) => unknown;
  /** 5, 7 and 8 are registered and 7 is complete; 20 to 22 were complete before. */
  const rows: { name: string; act: Act; says: boolean }[] = [
    { name: 'a new record', act: (tracker) => tracker.register(9), says: false },
    { name: 'a record past a hole, with others open', act: (tracker) => tracker.register(15), says: false },
    { name: 'a record delivered twice', act: (tracker) => tracker.register(7), says: false },
    { name: 'a record that was complete, with others open', act: (tracker) => tracker.register(20), says: false },
    {
      name: 'the first open record completes',
      act: (tracker, at) => tracker.complete(at.get(5) as number),
      says: true,
    },
    { name: 'a later one completes', act: (tracker, at) => tracker.complete(at.get(8) as number), says: true },
    { name: 'a skip to where it stands', act: (tracker) => tracker.skipTo(9), says: false },
    { name: 'a skip back', act: (tracker) => tracker.skipTo(3), says: false },
    { name: 'a skip with all complete', act: (tracker, at) => skipWhenDone(tracker, at, 12), says: true },
  ];
  const skipWhenDone = (tracker: OffsetTracker, tickets: ReadonlyMap<number, number>, to: number) => {
    complete(tracker, tickets, [5, 8]);
    before = tracker.version;
    tracker.skipTo(to);
  };
  let before = 0;

  /** Whether the version changed, and whether a commit would say something else. */
  function effectOf(act: Act, start: () => [OffsetTracker, Map<number, number>]): { changed: boolean; says: boolean } {
    const [tracker, tickets] = start();
    const said = stored(tracker);
    before = tracker.version;
    act(tracker, tickets);
    return { changed: tracker.version !== before, says: JSON.stringify(stored(tracker)) !== JSON.stringify(said) };
  }

  const begun = (): [OffsetTracker, Map<number, number>] => {
    const tracker = restored({ offset: 5, ranges: [20, 23] });
    const tickets = register(tracker, [5, 7, 8]);
    complete(tracker, tickets, [7]);
    return [tracker, tickets];
  };
  const allComplete = (): [OffsetTracker, Map<number, number>] => {
    const tracker = restored({ offset: 5, ranges: [6, 8] });
    const tickets = register(tracker, [5]);
    complete(tracker, tickets, [5]);
    return [tracker, tickets];
  };

  test.each(rows)('changes only where a commit says something new: $name', ({ act, says }) => {
    expect(effectOf(act, begun)).toEqual({ changed: says, says });
  });

  test.each<{ name: string; act: Act; says: boolean }>([
    { name: 'a record that was complete is delivered', act: (tracker) => tracker.register(6), says: true },
    { name: 'a new record right there', act: (tracker) => tracker.register(6) ?? tracker.register(7), says: true },
    { name: 'a skip', act: (tracker) => tracker.skipTo(7), says: true },
  ])('and where nothing is open: $name', ({ act, says }) => {
    expect(effectOf(act, allComplete)).toEqual({ changed: says, says });
  });

  // Harmless but for a commit too many, and one that comes only with the next completion.
  test.each<{ name: string; act: Act; start: () => [OffsetTracker, Map<number, number>]; says: boolean }>([
    {
      name: 'a skip past nothing, with a record open',
      act: (tracker) => tracker.skipTo(12),
      start: begun,
      says: false,
    },
    {
      name: 'a new record past a hole, nothing open',
      act: (tracker) => tracker.register(40),
      start: allComplete,
      says: true,
    },
  ])('changes exactly where a commit says something new: $name', ({ act, start, says }) => {
    expect(effectOf(act, start)).toEqual({ changed: says, says });
  });
});

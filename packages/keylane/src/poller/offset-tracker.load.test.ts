import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../sim/random.ts';
import { decodeOffsetMap, encodeOffsetMap, offsetMapLimits } from './offset-map.ts';
import { OffsetTracker } from './offset-tracker.ts';

/** Distances between records. */
const GAPS = {
  dense: () => 1,
  compacted: () => 1_000,
  /** On both sides of where a distance takes a byte more. */
  edges: (random: Random) => random.pick([1, 126, 127, 128, 16_383, 16_384]),
  mixed: (random: Random) => (random.chance(0.9) ? 1 : random.int(1, 5_000)),
  wild: (random: Random) => random.int(1, 2 ** random.int(1, 30)),
} as const;
type Gaps = keyof typeof GAPS;

/** Offsets of a log's records, made as they are asked for. */
class Log {
  readonly offsets: number[] = [];
  readonly #random: Random;
  readonly #gaps: Gaps;

  constructor(random: Random, gaps: Gaps) {
    this.#random = random;
    this.#gaps = gaps;
  }

  at(index: number): number {
    for (let last = this.offsets.at(-1) ?? 0; this.offsets.length <= index; last = this.offsets.at(-1) as number) {
      this.offsets.push(last + GAPS[this.#gaps](this.#random));
    }
    return this.offsets[index] as number;
  }
}

/** One life of a consumer, from the committed offset and its map to the next. */
class Life {
  readonly tracker: OffsetTracker;
  readonly #log: Log;
  readonly #random: Random;
  readonly #charactersMax: number;
  /** Places in the log of the next record, and tickets that need a run, the next to be handed out first. */
  #next: number;
  #waiting: number[] = [];
  #running: number[] = [];

  constructor(log: Log, random: Random, charactersMax: number, committed: { offset: number; metadata: string }) {
    [this.#log, this.#random, this.#charactersMax] = [log, random, charactersMax];
    this.tracker = new OffsetTracker(offsetMapLimits(charactersMax));
    const map = decodeOffsetMap(committed.offset, committed.metadata);
    if ('problem' in map) throw new Error(map.problem);
    this.fits = this.tracker.restore(committed.offset, map.ranges);
    this.#next = log.offsets.findIndex((offset) => offset >= committed.offset);
    if (this.#next === -1) this.#next = log.offsets.length;
  }

  readonly fits: boolean;

  /** Takes records in until that load, or that many. */
  deliver(loadMax: number, countMax: number): void {
    for (let count = 0; count < countMax && this.tracker.loadOfAll <= loadMax; count += 1) {
      const ticket = this.tracker.register(this.#log.at(this.#next));
      this.#next += 1;
      if (ticket !== undefined) this.#waiting.push(ticket);
    }
  }

  /** Hands out whatever may be; load never falls from one ticket to the next. */
  handOut(): number {
    let count = 0;
    while (count < this.#waiting.length && this.tracker.load(this.#waiting[count] as number) <= 1) count += 1;
    this.#running.push(...this.#waiting.splice(0, count));
    return this.#running.length;
  }

  /** Completes some of what runs, the head only where `head` says so. */
  complete(share: 'every second' | number, head: boolean): void {
    const [first, ...others] = this.#running;
    const keep = others.filter((_, index) =>
      share === 'every second' ? index % 2 === 1 : !this.#random.chance(share),
    );
    const kept = new Set(keep);
    const done = others.filter((ticket) => !kept.has(ticket));
    if (this.#random.chance(0.5)) done.reverse();
    for (const ticket of done) this.tracker.complete(ticket);
    if (first !== undefined && head) this.tracker.complete(first);
    this.#running = first === undefined || head ? keep : [first, ...keep];
  }

  /** What a commit says now; it must fit. */
  commit(): { offset: number; metadata: string } {
    const offset = this.tracker.committable ?? 0;
    const metadata = encodeOffsetMap(offset, this.tracker.completed());
    expect(metadata.length).toBeLessThanOrEqual(this.#charactersMax);
    return { offset, metadata };
  }
}

function trackerOf(charactersMax = 4_095): OffsetTracker {
  return new OffsetTracker(offsetMapLimits(charactersMax));
}

describe('OffsetTracker.load', () => {
  test.each(Object.keys(GAPS) as Gaps[])('0 for the head, never falling with the ticket: %s', (gaps) => {
    const tracker = trackerOf(64);
    const log = new Log(new Random(1), gaps);
    const tickets = Array.from({ length: 1_500 }, (_, index) => tracker.register(log.at(index)) as number);
    const loads = tickets.map((ticket) => tracker.load(ticket));
    expect([loads[0], loads]).toEqual([0, loads.toSorted((a, b) => a - b)]);
    expect(tracker.loadOfAll).toBe(loads.at(-1));
    expect(loads.at(-1)).toBeGreaterThan(1);
    expect(loads[1]).toBeLessThan(1);
  });

  test.each(Object.keys(GAPS) as Gaps[])('shrinks with every step of the head: %s', (gaps) => {
    const tracker = trackerOf(64);
    const log = new Log(new Random(2), gaps);
    const tickets = Array.from({ length: 300 }, (_, index) => tracker.register(log.at(index)) as number);
    let before = tracker.loadOfAll;
    for (const ticket of tickets.slice(0, -1)) {
      tracker.complete(ticket);
      expect(tracker.loadOfAll).toBeLessThan(before);
      before = tracker.loadOfAll;
    }
    expect(before).toBe(0);
  });

  test('completions behind a blocked head change nothing of it', () => {
    const tracker = trackerOf(64);
    const tickets = Array.from({ length: 500 }, (_, offset) => tracker.register(offset) as number);
    const before = tracker.loadOfAll;
    for (const ticket of tickets.slice(1)) tracker.complete(ticket);
    expect(tracker.loadOfAll).toBe(before);
  });

  test.each<{ gaps: Gaps; atLeast: number }>([
    { gaps: 'dense', atLeast: 60_000 },
    { gaps: 'compacted', atLeast: 3_000 },
    { gaps: 'mixed', atLeast: 3_000 },
  ])('behind a blocked head of a $gaps topic at least $atLeast records may be handed out', ({ gaps, atLeast }) => {
    const life = new Life(new Log(new Random(3), gaps), new Random(3), 4_095, { offset: 0, metadata: '' });
    life.deliver(1.1, 100_000);
    expect(life.handOut()).toBeGreaterThanOrEqual(atLeast);
  });

  test('of nothing there is none', () => {
    expect(trackerOf().loadOfAll).toBe(0);
  });
});

describe('OffsetTracker, while only tickets at load 1 or less are handed out', () => {
  const shares = [0.05, 0.5, 0.95, 1, 'every second'] as const;

  /** Lives of a consumer, one after the other, each killed at any moment. */
  function live(charactersMax: number, seed: number, gaps: Gaps): void {
    const random = new Random(seed);
    const log = new Log(random, gaps);
    let committed = { offset: 0, metadata: '' };
    for (let lives = random.int(1, 4); lives > 0; lives -= 1) {
      const life = new Life(log, random, charactersMax, committed);
      for (let turns = random.int(1, 5); turns > 0; turns -= 1) {
        life.deliver(random.pick([0.5, 1, 1.2, 1.5]), random.pick([10, 1_000, 70_000]));
        life.handOut();
        life.complete(random.pick(shares), random.chance(0.3));
        committed = life.commit();
      }
    }
  }

  const anyGaps = fc.constantFrom(...(Object.keys(GAPS) as Gaps[]));

  test.each([
    { charactersMax: 64, numRuns: 300 },
    { charactersMax: 200, numRuns: 200 },
    { charactersMax: 4_095, numRuns: 10 },
  ])('without holes: the map never outgrows $charactersMax characters', ({ charactersMax, numRuns }) => {
    fc.assert(
      fc.property(fc.nat(), (seed) => live(charactersMax, seed, 'dense')),
      { numRuns },
    );
  });

  test('the map never outgrows 4,095 characters', () => {
    fc.assert(
      fc.property(fc.nat(), anyGaps, (seed, gaps) => live(4_095, seed, gaps)),
      { numRuns: 15, seed: 1 },
    );
  });

  // The last range ends where the next record begins, however far that is, and nothing counts the way there.
  test.each([64, 200])('the map never outgrows %i characters', (charactersMax) => {
    fc.assert(
      fc.property(fc.nat(), anyGaps, (seed, gaps) => live(charactersMax, seed, gaps)),
      { numRuns: 400, seed: 1 },
    );
  });

  test.each([64, 200, 4_095])('a hole behind all that may be handed out: %i characters', (charactersMax) => {
    const tracker = trackerOf(charactersMax);
    const { span } = offsetMapLimits(charactersMax);
    const tickets = Array.from({ length: span }, (_, offset) => tracker.register(offset) as number);
    tracker.register(2 ** 40);
    expect([tracker.load(tickets.at(-1) as number), tracker.loadOfAll > 1]).toEqual([1, true]);
    const random = new Random(7);
    for (const ticket of tickets)
      if (ticket > 0 && (random.chance(0.5) || ticket === span - 1)) tracker.complete(ticket);
    expect(encodeOffsetMap(0, tracker.completed()).length).toBeLessThanOrEqual(charactersMax);
  });

  test.each([
    { share: 'every second', gaps: 'dense' },
    { share: 0.5, gaps: 'dense' },
    { share: 0.5, gaps: 'mixed' },
    { share: 0.5, gaps: 'wild' },
  ] as const)('$share of all records complete, as far as hand-out goes: $gaps', ({ share, gaps }) => {
    for (const charactersMax of [64, 200, 4_095]) {
      const random = new Random(4);
      const life = new Life(new Log(random, gaps), random, charactersMax, { offset: 0, metadata: '' });
      life.deliver(1.5, 100_000);
      expect(life.handOut()).toBeGreaterThan(charactersMax / 4);
      life.complete(share, false);
      life.commit();
    }
  });

  test.each<{ name: string; gaps: Gaps; ranges: number[] }>([
    { name: 'by how far it reaches', gaps: 'dense', ranges: [2_000, 2_010] },
    {
      name: 'by how many runs it has',
      gaps: 'compacted',
      ranges: Array.from({ length: 40 }, (_, index) => 100_000 + index * 1_000),
    },
  ])('what was restored and is still to come counts: $name', ({ gaps, ranges }) => {
    const random = new Random(8);
    const log = new Log(random, gaps);
    const offset = log.at(0);
    const life = new Life(log, random, 64, { offset, metadata: encodeOffsetMap(offset, ranges) });
    expect(life.fits).toBe(true);
    life.deliver(2, 70);
    life.deliver(10, gaps === 'dense' ? 1_000 : 0);
    life.handOut();
    life.complete('every second', false);
    life.complete(0.5, false);
    life.commit();
  });

  // A map that is full to its limit is taken for larger when it comes back, and all of it is thrown away.
  test.each([64, 200, 4_095])('what fitted %i characters is restored by the next life', (charactersMax) => {
    const random = new Random(5);
    const log = new Log(random, 'compacted');
    const life = new Life(log, random, charactersMax, { offset: 0, metadata: '' });
    life.deliver(1.5, 100_000);
    life.handOut();
    life.complete('every second', false);
    expect(new Life(log, random, charactersMax, life.commit()).fits).toBe(true);
  });

  // What was restored is counted while it is still to come, but not once it is registered.
  test('the map of a life with more characters, which still fits, is counted in as long as it is there', () => {
    const random = new Random(6);
    const log = new Log(random, 'compacted');
    const metadata = encodeOffsetMap(1_000, [400_000, 401_000]);
    const life = new Life(log, random, 64, { offset: 1_000, metadata });
    expect(life.fits).toBe(true);
    life.deliver(Infinity, 1_000);
    life.handOut();
    life.complete('every second', false);
    life.commit();
  });
});

describe('OffsetTracker.load, a compacted log', () => {
  test.each([1, 1_000, 1_000_000])('counts records, not how far they lie apart: gaps of %d', (gap) => {
    const tracker = new OffsetTracker(offsetMapLimits(4_095));
    let ticket = 0;
    while (tracker.loadOfAll <= 1) ticket = tracker.register(tracker.span * gap) as number;
    // All but the first complete, every second one later, so the map is as large as it can be.
    expect(ticket).toBeGreaterThan(1_500);
    for (let next = 1; next < ticket; next += 2) tracker.complete(next);
    expect(encodeOffsetMap(0, tracker.completed()).length).toBeLessThanOrEqual(4_095);
  });
});

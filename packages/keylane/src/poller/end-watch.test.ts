import { describe, expect, test } from 'vitest';
import { namesOf } from '../../sim/stations.ts';
import { EndWatch } from './end-watch.ts';

const AT = { topic: 't', partition: 0 };
const OTHER = { topic: 't', partition: 1 };

/** A watch over two partitions that were assigned at 0, and what it told. */
function watchOver() {
  const watch = new EndWatch();
  watch.onAssigned([AT, OTHER]);
  watch.onAnswered(0);
  return {
    watch,
    /** Statistics with this next offset of partition 0. */
    look: (nextOffset: number, takenAt: number) => watch.look([{ ...AT, nextOffset, endOffset: nextOffset }], takenAt),
    /** A call of `consume` that finds nothing. */
    call: () => namesOf(watch.foundNothing(watch.pending())),
  };
}

describe('EndWatch', () => {
  test('an end is what two statistics in a row agree on, once two calls after them found nothing; it is told once', () => {
    const { look, call } = watchOver();
    look(7, 1_000);
    expect([call(), call()]).toEqual(['', '']);
    look(7, 2_000);
    expect([call(), call(), call()]).toEqual(['', 't[0]@7', '']);
    look(7, 3_000);
    expect([call(), call()]).toEqual(['', '']);
  });

  test('while the client still fetches there is none', () => {
    const { look, call } = watchOver();
    for (let at = 1; at < 5; at += 1) look(at * 10, at * 1_000);
    expect([call(), call()]).toEqual(['', '']);
    look(40, 6_000);
    look(50, 7_000);
    look(50, 8_000);
    expect([call(), call(), call()]).toEqual(['', 't[0]@50', '']);
  });

  test('a call that was under way when it was found does not count, nor does one that brought records', () => {
    const { watch, look, call } = watchOver();
    look(7, 1_000);
    const underWay = watch.pending();
    look(7, 2_000);
    watch.foundNothing(underWay);
    watch.pending();
    expect([call(), call()]).toEqual(['', 't[0]@7']);
  });

  test.each([
    { what: 'records are left to fetch', endOffset: 8 },
    { what: 'nobody knows where the log ends', endOffset: -1_001 },
  ])('where $what there is none', ({ endOffset }) => {
    const { watch, call } = watchOver();
    for (const takenAt of [1_000, 2_000, 3_000]) watch.look([{ ...AT, nextOffset: 7, endOffset }], takenAt);
    expect([call(), call()]).toEqual(['', '']);
  });

  test('an offset that nobody knows is no end', () => {
    const { look, call } = watchOver();
    look(-1_001, 1_000);
    look(-1_001, 2_000);
    expect([call(), call()]).toEqual(['', '']);
  });

  test.each([
    { what: 'a seek', move: (watch: EndWatch) => watch.onMoved([AT], 3_000) },
    { what: 'a pause and its end', move: (watch: EndWatch) => moves(watch, 3_000, true, false) },
    { what: 'a rebalance of others', move: (watch: EndWatch) => rebalance(watch, 3_000) },
    { what: 'another assignment', move: (watch: EndWatch) => reassign(watch, 3_000) },
  ])('$what: what was seen before it, and half a second after it, counts for nothing', ({ move }) => {
    const { watch, look, call } = watchOver();
    look(7, 1_000);
    look(7, 2_000);
    const underWay = watch.pending();
    call();
    move(watch);
    expect([namesOf(watch.foundNothing(underWay)), call()]).toEqual(['', '']);
    for (const takenAt of [2_900, 3_000, 3_499]) look(7, takenAt);
    expect([call(), call()]).toEqual(['', '']);
    look(7, 3_500);
    expect([call(), call()]).toEqual(['', '']);
    look(7, 4_500);
    expect([call(), call()]).toEqual(['', 't[0]@7']);
  });

  test('of a paused partition none is found, however often the statistics say the same', () => {
    const { watch, look, call } = watchOver();
    watch.onMoved([AT], 1_000, true);
    for (let takenAt = 2_000; takenAt < 9_000; takenAt += 1_000) look(7, takenAt);
    expect([call(), call()]).toEqual(['', '']);
  });

  test('in a rebalance the client pauses all, and what it fetched is gone: none is found until it is answered', () => {
    const { watch, look, call } = watchOver();
    look(7, 1_000);
    look(7, 2_000);
    const first = watch.pending();
    // The call that serves the rebalance finds nothing behind it; the next one may not count any more.
    watch.foundNothing(first);
    watch.onRebalance();
    expect(namesOf(watch.foundNothing(first))).toBe('');
    for (let takenAt = 3_000; takenAt < 9_000; takenAt += 1_000) look(7, takenAt);
    expect([call(), call()]).toEqual(['', '']);
    watch.onAnswered(9_000);
    look(7, 9_600);
    look(7, 9_800);
    expect([call(), call()]).toEqual(['', 't[0]@7']);
  });

  test('of a partition that went away none is told', () => {
    const { watch, look, call } = watchOver();
    look(7, 1_000);
    look(7, 2_000);
    call();
    watch.onUnassigned([AT]);
    expect([call(), call()]).toEqual(['', '']);
    look(7, 3_000);
    look(7, 4_000);
    expect([call(), call()]).toEqual(['', '']);
  });

  test('partitions are told of apart', () => {
    const { watch, call } = watchOver();
    for (const takenAt of [1_000, 2_000]) {
      watch.look(
        [
          { ...AT, nextOffset: 3, endOffset: 3 },
          { ...OTHER, nextOffset: takenAt, endOffset: 0 },
        ],
        takenAt,
      );
    }
    watch.look([{ ...OTHER, nextOffset: 2_000, endOffset: 0 }], 3_000);
    expect([call(), call()]).toEqual(['', 't[0]@3 t[1]@2000']);
  });
});

function moves(watch: EndWatch, now: number, ...paused: boolean[]): void {
  for (const isPaused of paused) watch.onMoved([AT], now, isPaused);
}

function rebalance(watch: EndWatch, now: number): void {
  watch.onRebalance();
  watch.onAnswered(now);
}

function reassign(watch: EndWatch, now: number): void {
  watch.onUnassigned([AT]);
  watch.onAssigned([AT]);
  watch.onAnswered(now);
}

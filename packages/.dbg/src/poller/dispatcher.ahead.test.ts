import { describe, expect, test } from 'vitest';
import { arrive, dispatcherOver, finish } from '../../sim/dispatching.ts';
import type { Delivery } from './delivery.ts';

describe('Dispatcher, lanes further ahead than the offset map is sure to hold', () => {
  /** With 64 characters: so many offsets, from the first incomplete one on. */
  const SPAN = 856;
  const keys = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`);
  const segments = (names: readonly string[]) => names.map((key) => `${key}:1`);

  function aheadOver(count: number) {
    const limits = { offsetMapCharactersMax: 64, bufferedRecordsPerPartitionMax: 1e6 };
    const over = dispatcherOver([{ slots: 1e6 }], 'preferred', limits);
    const deliveries = arrive(over.dispatcher, over.partition, keys(count));
    const take = () => {
      over.dispatcher.dispatch();
      return over.framesOf().flat();
    };
    /** They complete; their lanes leave. */
    const end = (...ended: Delivery[]) => {
      for (const { lane } of ended) {
        over.partition.complete(lane.shift());
        lane.land();
      }
    };
    return { ...over, deliveries, take, end };
  }

  test('are held, and go when what is before them completes', () => {
    const { dispatcher, partition, deliveries, take, end } = aheadOver(SPAN * 2 + 10);
    const names = keys(SPAN * 2 + 10);
    expect(take()).toEqual(segments(names.slice(0, SPAN)));
    expect([dispatcher.readyLanes, partition.holding, deliveries[SPAN]?.lane.state]).toEqual([0, true, 'held']);
    end(...deliveries.slice(1, SPAN));
    expect(take()).toEqual([]);
    end(deliveries[0] as Delivery);
    expect(take()).toEqual(segments(names.slice(SPAN, SPAN * 2)));
    expect(partition.holding).toBe(true);
    end(...deliveries.slice(SPAN, SPAN * 2));
    expect([take(), partition.holding]).toEqual([segments(names.slice(SPAN * 2)), false]);
  });

  test('others pass them by, and what arrives later waits behind them', () => {
    const { dispatcher, partition, partitionOf, deliveries, take, end } = aheadOver(SPAN + 1);
    arrive(dispatcher, partitionOf(1), ['other']);
    expect(take()).toEqual([...segments(keys(SPAN)), 'other:1']);
    arrive(dispatcher, partition, [`k${SPAN}`, 'late']);
    expect(take()).toEqual([]);
    end(deliveries[0] as Delivery);
    // Two of them fit by now, and the first record of a lane decides where it goes, not all of it.
    expect(take()).toEqual([`k${SPAN}:1`]);
    end(...deliveries.slice(1, SPAN));
    expect(take()).toEqual(['late:1']);
    expect(partition.holding).toBe(false);
  });

  test.each([
    { name: 'the record before them completes, then it is resumed', completesFirst: true },
    { name: 'it is resumed, then the record before them completes', completesFirst: false },
  ])('a pause on top of it loses none: $name', ({ completesFirst }) => {
    const { dispatcher, partition, deliveries, take, end } = aheadOver(SPAN + 100);
    expect(take()).toHaveLength(SPAN);
    partition.userPaused = true;
    arrive(dispatcher, partition, ['paused']);
    expect(take()).toEqual([]);
    const resume = () => {
      partition.userPaused = false;
      dispatcher.release(partition);
    };
    const steps = [() => end(deliveries[0] as Delivery, ...deliveries.slice(1, SPAN)), resume];
    if (!completesFirst) steps.reverse();
    steps[0]?.();
    expect(take()).toEqual([]);
    steps[1]?.();
    const rest = keys(SPAN + 100).slice(SPAN);
    expect([take(), partition.holding]).toEqual([segments([...rest, 'paused']), false]);
  });

  test('a lane is handed out as far as it goes, and the rest of it later', () => {
    const limits = { offsetMapCharactersMax: 64, bufferedRecordsPerPartitionMax: 1e6 };
    const over = dispatcherOver([{ slots: 10, segmentMax: 10_000 }], 'preferred', limits);
    const { dispatcher, partition, framesOf } = over;
    const [stuck, first] = arrive(dispatcher, partition, ['stuck', ...keys(1_000).map(() => 'busy')]);
    dispatcher.dispatch();
    expect(framesOf()).toEqual([['stuck:1', `busy:${SPAN - 1}`]]);
    finish(over, first);
    expect([framesOf(), first?.lane.state]).toEqual([[[]], 'held']);
    finish(over, stuck);
    expect([framesOf(), partition.holding]).toEqual([[[`busy:${1_000 - (SPAN - 1)}`]], false]);
  });

  test.each(['drain', 'close'] as const)('after %s none of them comes back', (stop) => {
    const { dispatcher, partition, deliveries, take, end } = aheadOver(SPAN + 10);
    take();
    partition[stop]();
    end(deliveries[0] as Delivery);
    expect([take(), dispatcher.readyLanes, partition.holding]).toEqual([[], 0, false]);
  });
});

import { describe, expect, test } from 'vitest';
import { arrive, dispatcherOver, finish, keysOf, land } from '../../sim/dispatching.ts';
import type { Delivery } from './delivery.ts';
import { Lane } from './lane.ts';

describe('Dispatcher', () => {
  test('every thread takes its own lanes, in one frame', () => {
    const { dispatcher, partition, threads } = dispatcherOver([{ slots: 2 }, { slots: 2 }]);
    const [own, other] = [keysOf(0, 2, 2), keysOf(1, 2, 2)];
    arrive(dispatcher, partition, [...own, ...other]);
    dispatcher.dispatch();
    const frames = threads.map((thread) => thread.frames);
    expect(frames).toEqual([[own.map((key) => `${key}:1`)], [other.map((key) => `${key}:1`)]]);
    expect([dispatcher.readyLanes, partition.inFlight]).toEqual([0, 4]);
  });

  test.each([1, 3, 5, 100])('a segment is no longer than the lane and than the room of %i', (segmentMax) => {
    const { dispatcher, partition, framesOf, threads } = dispatcherOver([{ segmentMax }]);
    arrive(dispatcher, partition, ['a', 'a', 'a', 'a']);
    dispatcher.dispatch();
    const count = Math.min(4, segmentMax);
    expect(framesOf()).toEqual([[`a:${count}`]]);
    expect([threads[0]?.load.records, partition.inFlight]).toEqual([count, count]);
  });

  test('the lane whose first record waited longest goes first, not the one that was ready first', () => {
    const over = dispatcherOver([{ slots: 1, segmentMax: 1 }]);
    const { dispatcher, partition, framesOf } = over;
    const [busy] = arrive(dispatcher, partition, ['busy', 'busy', 'x', 'busy', 'y']);
    dispatcher.dispatch();
    const order = framesOf();
    for (let turn = 0; turn < 2; turn += 1) {
      finish(over, busy);
      order.push(...framesOf());
    }
    // Its second record came before x; its third one after x.
    expect(order.flat()).toEqual(['busy:1', 'busy:1', 'x:1']);
  });

  test.each([
    {
      threads: [
        { slow: true, measured: false },
        { slow: true, measured: false },
      ],
      slow: true,
      what: 'none ran any',
    },
    { threads: [{ slow: false }, { slow: true, measured: false }], slow: false, what: 'one never ran any' },
    { threads: [{ slow: false }, { slow: true }], slow: true, what: 'one is slow' },
    { threads: [{ slow: false }, { slow: false }], slow: false, what: 'none is slow' },
  ])('handlers are slow where a thread that ran some is, or all is a guess: $what', ({ threads, slow }) => {
    expect(dispatcherOver(threads).dispatcher.slow).toBe(slow);
  });

  test.each([
    { slow: false, order: ['s0:1', 's1:1', 's2:1', 's3:1'] },
    { slow: true, order: ['s0:1', 's1:1', 'f0:1', 'f1:1'] },
  ])('half of the slots are shared out among partitions where handlers are slow: $slow', ({ slow, order }) => {
    const { dispatcher, partition, partitionOf, framesOf } = dispatcherOver([{ slots: 4, slow }]);
    arrive(dispatcher, partition, ['s0', 's1', 's2', 's3', 's4', 's5']);
    arrive(dispatcher, partitionOf(1), ['f0', 'f1', 'f2']);
    dispatcher.dispatch();
    expect(framesOf()).toEqual([order]);
  });

  test('a partition that took every slot gets the next free one only if it is among half of them', () => {
    const over = dispatcherOver([{ slots: 4, slow: true }]);
    const { dispatcher, partition, partitionOf, framesOf } = over;
    const [urgent, , other] = arrive(dispatcher, partition, ['s0', 's1', 's2', 's3', 's4', 's5']);
    dispatcher.dispatch();
    expect(framesOf()).toEqual([['s0:1', 's1:1', 's2:1', 's3:1']]);
    const second = partitionOf(1);
    arrive(dispatcher, second, ['f0', 'f1']);
    land(over, other);
    expect(framesOf()).toEqual([['f0:1']]);
    land(over, urgent);
    expect([framesOf(), partition.inFlight, second.inFlight]).toEqual([[['s4:1']], 3, 1]);
  });

  test('what has no slot stays ready, and goes when one is free', () => {
    const over = dispatcherOver([{ slots: 1 }]);
    const [first] = arrive(over.dispatcher, over.partition, ['a', 'b', 'c']);
    over.dispatcher.dispatch();
    expect([over.framesOf(), over.dispatcher.readyLanes]).toEqual([[['a:1']], 2]);
    over.dispatcher.dispatch();
    expect(over.framesOf()).toEqual([[]]);
    finish(over, first);
    expect([over.framesOf(), over.dispatcher.readyLanes]).toEqual([[['b:1']], 1]);
  });

  test('no thread is always served first', () => {
    // Both threads are idle and neither owns the lane: whoever is asked first steals it.
    const takers = Array.from({ length: 6 }, (_, turn) => {
      const { dispatcher, partition, framesOf } = dispatcherOver([{}, {}, { slots: 0 }]);
      for (let count = turn; count > 0; count -= 1) dispatcher.dispatch();
      arrive(dispatcher, partition, keysOf(2, 3, 1));
      dispatcher.dispatch();
      return framesOf().findIndex((frames) => frames.length > 0);
    });
    expect(new Set(takers)).toEqual(new Set([0, 1]));
  });

  test.each([
    { name: 'a free slot', thief: { slots: 2 }, affinity: 'preferred', stolen: 2 },
    {
      name: 'no free slot, though it would take work ahead',
      thief: { slots: 0, ahead: 2 },
      affinity: 'preferred',
      stolen: 0,
    },
    { name: 'a free slot, under strict', thief: { slots: 2 }, affinity: 'strict', stolen: 0 },
  ] as const)("a thread takes another one's lanes: $name", ({ thief, affinity, stolen }) => {
    const { dispatcher, partition, framesOf } = dispatcherOver([thief, { slots: 1 }], affinity);
    const keys = keysOf(1, 2, 5);
    arrive(dispatcher, partition, keys);
    dispatcher.dispatch();
    const [taken, own] = framesOf();
    // The owner chose first: the thief has the oldest of what is left.
    expect(own).toEqual([`${keys[0]}:1`]);
    expect(taken).toEqual(keys.slice(1, 1 + stolen).map((key) => `${key}:1`));
    expect(dispatcher.readyLanes).toBe(4 - stolen);
  });

  test('work ahead is of its own lanes, under strict too', () => {
    const { dispatcher, partition, framesOf } = dispatcherOver([{ slots: 1, ahead: 2 }, {}], 'strict');
    const keys = keysOf(0, 2, 4);
    arrive(dispatcher, partition, keys);
    dispatcher.dispatch();
    expect(framesOf()).toEqual([keys.slice(0, 3).map((key) => `${key}:1`), []]);
  });

  test('it takes from the thread with the most', () => {
    const { dispatcher, partition, framesOf } = dispatcherOver([{ slots: 1 }, { slots: 0 }, { slots: 0 }]);
    const [few, most] = [keysOf(1, 3, 2), keysOf(2, 3, 3)];
    arrive(dispatcher, partition, [...few, ...most]);
    dispatcher.dispatch();
    expect(framesOf()[0]).toEqual([`${most[0]}:1`]);
  });
});

describe('Dispatcher, partitions that hand nothing out', () => {
  test('lanes of a paused partition are held, others pass them by', () => {
    const { dispatcher, partition, partitionOf, framesOf } = dispatcherOver([{ slots: 5 }]);
    const other = partitionOf(1);
    const deliveries = arrive(dispatcher, partition, ['a', 'b']);
    arrive(dispatcher, other, ['c']);
    partition.userPaused = true;
    dispatcher.dispatch();
    expect([framesOf(), deliveries.map(({ lane }) => lane.state)]).toEqual([[['c:1']], ['held', 'held']]);
    expect([dispatcher.readyLanes, partition.inFlight]).toEqual([0, 0]);

    partition.userPaused = false;
    for (const lane of partition.release()) dispatcher.enqueue(lane);
    dispatcher.dispatch();
    expect(framesOf()).toEqual([['a:1', 'b:1']]);
  });

  test.each([
    { name: 'has a lane to give', few: 2, stolen: 1 },
    { name: 'has none either', few: 0, stolen: 0 },
  ])('a thief goes on where the fullest thread has only lanes of a paused partition: another $name', (row) => {
    const over = dispatcherOver([{ slots: 1 }, { slots: 0 }, { slots: 0 }]);
    const { dispatcher, partition, partitionOf, framesOf } = over;
    const [few, most] = [keysOf(1, 3, row.few), keysOf(2, 3, 3)];
    const paused = arrive(dispatcher, partition, most);
    arrive(dispatcher, partitionOf(1), few);
    partition.userPaused = true;
    dispatcher.dispatch();
    expect(framesOf()).toEqual([few.slice(0, row.stolen).map((key) => `${key}:1`), [], []]);
    expect(paused.map(({ lane }) => lane.state)).toEqual(['held', 'held', 'held']);
    expect(dispatcher.readyLanes).toBe(row.few - row.stolen);
  });

  test('a held lane goes on growing, and comes back with all its records', () => {
    const { dispatcher, partition, framesOf } = dispatcherOver([{ slots: 5 }]);
    partition.userPaused = true;
    arrive(dispatcher, partition, ['a']);
    dispatcher.dispatch();
    arrive(dispatcher, partition, ['a', 'a']);
    dispatcher.dispatch();
    partition.userPaused = false;
    for (const lane of partition.release()) dispatcher.enqueue(lane);
    dispatcher.dispatch();
    expect(framesOf()).toEqual([['a:3']]);
  });

  test.each(['drain', 'close'] as const)('after %s nothing of a partition is handed out, nor kept', (end) => {
    const { dispatcher, partition, framesOf } = dispatcherOver([{ slots: 5 }, { slots: 5 }]);
    arrive(dispatcher, partition, ['a', 'b', 'c']);
    partition[end]();
    dispatcher.dispatch();
    expect([framesOf(), dispatcher.readyLanes, partition.release()]).toEqual([[[], []], 0, []]);
  });
});

describe('Dispatcher.enqueue', () => {
  test('a lane that is ready or with a thread is in its place already', () => {
    const { dispatcher, partition } = dispatcherOver([{}]);
    const [delivery] = arrive(dispatcher, partition, ['a']) as [Delivery];
    expect(() => dispatcher.enqueue(delivery.lane)).toThrow('a lane was enqueued in the state: ready');
    dispatcher.dispatch();
    expect(() => dispatcher.enqueue(delivery.lane)).toThrow('a lane was enqueued in the state: in-flight');
  });

  test('a lane without a record has nothing to run', () => {
    const { dispatcher, partition } = dispatcherOver([{}]);
    expect(() => dispatcher.enqueue(new Lane(partition, Buffer.from('a'), 0))).toThrow('an empty lane was enqueued');
  });
});

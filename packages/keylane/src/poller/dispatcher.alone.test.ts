import { describe, expect, test } from 'vitest';
import { arrive, dispatcherOver, keysOf, nextAge } from '../../sim/dispatching.ts';
import { recordOf } from '../../sim/stations.ts';
import { Delivery } from './delivery.ts';
import { Lane } from './lane.ts';

describe('Dispatcher, a record that must run alone', () => {
  function aloneOver(threads = 1) {
    const over = dispatcherOver(Array.from({ length: threads }, () => ({ slots: 4 })));
    const [first = '', suspect = '', other = ''] = keysOf(0, threads, 3);
    const [running] = arrive(over.dispatcher, over.partition, [first]) as [Delivery];
    over.dispatcher.dispatch();
    over.framesOf();
    return { ...over, running, suspect, other };
  }

  /** The suspect's lane with two records comes back, the first of them to run alone. */
  function suspected({ dispatcher, partition, suspect }: ReturnType<typeof aloneOver>): Delivery {
    const lane = new Lane(partition, Buffer.from(suspect), 0);
    for (let records = 2; records > 0; records -= 1) {
      const offset = partition.tracker.position ?? 0;
      const record = recordOf({ offset, key: suspect });
      lane.push(new Delivery(record, lane, partition.tracker.register(offset) as number, nextAge(), 0));
    }
    const delivery = lane.head as Delivery;
    delivery.alone = true;
    dispatcher.enqueue(lane);
    return delivery;
  }

  function settled(over: ReturnType<typeof aloneOver>, { lane }: Delivery): void {
    while (lane.inFlight > 0) lane.shift();
    lane.land();
    Object.assign(over.threads[0]?.load as object, { records: 0, lanes: 0 });
    if (lane.length > 0) over.dispatcher.enqueue(lane);
    over.dispatcher.dispatch();
  }

  test('waits until its thread is empty, goes by itself, and has the thread until it is settled', () => {
    const over = aloneOver();
    const delivery = suspected(over);
    arrive(over.dispatcher, over.partition, [over.other]);
    over.dispatcher.dispatch();
    expect([over.framesOf(), over.dispatcher.readyLanes]).toEqual([[[]], 2]);
    settled(over, over.running);
    expect(over.framesOf()).toEqual([[`${over.suspect}:1`]]);
    over.dispatcher.dispatch();
    expect(over.framesOf()).toEqual([[]]);
    settled(over, delivery);
    // Its lane goes on beside the others, the older first.
    expect(over.framesOf()).toEqual([[`${over.suspect}:1`, `${over.other}:1`]]);
  });

  test('the next one waits for the one before', () => {
    const over = aloneOver();
    const [one, two] = [suspected(over), suspected(over)];
    settled(over, over.running);
    expect([over.framesOf(), two.lane.state]).toEqual([[[`${over.suspect}:1`]], 'ready']);
    settled(over, one);
    expect([over.framesOf(), two.lane.state]).toEqual([[[`${over.suspect}:1`]], 'in-flight']);
  });

  test('its thread does not help others meanwhile, others go on and take from it', () => {
    const over = aloneOver(2);
    suspected(over);
    arrive(over.dispatcher, over.partition, [over.other, ...keysOf(1, 2, 6)]);
    over.dispatcher.dispatch();
    expect(over.framesOf().map((frames) => frames.length)).toEqual([0, 4]);
  });

  test.each(['pause', 'drain', 'close'] as const)("after %s of its partition it stands in nobody's way", (end) => {
    const over = aloneOver();
    const delivery = suspected(over);
    if (end === 'pause') over.partition.userPaused = true;
    else over.partition[end]();
    arrive(over.dispatcher, over.partitionOf(1), [over.other]);
    over.dispatcher.dispatch();
    expect([over.framesOf(), delivery.lane.state]).toEqual([[[`${over.other}:1`]], 'held']);
    over.partition.userPaused = false;
    expect(over.partition.release()).toEqual(end === 'pause' ? [delivery.lane] : []);
  });
});

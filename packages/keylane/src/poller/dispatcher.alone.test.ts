import { describe, expect, test } from 'vitest';
import { arrive, dispatcherOver, keysOf, nextAge, stubLoad } from '../../sim/dispatching.ts';
import { recordOf, stubPartition } from '../../sim/stations.ts';
import { Delivery } from './delivery.ts';
import { Dispatcher } from './dispatcher.ts';
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

describe('Dispatcher, room for one record', () => {
  test.each([
    { name: 'with a lane for it', affinity: 'strict' as const, state: 'active' as const },
    { name: 'with one of a partition that went away', affinity: 'strict' as const, state: 'closed' as const },
    { name: 'taken from by others', affinity: 'preferred' as const, state: 'closed' as const },
  ])('a thread that is busy, $name, does not keep an idle one from what was set aside', ({ affinity, state }) => {
    const sent: number[][] = [[], []];
    const laneOn = (thread: number, partition = stubPartition()) => {
      const lane = new Lane(partition, undefined, thread);
      lane.push(new Delivery(recordOf({ offset: thread }), lane, 0, thread, 0));
      return lane;
    };
    const aside = [laneOn(0), laneOn(1), laneOn(1)];
    const threads = [0, 10].map((room, id) => ({
      id,
      load: stubLoad(room),
      send: (lanes: readonly Lane[]) => void sent[id]?.push(...lanes.map(({ thread }) => thread)),
    }));
    const handOut = {
      get room() {
        return sent.flat().length === 0 ? 1 : 0;
      },
      onHandedOut: () => undefined,
      takeAside: () => aside.shift(),
    };
    const dispatcher = new Dispatcher(threads, { affinity }, undefined, handOut);
    dispatcher.enqueue(laneOn(0, stubPartition({ state, handsOut: state === 'active' })));
    dispatcher.dispatch();
    expect([sent[0], sent[1]?.length]).toEqual([[], 1]);
  });
});

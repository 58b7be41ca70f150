import { receiveMessageOnPort } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Delivery } from '../poller/delivery.ts';
import { Lane, type LanePartition } from '../poller/lane.ts';
import type { SessionStart } from '../wire/messages.ts';
import { writeReport } from '../wire/report.ts';
import { Ring } from '../wire/ring.ts';
import { Slots } from '../wire/slots.ts';
import type { ExecutorListener } from './executor.ts';
import { HandlerThread } from './handler-thread.ts';

const BASIS = {
  handlerUrl: '',
  concurrency: 2,
  handlerData: undefined,
  handlerTimeoutMs: 0,
  leases: new SharedArrayBuffer(4),
};

function laneOf(records: number, bytes = 0): Lane {
  const partition = { topic: 't', partition: 1, lease: { index: 0, generation: 0 }, inFlight: 0 } as LanePartition;
  const lane = new Lane(partition, Buffer.from('k'), 0);
  for (let offset = 0; offset < records; offset += 1) {
    const record = { topic: 't', partition: 1, offset, timestamp: 0, key: null, value: null };
    lane.push(new Delivery(record, lane, offset, offset, bytes));
  }
  lane.state = 'ready';
  lane.take(records);
  return lane;
}

/** An open thread, from its own side as well: `slots` to write, `port` to tell by, `die` to end. */
async function openThread() {
  let start: SessionStart | undefined;
  let die = (_error: Error): void => undefined;
  const terminated: number[] = [];
  const thread = new HandlerThread(0, BASIS, {
    run: (given) => {
      start = given;
      given.port.postMessage({ type: 'ready' });
      return new Promise((_, reject) => {
        die = reject;
      });
    },
    terminate: async (id) => void terminated.push(id),
  });
  const completed: number[] = [];
  const listener = {
    onCompleted: (lane, count) => {
      completed.push(count);
      for (let left = count; left > 0; left -= 1) lane.shift();
    },
    onReported: () => undefined,
  } as Partial<ExecutorListener> as ExecutorListener;
  await thread.open(listener);
  const { slots: buffer, reports, port } = start as unknown as SessionStart;
  const ring = new Ring(reports);
  const slots = new Slots(BASIS.concurrency, 0, buffer);
  slots.claim(42);
  const send = (...lanes: Lane[]) => {
    for (const lane of lanes) thread.load.add(lane.inFlight);
    thread.send(lanes);
    return lanes[0] as Lane;
  };
  const report = (laneId: number, count: number, way: 'ring' | 'message' = 'ring') => {
    const message = { completed: [laneId, count], failed: [], dropped: [], serviceMs: 0, activeMs: 0 };
    port.postMessage(way === 'ring' ? writeReport(ring, message) : { type: 'report', ...message });
  };
  const lose = async () => {
    die(new Error('gone'));
    await thread.ended;
    return thread.abandon(listener);
  };
  /** What came to the thread's side, each message as long as a frame or one itself. */
  const received = () => {
    const messages: unknown[] = [];
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      messages.push(next.message);
    return messages;
  };
  return { thread, slots, send, report, lose, completed, terminated, received };
}

describe('HandlerThread, lost', () => {
  test.each(['ring', 'message'] as const)('what completed is not run again, told (%s) or not', async (way) => {
    const { send, slots, report, lose, completed } = await openThread();
    const [one, two] = [send(laneOf(5)), send(laneOf(2))];
    slots.completed(0, 1);
    report(0, 1, way);
    slots.completed(0, 3);
    slots.begin(1, 0, performance.now());
    const remains = await lose();
    expect(completed).toEqual([1, 2]);
    expect([remains.lanes, remains.suspects, remains.hung]).toEqual([[one, two], [one], []]);
    expect(remains.running).toMatchObject([{ topic: 't', partition: 1, offset: 3, attempt: 1 }]);
  });

  test('a lane that completed as a whole does not come back', async () => {
    const { send, slots, lose, completed } = await openThread();
    send(laneOf(2));
    slots.completed(0, 2);
    const { lanes, running } = await lose();
    expect([completed, lanes, running]).toEqual([[2], [], []]);
  });

  test('an id that is used again counts from its own segment', async () => {
    const { thread, send, slots, report, lose, completed } = await openThread();
    send(laneOf(3));
    slots.completed(0, 3);
    report(0, 3);
    while (thread.completed < 3) await new Promise((resolve) => setImmediate(resolve));
    const lane = send(laneOf(4));
    const { lanes } = await lose();
    expect([completed, lanes, lane.inFlight]).toEqual([[3], [lane], 4]);
  });

  test('is terminated where a handler hung; only what still hangs then is to blame', async () => {
    const { thread, send, slots, lose, terminated } = await openThread();
    const [one, two] = [send(laneOf(1)), send(laneOf(1))];
    slots.begin(0, 0, performance.now());
    slots.begin(1, 1, performance.now());
    const hung = thread.look(performance.now())?.running ?? [];
    slots.end(1);
    slots.completed(1, 1);
    thread.endHung(hung, true);
    expect([terminated, thread.look(0)]).toEqual([[42], undefined]);
    const remains = await lose();
    expect([remains.hung, remains.suspects, remains.lanes, two.length]).toEqual([[one], [], [one], 0]);
  });

  test('where it cannot be told who hung, all that ran are suspects; one alone is to blame', async () => {
    const several = await openThread();
    const lanes = [several.send(laneOf(1)), several.send(laneOf(1))];
    for (const slot of [0, 1]) several.slots.begin(slot, slot, performance.now());
    several.thread.endHung(several.slots.running(performance.now()), false);
    expect(await several.lose()).toMatchObject({ hung: [], suspects: lanes, wasEnded: true });
    const single = await openThread();
    const lane = single.send(laneOf(1));
    single.slots.begin(0, 0, performance.now());
    single.thread.endHung(single.slots.running(performance.now()), false);
    expect(await single.lose()).toMatchObject({ hung: [lane], suspects: [], wasEnded: true });
  });

  test('what is too much for one frame goes in several, and all of it is reported as before', async () => {
    const { thread, send, report, completed, received, lose } = await openThread();
    const lanes = [laneOf(2, 2 ** 20), laneOf(1), laneOf(3, 2 ** 20)];
    send(...lanes);
    expect(received()).toHaveLength(3);
    for (const [id, { inFlight }] of lanes.entries()) report(id, inFlight);
    await expect.poll(() => completed).toEqual([2, 1, 3]);
    expect([thread.load.records, thread.load.lanes]).toEqual([0, 0]);
    expect((await lose()).lanes).toEqual([]);
  });
});

describe('HandlerThread, opening', () => {
  test('is through when its handler is open, or its session over', async () => {
    const told = { ready: () => {}, over: () => {} };
    for (const how of ['ready', 'over'] as const) {
      const thread = new HandlerThread(0, BASIS, {
        run: ({ port }) =>
          new Promise((resolve) => {
            told.ready = () => port.postMessage({ type: 'ready' });
            told.over = () => resolve(undefined);
          }),
        terminate: async () => undefined,
      });
      const open = thread.open({} as ExecutorListener).then(
        () => 'open',
        () => 'failed',
      );
      let isThrough = false;
      void thread.opening.then(() => (isThrough = true));
      await new Promise(setImmediate);
      expect(isThrough).toBe(false);
      told[how]();
      await thread.opening;
      expect(await open).toBe(how === 'ready' ? 'open' : 'failed');
      told.over();
    }
  });
});

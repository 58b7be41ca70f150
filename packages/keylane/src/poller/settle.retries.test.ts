import { expect, test } from 'vitest';
import { stubLoad } from '../../sim/dispatching.ts';
import { FakeClock } from '../../sim/fake-clock.ts';
import { RESOLVED, recordOf, sharedOf } from '../../sim/stations.ts';
import { Events } from '../events.ts';
import type { ExecutorThread } from '../executor/executor.ts';
import type { Delivery } from './delivery.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Lane } from './lane.ts';
import { Partition } from './partition.ts';
import type { RetryPolicy } from './retry.ts';
import { Settle } from './settle.ts';

const HOUR_MS = 3_600_000;
const RETRY: RetryPolicy = {
  ...RESOLVED.retry,
  attemptsMax: Number.MAX_SAFE_INTEGER,
  delayMs: 100,
  delayMaxMs: 1_000,
  factor: 2,
  jitter: 'none',
};

test('records that fail for an hour hold what they held at first, and leave nothing once they succeed', () => {
  const clock = new FakeClock();
  const timers = { pending: 0, most: 0 };
  const counted = {
    now: () => clock.now(),
    timeOfDay: () => clock.timeOfDay(),
    after(delayMs: number, callback: () => void) {
      timers.pending += 1;
      timers.most = Math.max(timers.most, timers.pending);
      return clock.after(delayMs, () => {
        timers.pending -= 1;
        callback();
      });
    },
  };
  const sent: Lane[] = [];
  const load = stubLoad(1);
  const thread: ExecutorThread = { id: 0, load, send: (lanes) => void sent.push(...lanes) };
  const dispatcher = new Dispatcher([thread], { affinity: 'preferred' });
  const settle = new Settle({
    options: { ...RESOLVED, retry: RETRY },
    leaving: undefined as never,
    breaker: undefined,
    onHalted: () => undefined,
    clock: counted,
    random: () => 0.5,
    events: new Events(),
    dispatcher,
    onSettled: () => undefined,
    onFatal: (error) => {
      throw error;
    },
  });
  const shared = sharedOf();
  const partition = new Partition({ topic: 't', partition: 0 }, shared);
  for (let offset = 0; offset < 10; offset += 1) {
    const { lane } = partition.register(recordOf({ offset, key: `k${offset % 5}` }), offset) as Delivery;
    if (lane.state === 'idle') dispatcher.enqueue(lane);
  }
  const held = () => [partition.bufferedRecords, partition.lanes.size, partition.tracker.span, shared.budget.records];
  const before = held();
  let failures = 0;
  const next = () => {
    dispatcher.dispatch();
    return sent.shift();
  };
  while (clock.now() < HOUR_MS) {
    for (let lane = next(); lane !== undefined; lane = next()) {
      settle.onFailed(lane, new RangeError('no'), 'handle');
      failures += 1;
    }
    clock.step();
  }
  expect(failures).toBeGreaterThan(5 * 3_500);
  expect([held(), timers.most]).toEqual([before, 5]);

  for (let open = true; open; ) {
    for (let lane = next(); lane !== undefined; lane = next()) settle.onCompleted(lane, lane.inFlight);
    open = clock.step();
  }
  expect([held(), timers.pending, partition.inFlight, dispatcher.readyLanes]).toEqual([[0, 0, 0, 0], 0, 0, 0]);
  expect([settle.completed, partition.tracker.committable]).toEqual([10, 10]);
});

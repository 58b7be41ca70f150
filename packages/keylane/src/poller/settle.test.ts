import { describe, expect, test } from 'vitest';
import { stubLoad } from '../../sim/dispatching.ts';
import { FakeClock } from '../../sim/fake-clock.ts';
import { laneOf, pass, RESOLVED, recordOf, sharedOf, uncommittedOf } from '../../sim/stations.ts';
import { HandlerError, InvariantError, type KeylaneError, ThreadLostError } from '../errors.ts';
import { Events } from '../events.ts';
import type { ExecutorThread } from '../executor/executor.ts';
import type { Delivery } from './delivery.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Lane } from './lane.ts';
import { Partition } from './partition.ts';
import type { RetryPolicy } from './retry.ts';
import { Settle } from './settle.ts';

const RETRY: RetryPolicy = { ...RESOLVED.retry, attemptsMax: 3, delayMs: 100, delayMaxMs: 1_000, jitter: 'none' };

/** A thread that takes all it is given; `sent` tells which records, as `key@offset`. */
function openThread(sent: string[]): ExecutorThread {
  const load = stubLoad(100);
  const namesOf = ({ key, head, inFlight }: Lane) => {
    const names = [];
    for (let next = head as Delivery; names.length < inFlight; next = next.next as Delivery) {
      names.push(`${key}@${next.record.offset}`);
    }
    return names;
  };
  return { id: 0, load, send: (lanes) => void sent.push(...lanes.flatMap(namesOf)) };
}

function settleOver(retry: Partial<RetryPolicy> = {}) {
  const [sent, fatal]: [string[], KeylaneError[]] = [[], []];
  const seen = { settled: 0, retries: [] as string[], warnings: [] as KeylaneError[] };
  const clock = new FakeClock();
  const events = new Events();
  events.on('retry', ({ error, delayMs }) => void seen.retries.push(`attempt ${error.attempt}, ${delayMs} ms`));
  events.on('warning', (error) => void seen.warnings.push(error));
  const dispatcher = new Dispatcher([openThread(sent)], { affinity: 'preferred' });
  const settle = new Settle({
    options: { ...RESOLVED, retry: { ...RETRY, ...retry } },
    leaving: undefined as never,
    onHalted: () => expect.unreachable('nothing is halted here'),
    clock,
    random: () => 0.5,
    events,
    dispatcher,
    onSettled: () => {
      seen.settled += 1;
    },
    onFatal: (error) => void fatal.push(error),
  });
  const partition = new Partition({ topic: 't', partition: 0 }, sharedOf());
  return { settle, dispatcher, partition, clock, fatal, seen, takeSent: () => sent.splice(0) };
}

type Over = ReturnType<typeof settleOver>;

/** Records of these keys arrive and are handed out; returns the lane of the first. */
function arrive({ dispatcher, partition }: Over, ...keys: string[]): Lane {
  const lanes = keys.map((key) => {
    const offset = partition.tracker.position ?? 0;
    const { lane } = partition.register(recordOf({ offset, key }), offset) as Delivery;
    if (lane.state === 'idle') dispatcher.enqueue(lane);
    return lane;
  });
  dispatcher.dispatch();
  return lanes[0] as Lane;
}

describe('Settle, completed', () => {
  test('completes record by record, and the lane leaves with its last', () => {
    const over = settleOver();
    const lane = arrive(over, 'a', 'a', 'a');
    over.settle.onCompleted(lane, 2);
    expect([uncommittedOf(over.partition), lane.state, over.partition.lanes.size]).toEqual([2, 'in-flight', 1]);
    over.settle.onCompleted(lane, 1);
    expect([uncommittedOf(over.partition), lane.state, over.partition.lanes.size]).toEqual([3, 'idle', 0]);
    expect([over.settle.completed, over.partition.inFlight]).toEqual([3, 0]);
  });

  test('what came meanwhile is handed out with the report, not before', () => {
    const over = settleOver();
    const lane = arrive(over, 'a');
    arrive(over, 'a', 'a');
    expect(over.takeSent()).toEqual(['a@0']);
    over.settle.onCompleted(lane, 1);
    expect([over.takeSent(), over.seen.settled]).toEqual([[], 0]);
    over.settle.onReported();
    expect([over.takeSent(), over.seen.settled]).toEqual([['a@1', 'a@2'], 1]);
  });

  test('of a draining partition it counts, and nothing follows', () => {
    const over = settleOver();
    const lane = arrive(over, 'a');
    arrive(over, 'a');
    over.takeSent();
    over.partition.drain();
    over.settle.onCompleted(lane, 1);
    expect([uncommittedOf(over.partition), lane.state, over.dispatcher.readyLanes]).toEqual([1, 'idle', 0]);
    over.settle.onReported();
    expect(over.takeSent()).toEqual([]);
  });

  test('of a closed partition it changes nothing', () => {
    const over = settleOver();
    const lane = arrive(over, 'a', 'a');
    over.partition.close();
    over.settle.onCompleted(lane, 2);
    expect([over.partition.tracker.committable, over.partition.bufferedRecords]).toEqual([0, 0]);
  });
});

describe('Settle, failed', () => {
  test('the record runs again after its delay, ahead of its key, and then completes', () => {
    const over = settleOver();
    const lane = arrive(over, 'a', 'a', 'b');
    over.takeSent();
    over.settle.onFailed(lane, new Error('no'), 'handle');
    over.settle.onReported();
    expect([lane.state, over.seen.retries, over.partition.waiting.has(lane)]).toEqual([
      'waiting',
      ['attempt 1, 100 ms'],
      true,
    ]);
    arrive(over, 'a');
    pass(over.clock, 99);
    expect(over.takeSent()).toEqual([]);
    pass(over.clock, 1);
    expect([over.takeSent(), lane.head?.attempt, over.partition.waiting.size]).toEqual([['a@0', 'a@1', 'a@3'], 2, 0]);
    over.settle.onCompleted(lane, 1);
    expect([uncommittedOf(over.partition), over.fatal]).toEqual([1, []]);
  });

  test('each failure counts an attempt and has its own delay', () => {
    const over = settleOver();
    const lane = arrive(over, 'a');
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      over.settle.onFailed(lane, new Error('no'), 'handle');
      while (over.clock.step());
    }
    expect(over.seen.retries).toEqual(['attempt 1, 100 ms', 'attempt 2, 200 ms']);
    expect([over.takeSent(), over.clock.now()]).toEqual([['a@0', 'a@0', 'a@0'], 300]);
  });

  test('only what failed counts an attempt: the rest of the segment did not run', () => {
    const over = settleOver();
    const lane = arrive(over, 'a', 'a', 'a');
    over.settle.onCompleted(lane, 1);
    over.settle.onFailed(lane, new Error('no'), 'handle');
    expect([lane.head?.record.offset, lane.head?.attempt, lane.head?.next?.attempt]).toEqual([1, 2, 1]);
    expect([over.partition.inFlight, uncommittedOf(over.partition)]).toEqual([0, 1]);
  });

  test('the delay has the jitter of the policy', () => {
    const over = settleOver({ jitter: 'full' });
    over.settle.onFailed(arrive(over, 'a'), new Error('no'), 'handle');
    expect(over.seen.retries).toEqual(['attempt 1, 50 ms']);
  });

  test('after the last attempt the consumer fails, and the record is not completed', () => {
    const over = settleOver({ attemptsMax: 2 });
    const lane = arrive(over, 'a', 'b');
    const cause = new Error('no');
    over.settle.onFailed(lane, new Error('first'), 'handle');
    while (over.clock.step());
    over.settle.onFailed(lane, cause, 'handle');
    expect(over.fatal).toEqual([expect.any(HandlerError)]);
    expect(over.fatal[0]).toMatchObject({ topic: 't', partition: 0, offset: 0, attempt: 2, cause });
    expect([over.partition.tracker.committable, uncommittedOf(over.partition), over.settle.completed]).toEqual([
      0, 0, 0,
    ]);
    expect([over.clock.step(), over.seen.retries]).toEqual([false, ['attempt 1, 100 ms']]);
  });

  test.each(['drain', 'close'] as const)('after %s of its partition it is not tried again', (end) => {
    const over = settleOver({ attemptsMax: 1 });
    const lane = arrive(over, 'a', 'a');
    over.takeSent();
    over.partition[end]();
    over.settle.onFailed(lane, new Error('no'), 'handle');
    over.settle.onReported();
    expect([over.fatal, over.seen.retries, over.clock.step()]).toEqual([[], [], false]);
    expect([over.takeSent(), over.partition.inFlight, over.partition.tracker.committable]).toEqual([[], 0, 0]);
  });

  test('a retry that waits when its partition drains never runs', () => {
    const over = settleOver();
    over.settle.onFailed(arrive(over, 'a'), new Error('no'), 'handle');
    over.takeSent();
    over.partition.drain();
    while (over.clock.step());
    expect(over.takeSent()).toEqual([]);
  });

  test('a retry of a paused partition is held until it is resumed', () => {
    const over = settleOver();
    const lane = arrive(over, 'a');
    over.takeSent();
    over.settle.onFailed(lane, new Error('no'), 'handle');
    over.partition.userPaused = true;
    while (over.clock.step());
    expect([over.takeSent(), lane.state, over.partition.release()]).toEqual([[], 'held', []]);
    over.partition.userPaused = false;
    expect(over.partition.release()).toEqual([lane]);
  });
});

describe('Settle, dropped', () => {
  test("the segment is over, its records are nobody's, and the counters are even", () => {
    const over = settleOver();
    const lane = arrive(over, 'a', 'a');
    over.takeSent();
    over.settle.onCompleted(lane, 1);
    over.partition.close();
    over.settle.onDropped(lane);
    over.settle.onReported();
    expect([over.takeSent(), over.partition.inFlight, lane.inFlight, lane.state]).toEqual([[], 0, 0, 'idle']);
  });
});

describe('Settle, a thread lost', () => {
  const lost = new ThreadLostError('ERR_THREAD_LOST', 0, 'thread 0 ended');

  test('its lanes run again from where they stood, as the same attempt', () => {
    const over = settleOver();
    const lane = arrive(over, 'a', 'a', 'b');
    const other = laneOf(over.partition, 'b') as Lane;
    over.takeSent();
    over.settle.onCompleted(lane, 1);
    over.settle.onThreadLost(lost, [lane, other], []);
    expect([over.takeSent(), lane.head?.attempt, over.partition.inFlight]).toEqual([['a@1', 'b@2'], 1, 2]);
    expect([over.seen.warnings, over.seen.settled, over.seen.retries]).toEqual([[lost], 1, []]);
  });

  test('the one record that was with a handler has failed; all others lose nothing', () => {
    const over = settleOver();
    const lane = arrive(over, 'a', 'a', 'b');
    const other = laneOf(over.partition, 'b') as Lane;
    over.takeSent();
    over.settle.onThreadLost(lost, [lane, other], [lane]);
    expect([over.seen.retries, over.takeSent(), other.head?.attempt]).toEqual([['attempt 1, 100 ms'], ['b@2'], 1]);
    over.settle.onCompleted(other, 1);
    over.settle.onReported();
    pass(over.clock, 100);
    // It may do so again, so it runs alone from here on.
    expect([over.takeSent(), lane.head?.attempt, lane.head?.next?.attempt]).toEqual([['a@0'], 2, 1]);
  });

  test('of several it cannot be told which: each runs alone, and none loses an attempt', () => {
    const over = settleOver();
    const lane = arrive(over, 'a', 'b', 'c');
    const [b, c] = ['b', 'c'].map((key) => laneOf(over.partition, key) as Lane) as [Lane, Lane];
    over.takeSent();
    over.settle.onThreadLost(lost, [lane, b, c], [lane, b]);
    expect(over.seen.retries).toEqual([]);
    expect([lane, b, c].map(({ head }) => [head?.alone, head?.attempt])).toEqual([
      [true, 1],
      [true, 1],
      [false, 1],
    ]);
    // The fake thread counts no records, so it seems empty: the first goes, alone.
    expect(over.takeSent()).toEqual(['a@0']);
  });

  test('a suspect that then only throws is cleared, one that ends its thread again has failed for good', () => {
    const over = settleOver({ attemptsMax: 2 });
    const lane = arrive(over, 'a');
    over.settle.onThreadLost(lost, [lane], [lane]);
    while (over.clock.step());
    expect(lane.head?.alone).toBe(true);
    over.settle.onThreadLost(lost, [lane], [lane]);
    expect(over.fatal).toMatchObject([{ code: 'ERR_HANDLER_CRASHED', stage: 'thread-lost', attempt: 2, cause: lost }]);
    const cleared = settleOver();
    const thrower = arrive(cleared, 'a');
    cleared.settle.onThreadLost(lost, [thrower], [thrower]);
    while (cleared.clock.step());
    cleared.settle.onFailed(thrower, new Error('no'), 'handle');
    expect(thrower.head?.alone).toBe(false);
  });

  test("a suspect whose partition is gone is nobody's concern", () => {
    const over = settleOver({ attemptsMax: 1 });
    const lane = arrive(over, 'a');
    over.takeSent();
    over.partition.close();
    over.settle.onThreadLost(lost, [lane], [lane]);
    expect([over.fatal, over.takeSent(), over.partition.inFlight]).toEqual([[], [], 0]);
  });

  test('lanes of partitions that drain or are gone stay away', () => {
    const over = settleOver();
    const lane = arrive(over, 'a');
    over.takeSent();
    over.partition.drain();
    over.settle.onThreadLost(lost, [lane], []);
    expect([over.takeSent(), over.partition.inFlight, over.seen.settled]).toEqual([[], 0, 1]);
  });

  test('what the executor cannot cope with is fatal', () => {
    const over = settleOver();
    const error = new InvariantError('it broke');
    over.settle.onFatal(error);
    expect(over.fatal).toEqual([error]);
  });
});

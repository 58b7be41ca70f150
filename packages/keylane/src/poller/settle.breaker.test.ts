/**
 * The breaker among the stations it depends on: settle, the dispatcher, and partitions.
 */
import { describe, expect, test } from 'vitest';
import { stubLoad } from '../../sim/dispatching.ts';
import { FakeClock } from '../../sim/fake-clock.ts';
import { laneOf, pass, RESOLVED, recordOf, sharedOf, uncommittedOf } from '../../sim/stations.ts';
import { type KeylaneError, ThreadLostError } from '../errors.ts';
import { Events } from '../events.ts';
import type { ExecutorThread } from '../executor/executor.ts';
import { Breaker, defaultIsFailure } from './breaker.ts';
import type { Delivery } from './delivery.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Lane } from './lane.ts';
import { Partition } from './partition.ts';
import { Settle } from './settle.ts';

/** Opens with the second failure in a row, for 100 ms. */
const POLICY = { failureShareMax: 0.5, windowMs: 1_000, recordsMin: 2, openMs: 100, openMsMax: 100 };
const DOWN = new Error('down');

/** Threads that take all they are given; `sent` tells which records, as `key@offset`. */
function threadsThat(sent: string[], count: number): ExecutorThread[] {
  const load = stubLoad(100);
  const namesOf = ({ head, inFlight, key }: Lane) =>
    `${key}@${head?.record.offset}${inFlight > 1 ? `+${inFlight}` : ''}`;
  return Array.from({ length: count }, (_, id) => ({
    id,
    load,
    send: (lanes: readonly Lane[]) => void sent.push(...lanes.map(namesOf)),
  }));
}

function stations() {
  const [sent, fatal, retries]: [string[], KeylaneError[], string[]] = [[], [], []];
  const clock = new FakeClock();
  const events = new Events();
  events.on('retry', ({ error, delayMs }) => void retries.push(`${error.offset} ${error.attempt} ${delayMs}`));
  events.on('warning', () => undefined);
  const policy = { ...POLICY, isFailure: defaultIsFailure };
  const breaker = new Breaker({ policy, clock, events, dispatcher: () => dispatcher });
  const dispatcher: Dispatcher = new Dispatcher(threadsThat(sent, 2), { affinity: 'preferred' }, undefined, breaker);
  const retry = { ...RESOLVED.retry, attemptsMax: 3, delayMs: 10, jitter: 'none' as const };
  const settle = new Settle({
    options: { ...RESOLVED, retry },
    leaving: undefined as never,
    onHalted: () => expect.unreachable('nothing is halted here'),
    clock,
    random: () => 0.5,
    events,
    dispatcher,
    breaker,
    onSettled: () => undefined,
    onFatal: (error) => void fatal.push(error),
  });
  const shared = sharedOf();
  const partition = new Partition({ topic: 't', partition: 0 }, shared);
  const other = new Partition({ topic: 't', partition: 1 }, shared);
  let age = 0;
  /** Records of these keys arrive; returns their lanes. */
  const arrive = (keys: string, at = partition): Lane[] => {
    const lanes = [...keys].map((key) => {
      const offset = at.tracker.position ?? 0;
      age += 1;
      const { lane } = at.register(recordOf({ partition: at.partition, offset, key }), age) as Delivery;
      if (lane.state === 'idle') dispatcher.enqueue(lane);
      return lane;
    });
    dispatcher.dispatch();
    return lanes;
  };
  const fail = (lane: Lane | undefined) => settle.onFailed(lane as Lane, DOWN, 'handle');
  const complete = (lane: Lane | undefined) => settle.onCompleted(lane as Lane, 1);
  const report = () => settle.onReported();
  const takeSent = () => sent.splice(0);
  return {
    settle,
    dispatcher,
    breaker,
    clock,
    partition,
    other,
    budget: shared.budget,
    fatal,
    retries,
    arrive,
    fail,
    complete,
    report,
    takeSent,
  };
}

/** Two records failed and opened it, a third is with a thread still; all three of their own keys. */
function opened() {
  const over = stations();
  const lanes = over.arrive('abc');
  over.fail(lanes[0]);
  over.fail(lanes[1]);
  over.report();
  over.takeSent();
  return { ...over, lanes };
}

describe('an open breaker', () => {
  test('hands out nothing: what comes, what was delayed, what completes all waits', () => {
    const over = opened();
    over.arrive('de');
    pass(over.clock, 50);
    over.complete(over.lanes[2]);
    over.report();
    expect([over.takeSent(), over.breaker.state, over.dispatcher.readyLanes]).toEqual([[], 'open', 4]);
  });

  test('what fails uses up no attempt, says when it may run again, and is counted as waiting', () => {
    const over = opened();
    over.arrive('c');
    pass(over.clock, 40);
    over.fail(over.lanes[2]);
    expect(over.retries).toEqual(['0 1 10', '1 1 10', '2 1 60']);
    const head = over.lanes[2]?.head as Delivery;
    expect([head.attempt, head.errors.length, over.lanes[2]?.state, over.budget.waiting]).toEqual([1, 1, 'waiting', 2]);
  });

  test('a record at its last attempt is not exhausted by it, however long it takes', () => {
    const over = opened();
    over.fail(over.lanes[2]);
    for (let outage = 0; outage < 50; outage += 1) {
      pass(over.clock, 100);
      const [sent] = over.takeSent();
      over.fail(over.lanes.find(({ name }) => sent?.startsWith(name as string)));
      over.report();
    }
    expect([over.fatal, over.lanes.map(({ head }) => head?.attempt)]).toEqual([[], [2, 2, 1]]);
  });

  test('a drain gives up what waits, and nothing of it comes back', () => {
    const over = opened();
    over.fail(over.lanes[2]);
    over.partition.drain();
    expect([over.partition.inFlight, over.budget.waiting]).toEqual([0, 0]);
    over.arrive('z', over.other);
    pass(over.clock, 100);
    expect(over.takeSent()).toEqual(['z@0']);
    over.complete(laneOf(over.other, 'z'));
    over.report();
    expect([over.breaker.state, over.takeSent()]).toEqual(['closed', []]);
  });
});

describe('a half-open breaker', () => {
  test('sends one record of one lane; when it completes all go on, in their order', () => {
    const over = opened();
    over.arrive('aab');
    over.fail(over.lanes[2]);
    pass(over.clock, 100);
    expect(over.takeSent()).toEqual(['a@0']);
    over.report();
    expect(over.takeSent()).toEqual([]);
    over.complete(over.lanes[0]);
    over.report();
    expect(over.takeSent().toSorted()).toEqual(['a@3+2', 'b@1+2', 'c@2']);
    expect(uncommittedOf(over.partition)).toBe(1);
  });

  test('the next probe is of another lane, so that one record cannot keep it open', () => {
    const over = opened();
    over.complete(over.lanes[2]);
    over.report();
    const probes = ['a@0', 'b@1', 'a@0', 'b@1'];
    for (const probe of probes) {
      pass(over.clock, 100);
      expect(over.takeSent()).toEqual([probe]);
      over.fail(over.lanes[probe === 'a@0' ? 0 : 1]);
      over.report();
    }
  });

  test('the probe is lost with its thread: it counts as its own attempt, and another one goes at once', () => {
    const over = opened();
    pass(over.clock, 100);
    expect(over.takeSent()).toEqual(['a@0']);
    const lost = new ThreadLostError('ERR_THREAD_LOST', 0, 'lost');
    over.settle.onThreadLost(lost, [over.lanes[0] as Lane], [over.lanes[0] as Lane]);
    expect([over.takeSent(), over.lanes[0]?.head?.attempt]).toEqual([['b@1'], 3]);
  });

  test('the probe is dropped, or its partition gives it up: another one goes', () => {
    const over = opened();
    over.arrive('z', over.other);
    pass(over.clock, 100);
    over.takeSent();
    over.partition.close();
    over.dispatcher.dispatch();
    expect(over.takeSent()).toEqual(['z@0']);
    over.settle.onDropped(over.lanes[0] as Lane);
    over.report();
    expect([over.takeSent(), over.breaker.room]).toEqual([[], 0]);
  });

  test('while everything is paused no probe goes; it goes when that ends', () => {
    const over = opened();
    over.partition.userPaused = true;
    pass(over.clock, 100);
    expect([over.takeSent(), over.breaker.state]).toEqual([[], 'half-open']);
    over.partition.userPaused = false;
    over.dispatcher.release(over.partition);
    over.dispatcher.dispatch();
    expect(over.takeSent()).toEqual(['a@0']);
  });

  test('a record that must run alone may be the probe', () => {
    const over = opened();
    (over.lanes[0]?.head as Delivery).alone = true;
    (over.lanes[1]?.head as Delivery).alone = true;
    pass(over.clock, 100);
    expect(over.takeSent().length).toBe(1);
    over.report();
    expect(over.takeSent()).toEqual([]);
  });
});

import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../sim/fake-clock.ts';
import { pass, stubPartition } from '../../sim/stations.ts';
import { type FailureStage, HandlerError } from '../errors.ts';
import { type ConsumerEvents, Events } from '../events.ts';
import { NonRetryableError } from '../wire/non-retryable.ts';
import { Breaker, type BreakerPolicy, defaultIsFailure } from './breaker.ts';
import { Lane, type LanePartition } from './lane.ts';

const POLICY: BreakerPolicy = {
  failureShareMax: 0.5,
  windowMs: 1_000,
  recordsMin: 4,
  openMs: 100,
  openMsMax: 350,
  isFailure: defaultIsFailure,
};

function failure(stage: FailureStage = 'handle', cause: Error = new Error('down')): HandlerError {
  return new HandlerError({ topic: 't', partition: 0, offset: 0, attempt: 1 }, cause, stage);
}

function breakerOver(policy: Partial<BreakerPolicy> = {}) {
  const clock = new FakeClock();
  const events = new Events();
  const told: ConsumerEvents['breaker'][] = [];
  events.on('breaker', (event) => void told.push(event));
  const [enqueued, log]: [Lane[], string[]] = [[], []];
  const dispatcher = { enqueue: (lane: Lane) => void enqueued.push(lane), dispatch: () => void log.push('dispatch') };
  const breaker = new Breaker({ policy: { ...POLICY, ...policy }, clock, events, dispatcher: () => dispatcher });
  const laneOf = (partition: LanePartition = stubPartition()) => new Lane(partition, Buffer.from('k'), 0);
  /** Three of four runs fail. */
  const open = () => {
    breaker.onCompleted(laneOf(), 1);
    for (let count = 0; count < 3; count += 1) breaker.onFailed(laneOf(), failure());
  };
  /** Open, and its time over; with a probe under way where one is given. */
  const halfOpen = (probe?: Lane) => {
    open();
    pass(clock, 100);
    if (probe !== undefined) breaker.onHandedOut(probe);
  };
  return { breaker, clock, told, enqueued, log, laneOf, open, halfOpen };
}

describe('Breaker, closed', () => {
  test.each([
    { name: 'as many fail as may', completed: 5, failed: 5, state: 'closed' },
    { name: 'one more fails', completed: 4, failed: 5, state: 'open' },
    { name: 'too few ran', completed: 0, failed: 3, state: 'closed' },
    { name: 'just enough ran', completed: 0, failed: 4, state: 'open' },
    { name: 'nothing may fail', completed: 100, failed: 1, policy: { failureShareMax: 0 }, state: 'open' },
  ])('$name: $state', ({ completed, failed, state, policy }) => {
    const { breaker, laneOf } = breakerOver(policy);
    if (completed > 0) breaker.onCompleted(laneOf(), completed);
    for (let count = 0; count < failed; count += 1) expect(breaker.onFailed(laneOf(), failure())).toBe(false);
    expect(breaker.state).toBe(state);
    expect(breaker.room).toBe(state === 'closed' ? Infinity : 0);
  });

  test('only what ran within the window counts', () => {
    const { breaker, clock, laneOf } = breakerOver();
    for (let count = 0; count < 3; count += 1) breaker.onFailed(laneOf(), failure());
    pass(clock, 1_100);
    breaker.onFailed(laneOf(), failure());
    expect([breaker.state, breaker.snapshot()]).toEqual([
      'closed',
      { state: 'closed', failureShare: 1, records: 1, forMs: 1_100 },
    ]);
  });

  test.each([
    { name: 'what cannot be decoded', error: failure('deserialize') },
    { name: 'what ended its thread', error: failure('thread-lost') },
    { name: 'what need not be tried again', error: failure('handle', new NonRetryableError('no such customer')) },
  ])('$name says nothing of what the handlers depend on', ({ error }) => {
    const { breaker, laneOf } = breakerOver();
    for (let count = 0; count < 10; count += 1) breaker.onFailed(laneOf(), error);
    expect([breaker.state, breaker.snapshot().records]).toEqual(['closed', 0]);
  });

  test('isFailure decides, and its own fault names the record', () => {
    const ours = breakerOver({ isFailure: ({ cause }) => (cause as Error).message === 'down' });
    for (let count = 0; count < 10; count += 1)
      ours.breaker.onFailed(ours.laneOf(), failure('handle', new Error('no')));
    expect(ours.breaker.state).toBe('closed');
    const broken = breakerOver({
      isFailure: () => {
        throw new Error('oops');
      },
    });
    expect(() => broken.breaker.onFailed(broken.laneOf(), failure())).toThrow(/breaker\.isFailure threw for t\[0\]@0/);
  });
});

describe('Breaker, open', () => {
  test('tells what opened it and for how long; then one record may go', () => {
    const { breaker, clock, told, log, open } = breakerOver();
    open();
    expect(told).toEqual([
      { from: 'closed', to: 'open', failureShare: 0.75, records: 4, openMs: 100, error: expect.any(HandlerError) },
    ]);
    pass(clock, 99);
    expect([breaker.room, breaker.remainingMs, log]).toEqual([0, 1, []]);
    pass(clock, 1);
    expect([breaker.state, breaker.room, breaker.remainingMs, log]).toEqual(['half-open', 1, 0, ['dispatch']]);
  });

  test('what fails is free, and what completes changes nothing', () => {
    const { breaker, laneOf, open } = breakerOver();
    open();
    expect(breaker.onFailed(laneOf(), failure())).toBe(true);
    expect(breaker.onFailed(laneOf(), failure('timeout'))).toBe(true);
    expect(breaker.onFailed(laneOf(), failure('thread-lost'))).toBe(false);
    breaker.onCompleted(laneOf(), 100);
    expect([breaker.state, breaker.snapshot().records]).toEqual(['open', 4]);
  });

  test('once it is stopped it waits for nothing', () => {
    const { breaker, clock, open } = breakerOver();
    open();
    breaker.stop();
    expect([clock.step(), breaker.state]).toEqual([false, 'open']);
    const late = breakerOver();
    late.breaker.stop();
    late.open();
    expect([late.clock.step(), late.breaker.state]).toEqual([false, 'open']);
  });
});

describe('Breaker, half-open', () => {
  test('a probe leaves no room; when it completes, everything may go, and the window begins anew', () => {
    const over = breakerOver();
    const probe = over.laneOf();
    over.halfOpen(probe);
    expect(over.breaker.room).toBe(0);
    over.breaker.onCompleted(probe, 1);
    expect([over.breaker.room, over.breaker.snapshot()]).toEqual([
      Infinity,
      { state: 'closed', failureShare: 0, records: 0, forMs: 0 },
    ]);
    expect(over.told.map(({ from, to }) => `${from} ${to}`)).toEqual([
      'closed open',
      'open half-open',
      'half-open closed',
    ]);
  });

  test('each probe that fails is free, and doubles the time up to its limit; a close begins anew', () => {
    const over = breakerOver();
    over.halfOpen();
    for (let count = 0; count < 3; count += 1) {
      const probe = over.laneOf();
      over.breaker.onHandedOut(probe);
      expect(over.breaker.onFailed(probe, failure())).toBe(true);
      pass(over.clock, 1_000);
    }
    const last = over.laneOf();
    over.breaker.onHandedOut(last);
    over.breaker.onCompleted(last, 1);
    over.open();
    expect(over.told.filter(({ to }) => to === 'open').map(({ openMs }) => openMs)).toEqual([100, 200, 350, 350, 100]);
  });

  test('what was with threads since before says nothing: neither that it is well nor that it is not', () => {
    const over = breakerOver();
    const [before, probe] = [over.laneOf(), over.laneOf()];
    over.halfOpen(probe);
    expect(over.breaker.onFailed(before, failure())).toBe(true);
    over.breaker.onCompleted(before, 5);
    expect([over.breaker.state, over.breaker.room]).toEqual(['half-open', 0]);
  });

  test.each<{ name: string; ends: (breaker: Breaker, probe: Lane) => void }>([
    { name: 'that is dropped or lost with its thread', ends: (breaker, probe) => breaker.onVoid(probe) },
    { name: 'that kills its thread', ends: (breaker, probe) => void breaker.onFailed(probe, failure('thread-lost')) },
    { name: 'that is undecodable', ends: (breaker, probe) => void breaker.onFailed(probe, failure('deserialize')) },
    { name: 'whose partition is gone', ends: (_, { partition }) => Object.assign(partition, { state: 'closed' }) },
  ])('a probe $name makes room for another, and its late outcome is void', ({ ends }) => {
    const over = breakerOver();
    const [probe, next] = [over.laneOf(), over.laneOf()];
    over.halfOpen(probe);
    ends(over.breaker, probe);
    expect([over.breaker.state, over.breaker.room]).toEqual(['half-open', 1]);
    over.breaker.onHandedOut(next);
    over.breaker.onFailed(probe, failure());
    over.breaker.onVoid(probe);
    expect([over.breaker.state, over.breaker.room]).toEqual(['half-open', 0]);
    over.breaker.onCompleted(next, 1);
    expect(over.breaker.state).toBe('closed');
  });
});

describe('Breaker, lanes set aside', () => {
  function withAside(count: number) {
    const over = breakerOver();
    const timers = new Map<Lane, { stop(): void }>();
    const partition = stubPartition({
      waiting: { add: (lane, timer) => void timers.set(lane, timer), end: (lane) => void timers.delete(lane) },
    });
    over.open();
    const lanes = Array.from({ length: count }, () => over.laneOf(partition));
    for (const lane of lanes) over.breaker.setAside(lane);
    return { ...over, lanes, timers };
  }

  test('take their turn as probes, the one that waits longest first, and all go on when it closes', () => {
    const { breaker, clock, lanes, timers, enqueued } = withAside(3);
    expect([lanes[0]?.state, timers.size, breaker.takeAside()]).toEqual(['waiting', 3, undefined]);
    pass(clock, 100);
    const probe = breaker.takeAside() as Lane;
    breaker.onHandedOut(probe);
    expect([probe === lanes[0], timers.size, breaker.takeAside()]).toEqual([true, 2, undefined]);
    breaker.onFailed(probe, failure());
    breaker.setAside(probe);
    pass(clock, 1_000);
    const next = breaker.takeAside() as Lane;
    expect(next).toBe(lanes[1]);
    breaker.onHandedOut(next);
    breaker.onCompleted(next, 1);
    expect([enqueued, timers.size]).toEqual([[lanes[2], lanes[0]], 0]);
  });

  test('are forgotten when their partition gives them up', () => {
    const { breaker, clock, lanes, timers, enqueued, laneOf } = withAside(2);
    timers.get(lanes[0] as Lane)?.stop();
    pass(clock, 100);
    expect(breaker.takeAside()).toBe(lanes[1]);
    const probe = laneOf();
    breaker.onHandedOut(probe);
    breaker.onCompleted(probe, 1);
    expect(enqueued).toEqual([]);
  });
});

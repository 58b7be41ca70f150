import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { stubLoad } from '../../sim/dispatching.ts';
import { partitionsAt as at, nameOf, type Outside, outcomeOf, recordOf, TestAssignment } from '../../sim/stations.ts';
import { KafkaError, type KeylaneError } from '../errors.ts';
import type { ClientRecord, OnConsumed, PartitionOffset } from './client.ts';
import { Dispatcher } from './dispatcher.ts';
import { guardWith } from './guard.ts';
import { Pauses } from './pauses.ts';
import { Poller } from './poller.ts';

/** A poller over an assignment; `log` is what the client was asked and what was taken in. */
class TestPoller {
  readonly log: string[] = [];
  readonly errors: KafkaError[] = [];
  readonly faults: KeylaneError[] = [];
  readonly over: TestAssignment;
  readonly poller: Poller;
  /** Of both threads. */
  readonly load: { slow: boolean } & ReturnType<typeof stubLoad> = { ...stubLoad(0), slow: false };
  /** The call under way. */
  #done: OnConsumed | undefined = undefined;

  constructor(outside: Outside = {}) {
    this.over = new TestAssignment({ ...outside, betweenPolls: (action) => this.poller.betweenPolls(action) });
    const { assignment, budget, clock } = this.over;
    const { load } = this;
    this.poller = new Poller({
      guard: guardWith((error) => void this.faults.push(error)),
      client: {
        consume: (recordsMax, done) => {
          this.log.push(`consume ${recordsMax}`);
          this.#done = done;
        },
      },
      clock,
      budget,
      pauses: new Pauses({ pause: () => undefined, resume: () => undefined }, budget, () => assignment.open()),
      assignment: {
        register: (record) => {
          this.log.push(`record ${nameOf(record)}`);
          return assignment.register(record);
        },
        onEnd: (end) => {
          this.log.push(`end ${nameOf(end)}`);
          assignment.onEnd(end);
        },
      },
      dispatcher: new Dispatcher(
        [0, 1].map((id) => ({ id, load, send: () => undefined })),
        { affinity: 'preferred' },
      ),
      onError: (error) => void this.errors.push(error),
    });
  }

  get underWay(): boolean {
    return this.#done !== undefined;
  }

  /** The call under way brings this. */
  bring(records: readonly ClientRecord[] = [], ends: readonly PartitionOffset[] = [], error?: KafkaError): void {
    const done = this.#done as OnConsumed;
    this.#done = undefined;
    done(error, records, ends);
  }

  takeLog(): string[] {
    return this.log.splice(0);
  }
}

/** One with t[0] and t[1], and a call under way. */
async function polling(outside?: Outside): Promise<TestPoller> {
  const over = new TestPoller(outside);
  await over.over.assign(0, 1);
  over.poller.start();
  over.takeLog();
  return over;
}

const recordsOf = (count: number) => Array.from({ length: count }, (_, offset) => recordOf({ offset }));

const end = (partition: number, offset: number) => ({ topic: 't', partition, offset });

describe('Poller', () => {
  test('the next call goes out before what the last one brought is taken in', async () => {
    const over = await polling();
    over.bring(recordsOf(100));
    expect(over.takeLog().slice(0, 2)).toEqual(['consume 100', 'record t[0]@0']);
    expect(over.takeLog()).toEqual([]);
  });

  test.each([
    { name: 'nothing came', records: 0, announced: false, asks: 0 },
    { name: 'nothing came, and more was announced meanwhile', records: 0, announced: true, asks: 1 },
    { name: 'fewer than asked for: there were no more', records: 99, announced: false, asks: 0 },
    { name: 'fewer than asked for, and more was announced meanwhile', records: 99, announced: true, asks: 1 },
    { name: 'all that were asked for', records: 100, announced: false, asks: 1 },
  ])('asks again $asks times where $name', async ({ records, announced, asks }) => {
    const over = await polling();
    if (announced) over.poller.poll();
    over.bring(recordsOf(records));
    expect(over.takeLog().filter((line) => line.startsWith('consume'))).toHaveLength(asks);
    expect(over.underWay).toBe(asks > 0);
  });

  test('while handlers are slow it takes few at a time, so that threads are fed in between', async () => {
    const over = await polling();
    over.load.slow = true;
    over.bring(recordsOf(100));
    expect(over.takeLog()[0]).toBe('consume 50');
    over.bring(recordsOf(50));
    expect(over.takeLog()[0]).toBe('consume 50');
    over.load.slow = false;
    over.bring(recordsOf(50));
    expect(over.takeLog()[0]).toBe('consume 100');
    over.load.slow = true;
    over.over.budget.records = 980;
    over.bring(recordsOf(0));
    over.poller.poll();
    expect(over.takeLog()).toEqual(['consume 20']);
  });

  test('outcomes have it ask only where there was no room', async () => {
    const over = await polling();
    over.bring();
    over.poller.onSettled();
    expect(over.underWay).toBe(false);
    over.over.budget.records = 1_000;
    over.poller.poll();
    over.poller.onSettled();
    expect(over.underWay).toBe(false);
    over.over.budget.records = 900;
    over.poller.onSettled();
    expect(over.underWay).toBe(true);
    over.poller.onSettled();
    over.bring();
    expect(over.takeLog()).toEqual(['consume 100']);
  });

  test('ends are taken after the records of their call', async () => {
    const over = await polling();
    over.bring([recordOf({ offset: 5 }), recordOf({ offset: 6, partition: 1 })], [end(0, 9), end(1, 7)]);
    const taken = over.takeLog().filter((line) => !line.startsWith('consume'));
    expect(taken).toEqual(['record t[0]@5', 'record t[1]@6', 'end t[0]@9', 'end t[1]@7']);
    expect([0, 1].map((partition) => over.over.find(partition).tracker.position)).toEqual([9, 7]);
    expect(over.over.budget.records).toBe(2);
  });

  test('ends without a record count as well, and an error is told', async () => {
    const over = await polling();
    const error = new KafkaError('ERR_KAFKA', 'timed out', { kafkaCode: -185 });
    over.bring([], [end(0, 9)], error);
    expect([over.over.uncommitted, over.errors]).toEqual(['t[0]@9', [error]]);
  });

  test('stops once the call under way is over, and asks no more', async () => {
    const over = await polling();
    const stopped = over.poller.stop();
    expect(await outcomeOf(stopped)).toBe('pending');
    over.bring([recordOf({ offset: 5 })]);
    expect([await outcomeOf(stopped), over.takeLog(), over.underWay]).toEqual([undefined, ['record t[0]@5'], false]);
    over.poller.poll();
    expect([over.underWay, over.over.clock.step()]).toEqual([false, false]);
  });
});

describe('Poller.betweenPolls', () => {
  test('with no call under way it is done at once', async () => {
    const over = await polling();
    over.bring();
    await over.poller.betweenPolls(() => void over.log.push('action'));
    expect(over.takeLog()).toEqual(['action', 'consume 100']);
  });

  test('no call begins until it is done, whatever announces records', async () => {
    const over = await polling();
    over.bring();
    let done = () => {};
    const action = over.poller.betweenPolls(() => new Promise<void>((resolve) => (done = resolve)));
    over.poller.poll();
    over.over.clock.step();
    expect([over.takeLog(), over.underWay]).toEqual([[], false]);
    done();
    await action;
    expect(over.takeLog()).toEqual(['consume 100']);
  });

  test('one that fails rejects with that and nothing else, and holds nothing up', async () => {
    const over = await polling();
    over.bring();
    const failure = new KafkaError('ERR_KAFKA', 'no', { kafkaCode: 1 });
    await expect(over.poller.betweenPolls(() => Promise.reject(failure))).rejects.toBe(failure);
    expect(over.takeLog()).toEqual([]);
    over.poller.poll();
    expect(over.takeLog()).toEqual(['consume 100']);
  });

  test.each([
    { name: 'records came', records: [recordOf({ offset: 5 })], ends: [end(0, 6)], announced: false },
    { name: 'only an end came', records: [], ends: [end(0, 6)], announced: false },
    { name: 'nothing came, but more was announced', records: [], ends: [], announced: true },
  ])('it waits for the call under way and all it brought; only then comes the next: $name', async (row) => {
    const over = await polling();
    const actions = ['first', 'second'].map((name) => over.poller.betweenPolls(() => void over.log.push(name)));
    if (row.announced) over.poller.poll();
    expect(over.takeLog()).toEqual([]);
    over.bring(row.records, row.ends);
    const brought = [
      ...row.records.map((one) => `record ${nameOf(one)}`),
      ...row.ends.map((one) => `end ${nameOf(one)}`),
    ];
    await Promise.all(actions);
    expect(over.takeLog()).toEqual([...brought, 'first', 'second', 'consume 100']);
    over.bring([recordOf({ offset: 7 })]);
    expect(over.takeLog().filter((line) => line === 'first')).toEqual([]);
  });

  test('it is done once the poller stopped as well', async () => {
    const over = await polling();
    const action = over.poller.betweenPolls(() => void over.log.push('action'));
    const stopped = over.poller.stop();
    over.bring();
    await Promise.all([stopped, action]);
    expect(over.takeLog()).toEqual(['action']);
  });
});

describe('Poller and Assignment', () => {
  const committed = (offset: number) => ({
    committed: async () => [{ topic: 't', partition: 0, offset, metadata: '' }],
  });

  test('what a call under way brings is of the assignment before, and only then the next one is answered', async () => {
    const { over, poller, ...rest } = await begin();
    over.assignment.onRevoked(at(0), true);
    over.assignment.onAssigned(at(0));
    await turn();
    expect(over.takeLog().filter((line) => line.startsWith('assign'))).toEqual([]);
    rest.bring([recordOf({ offset: 50 }), recordOf({ offset: 51 })]);
    await over.assignment.settled();
    expect(over.takeLog()).toContain('assign t[0]@6');
    expect([over.find(0).tracker.position, over.budget.records, over.uncommitted]).toEqual([6, 0, '']);
    // So what begins at the committed offset is not taken for delivered twice.
    poller.poll();
    rest.bring([recordOf({ offset: 6 })]);
    expect([over.find(0).tracker.position, over.budget.records, over.warnings]).toEqual([7, 1, []]);
  });

  test('so it is for one that was never taken away', async () => {
    const { over, bring } = await begin();
    const before = over.find(0);
    over.assignment.onAssigned(at(0));
    await turn();
    bring([recordOf({ offset: 6 })]);
    expect(before.tracker.position).toBe(7);
    await over.assignment.settled();
    expect([before.state, over.find(0).tracker.position, over.budget.records]).toEqual(['closed', 6, 0]);
  });

  test('with no call under way it is answered at once', async () => {
    const { over, bring } = await begin();
    bring();
    over.assignment.onAssigned(at(0, 1));
    await over.assignment.settled();
    expect(over.takeLog()).toContain('assign t[0]@6 t[1]');
  });

  // The rebalance before it never ends, and so does not the wait for all of them, which a close begins with.
  test('an answer that fails behind a call under way is a fault, and the next one is answered', async () => {
    const error = new KafkaError('ERR_KAFKA', 'erroneous state', { kafkaCode: -172 });
    let fails = true;
    const { over, bring, faults } = await begin(() => {
      if (fails) throw error;
    });
    over.assignment.onAssigned(at(0));
    await turn();
    bring();
    await turn();
    expect([...faults, ...over.faults]).toEqual([error]);
    fails = false;
    over.assignment.onAssigned(at(1));
    await turn();
    bring();
    expect(await outcomeOf(over.assignment.settled())).toBeUndefined();
  });

  /** t[0] and t[1] are ours, 6 is committed in t[0], and a call is under way. */
  async function begin(assign?: () => void) {
    let ready = false;
    const poller = await polling({ ...committed(6), assign: () => (ready ? assign?.() : undefined) });
    ready = true;
    expect(poller.underWay).toBe(true);
    return {
      over: poller.over,
      poller: poller.poller,
      bring: (records: readonly ClientRecord[] = []) => poller.bring(records),
      faults: poller.faults,
    };
  }
});

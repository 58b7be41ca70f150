import { getEventListeners, once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { type Call, type Fault, faultOf, StubWorld } from '../sim/stub-world.ts';
import { KafkaError } from './errors.ts';

const REST_MS = 15_000;
const FENCED = new KafkaError('ERR_KAFKA', 'fenced', { kafkaCode: -150, fatal: true });

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
afterEach(() => {
  expect(unhandled.splice(0)).toEqual([]);
  expect([process.listenerCount('SIGTERM'), process.listenerCount('SIGINT')]).toEqual([0, 0]);
});

/** Starts a consumer; `failure` is what the start rejects with. */
function startIn(world: StubWorld) {
  const aborter = new AbortController();
  const starting = world.start({ signal: aborter.signal, installSignalHandlers: true });
  return { aborter, failure: world.outcome(starting) };
}

function checkFreed(world: StubWorld, { signal }: AbortController): void {
  expect(world.calls.filter((call) => call === 'end' || call === 'disconnect')).toEqual(['end', 'disconnect']);
  expect([world.pendingTimers, getEventListeners(signal, 'abort')]).toEqual([0, []]);
}

const STEPS: readonly Call[] = ['start', 'connect', 'subscribe'];
const FAULTS: readonly Fault[] = ['throws', 'rejects'];

describe('a start that fails', () => {
  test.each([
    ...STEPS.flatMap((call) => FAULTS.map((fault) => ({ call, fault }))),
    { call: 'consume', fault: 'throws' },
  ])('$call $fault: rejects with that, and everything is freed', async ({ call, fault }) => {
    const world = new StubWorld();
    Object.assign(world.faults, { [call]: fault });
    const { aborter, failure } = startIn(world);
    expect(await failure).toEqual(faultOf(call as Call));
    checkFreed(world, aborter);
  });

  test.each<{ call: Call; fault: Fault }>(
    (['end', 'disconnect'] as const).flatMap((call) => [...FAULTS, 'hangs' as const].map((fault) => ({ call, fault }))),
  )('to free what was started fails too ($call $fault): rejects with the first cause, in time', async (row) => {
    const world = new StubWorld();
    world.faults.subscribe = 'rejects';
    world.faults[row.call] = row.fault;
    const warned = row.fault === 'hangs' ? once(process, 'warning') : undefined;
    const { aborter, failure } = startIn(world);
    expect(await failure).toEqual(faultOf('subscribe'));
    expect(world.clock.now()).toBeLessThanOrEqual(REST_MS);
    expect((await warned)?.[0]).toEqual(warned && expect.objectContaining({ code: 'ERR_CLOSE_TIMEOUT' }));
    checkFreed(world, aborter);
  });

  test.each(STEPS)('a fatal error while %s is under way: rejects with that', async (call) => {
    const world = new StubWorld();
    world.faults[call] = 'hangs';
    const { aborter, failure } = startIn(world);
    await world.pass(() => world.calls.includes(call));
    if (call === 'start') world.executor.listener?.onFatal(FENCED);
    else world.client.listener?.onError(FENCED);
    // What comes after the first changes nothing.
    world.executor.listener?.onFatal(new KafkaError('ERR_KAFKA', 'later', { kafkaCode: -1, fatal: true }));
    aborter.abort(new Error('later'));
    expect(await failure).toBe(FENCED);
    checkFreed(world, aborter);
  });

  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])(
    'a fatal error %i reactions after the last answer is not lost',
    async (count) => {
      const world = new StubWorld();
      const { promise, resolve } = withResolvers();
      world.client.subscribe = () => promise;
      const aborter = new AbortController();
      const starting = world.start({ signal: aborter.signal, installSignalHandlers: true });
      const closed = world.outcome(starting.then((consumer) => consumer.closed));
      await world.pass(() => world.client.listener !== undefined);
      resolve([]);
      for (let reaction = 0; reaction < count; reaction += 1) await undefined;
      world.client.listener?.onError(FENCED);
      expect(await closed).toBe(FENCED);
      checkFreed(world, aborter);
    },
  );
});

function withResolvers() {
  let resolve!: (missing: readonly string[]) => void;
  const promise = new Promise<readonly string[]>((onResolve) => (resolve = onResolve));
  return { promise, resolve };
}

describe('a signal', () => {
  test.each(STEPS)('that aborts while %s is under way: the start rejects with its reason', async (call) => {
    const world = new StubWorld();
    world.faults[call] = 'hangs';
    const { aborter, failure } = startIn(world);
    await world.pass(() => world.calls.includes(call));
    const reason = new Error('not any more');
    aborter.abort(reason);
    expect(await failure).toBe(reason);
    checkFreed(world, aborter);
  });

  test('that aborts later closes, and is let go', async () => {
    const world = new StubWorld();
    const aborter = new AbortController();
    const consumer = await world.running({ signal: aborter.signal, installSignalHandlers: true });
    expect([process.listenerCount('SIGTERM'), process.listenerCount('SIGINT')]).toEqual([1, 1]);
    aborter.abort();
    expect(await world.outcome(consumer.closed)).toBeUndefined();
    checkFreed(world, aborter);
  });

  test('that never aborts is let go by a close', async () => {
    const world = new StubWorld();
    const aborter = new AbortController();
    const consumer = await world.running({ signal: aborter.signal, installSignalHandlers: true });
    await world.outcome(consumer.close());
    checkFreed(world, aborter);
  });
});

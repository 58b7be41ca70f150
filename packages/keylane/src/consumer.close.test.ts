import { afterEach, describe, expect, test } from 'vitest';
import { type Call, type Fault, faultOf, StubWorld } from '../sim/stub-world.ts';
import type { RunningConsumer } from './consumer.ts';
import { InvariantError, KafkaError, type KeylaneError } from './errors.ts';
import type { ConsumerEvents } from './events.ts';
import type { ConsumerOptions } from './options.ts';

/** What a close may take beyond its drain. */
const REST_MS = 15_000;
const DRAIN_MS = 20_000;
const FENCED = new KafkaError('ERR_KAFKA', 'fenced', { kafkaCode: -150, fatal: true });

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
afterEach(() => {
  expect(unhandled.splice(0)).toEqual([]);
  expect([process.listenerCount('SIGTERM'), process.listenerCount('SIGINT')]).toEqual([0, 0]);
});

/** A consumer in a stub world, and what it told. */
async function runningIn(world: StubWorld, options: Partial<ConsumerOptions> = {}) {
  const consumer = await world.running({ installSignalHandlers: true, drainTimeoutMs: DRAIN_MS, ...options });
  const warnings: string[] = [];
  consumer.on('warning', ({ code }) => void warnings.push(code));
  return { consumer, warnings };
}

/** Closes it; how long that took, and what `closed` came to. */
async function closeOf(world: StubWorld, consumer: RunningConsumer) {
  const since = world.clock.now();
  const closed = consumer.closed.catch((error: KeylaneError) => error);
  expect(await world.outcome(consumer.close())).toBeUndefined();
  return { tookMs: world.clock.now() - since, cause: await closed };
}

function checkFreed(world: StubWorld, { pipeline: { budget, assignment } }: RunningConsumer): void {
  expect(world.calls.filter((call) => call === 'end' || call === 'disconnect')).toEqual(['end', 'disconnect']);
  expect([budget.records, budget.bytes, assignment.open(), world.pendingTimers]).toEqual([0, 0, [], 0]);
}

interface Row {
  readonly call: Call;
  readonly fault: Fault;
  /** What `closed` rejects with is what this call threw. */
  readonly fails: boolean;
  readonly warnings?: readonly string[];
}

describe('a close, each step of which may fail', () => {
  test.each<Row>([
    { call: 'pause', fault: 'throws', fails: true },
    { call: 'commit', fault: 'throws', fails: true },
    { call: 'commit', fault: 'hangs', fails: false },
    { call: 'end', fault: 'throws', fails: true },
    { call: 'end', fault: 'rejects', fails: true },
    { call: 'end', fault: 'hangs', fails: false, warnings: ['ERR_CLOSE_TIMEOUT'] },
    { call: 'consume', fault: 'throws', fails: true },
    { call: 'consume', fault: 'hangs', fails: false, warnings: ['ERR_CLOSE_TIMEOUT'] },
    { call: 'disconnect', fault: 'throws', fails: true },
    { call: 'disconnect', fault: 'rejects', fails: true },
    { call: 'disconnect', fault: 'hangs', fails: false, warnings: ['ERR_CLOSE_TIMEOUT'] },
  ])('$call $fault: the others are made, and all of it in time', async ({ call, fault, fails, warnings = [] }) => {
    const world = new StubWorld();
    const { consumer, warnings: told } = await runningIn(world);
    await world.consume(0, 1, 2);
    world.faults[call] = fault;
    const closed = closeOf(world, consumer);
    world.client.listener?.onRecordsAvailable();
    const { tookMs, cause } = await closed;
    expect(tookMs).toBeLessThanOrEqual(DRAIN_MS + REST_MS);
    expect([cause, consumer.state]).toEqual(fails ? [faultOf(call), 'failed'] : [undefined, 'closed']);
    expect(told).toEqual(warnings);
    checkFreed(world, consumer);
  });

  test('everything hangs, the handlers too: no longer than the drain and 15 s', async () => {
    const world = new StubWorld();
    const { consumer, warnings } = await runningIn(world);
    world.faults.send = 'hangs';
    await world.consume(0, 1, 2);
    for (const call of ['commit', 'end', 'consume', 'disconnect'] as const) world.faults[call] = 'hangs';
    const { tookMs, cause } = await closeOf(world, consumer);
    expect([cause, consumer.state]).toEqual([undefined, 'closed']);
    expect(tookMs).toBeLessThanOrEqual(DRAIN_MS + REST_MS);
    expect(warnings).toEqual(['ERR_DRAIN_TIMEOUT', ...Array(3).fill('ERR_CLOSE_TIMEOUT')]);
    checkFreed(world, consumer);
  });

  test('a step throws and then the client does, amid the drain: it fails with the first', async () => {
    const world = new StubWorld();
    const { consumer } = await runningIn(world);
    world.faults.send = 'hangs';
    await world.consume(0, 1, 2);
    for (const call of ['pause', 'consume'] as const) world.faults[call] = 'throws';
    const { cause } = await closeOf(world, consumer);
    expect(world.calls.indexOf('pause')).toBeLessThan(world.calls.lastIndexOf('consume'));
    expect([cause, consumer.state]).toEqual([faultOf('pause'), 'failed']);
    checkFreed(world, consumer);
  });

  test('everything throws: it fails with the first, and every step was tried', async () => {
    const world = new StubWorld();
    const { consumer } = await runningIn(world);
    await world.consume(0, 1, 2);
    for (const call of ['pause', 'commit', 'end', 'disconnect'] as const) world.faults[call] = 'throws';
    const { cause } = await closeOf(world, consumer);
    expect(cause).toEqual(faultOf('pause'));
    expect(world.calls.filter((call) => call in world.faults)).toEqual(['pause', 'commit', 'end', 'disconnect']);
    checkFreed(world, consumer);
  });

  test('a rebalance under way has the time of the drain, not one of its own', async () => {
    const world = new StubWorld();
    const { consumer, warnings } = await runningIn(world);
    world.faults.send = 'hangs';
    await world.consume(0);
    world.client.listener?.onRevoked([{ topic: 't', partition: 0 }], false);
    await world.pass(() => consumer.state === 'rebalancing');
    const since = world.clock.now();
    const closed = world.outcome(consumer.close({ drainTimeoutMs: 100 }));
    await closed;
    expect(world.clock.now() - since).toBeLessThanOrEqual(100 + REST_MS);
    expect([world.calls.includes('unassign'), warnings]).toEqual([true, ['ERR_DRAIN_TIMEOUT']]);
    checkFreed(world, consumer);
  });

  test('an assignment whose committed offsets never come does not keep it', async () => {
    const world = new StubWorld();
    const { consumer, warnings } = await runningIn(world);
    world.faults.committed = 'hangs';
    world.client.listener?.onAssigned([{ topic: 't', partition: 1 }]);
    await world.pass(() => consumer.state === 'rebalancing');
    const { tookMs, cause } = await closeOf(world, consumer);
    expect([cause, warnings]).toEqual([undefined, ['ERR_CLOSE_TIMEOUT']]);
    expect(tookMs).toBeLessThanOrEqual(DRAIN_MS + REST_MS);
    checkFreed(world, consumer);
  });
});

describe('a consumer whose client throws fails, and frees everything', () => {
  test.each<{ call: Call; act: (world: StubWorld, consumer: RunningConsumer) => void }>([
    { call: 'commit', act: (world) => world.client.listener?.onRevoked([{ topic: 't', partition: 0 }], false) },
    { call: 'unassign', act: (world) => world.client.listener?.onRevoked([{ topic: 't', partition: 0 }], false) },
    { call: 'assign', act: (world) => world.client.listener?.onAssigned([{ topic: 't', partition: 1 }]) },
    { call: 'consume', act: (world) => world.client.listener?.onRecordsAvailable() },
  ])('$call', async ({ call, act }) => {
    const world = new StubWorld();
    const { consumer } = await runningIn(world);
    await world.consume(0, 1, 2);
    world.faults[call] = 'throws';
    act(world, consumer);
    expect(await world.outcome(consumer.closed)).toEqual(faultOf(call));
    expect(consumer.state).toBe('failed');
    checkFreed(world, consumer);
  });
});

describe('a fatal error while it closes', () => {
  test('is what it fails with', async () => {
    const world = new StubWorld();
    const { consumer } = await runningIn(world);
    await world.consume(0, 1, 2);
    world.faults.commit = 'hangs';
    void consumer.close();
    await world.pass(() => world.calls.includes('commit'));
    world.client.listener?.onError(FENCED);
    expect(await world.outcome(consumer.closed)).toBe(FENCED);
    checkFreed(world, consumer);
  });

  test('a fault of ours: nothing is committed any more', async () => {
    const world = new StubWorld();
    const { consumer } = await runningIn(world);
    world.faults.send = 'hangs';
    await world.consume(0, 1, 2);
    void consumer.close();
    await world.pass(() => world.calls.includes('pause'));
    const nobodys = { inFlight: 1, partition: undefined } as never;
    world.executor.listener?.onCompleted(nobodys, 1);
    expect(await world.outcome(consumer.closed)).toBeInstanceOf(InvariantError);
    expect(world.calls).not.toContain('commit');
    checkFreed(world, consumer);
  });
});

describe('close() from within a listener', () => {
  const told: string[] = [];
  async function scene() {
    told.length = 0;
    const world = new StubWorld();
    const { consumer } = await runningIn(world);
    return { world, consumer };
  }
  const tell = ({ from, to }: ConsumerEvents['state']) => void told.push(`${from} ${to}`);
  const revoked = ['running rebalancing', 'rebalancing draining', 'draining closed'];

  test.each<{ on: string; says: readonly string[] }>([
    { on: 'rebalancing', says: revoked },
    { on: 'running', says: ['running rebalancing', 'rebalancing running', 'running draining', 'draining closed'] },
    { on: 'draining', says: ['running rebalancing', 'rebalancing running', 'running draining', 'draining closed'] },
    { on: 'closed', says: ['running rebalancing', 'rebalancing running', 'running draining', 'draining closed'] },
  ])("'state' to $on: it closes once, and everybody hears all of it in order", async ({ on, says }) => {
    const { world, consumer } = await scene();
    const closes: Promise<void>[] = [];
    consumer.on('state', ({ to }) => {
      if (to === on) closes.push(consumer.close());
    });
    consumer.on('state', tell);
    world.client.listener?.onRevoked([{ topic: 't', partition: 0 }], false);
    await world.pass(() => world.calls.includes('unassign'));
    if (consumer.state === 'running') void consumer.close();
    expect(await world.outcome(consumer.closed)).toBeUndefined();
    expect(await world.outcome(Promise.all(closes))).toBeUndefined();
    expect([closes.length, told]).toEqual([1, says]);
    checkFreed(world, consumer);
  });

  test("'warning'", async () => {
    const { world, consumer } = await scene();
    consumer.on('warning', () => void consumer.close());
    world.client.listener?.onError(new KafkaError('ERR_KAFKA', 'away', { kafkaCode: -195 }));
    expect(await world.outcome(consumer.closed)).toBeUndefined();
    checkFreed(world, consumer);
  });

  test("'warning' of the close itself", async () => {
    const { world, consumer } = await scene();
    const closes: Promise<void>[] = [];
    consumer.on('warning', () => void closes.push(consumer.close()));
    world.faults.disconnect = 'hangs';
    expect(await world.outcome(consumer.close())).toBeUndefined();
    expect([closes.length, await world.outcome(Promise.all(closes))]).toEqual([1, undefined]);
  });
});

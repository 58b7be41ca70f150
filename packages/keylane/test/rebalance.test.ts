/**
 * Several instances of one group, coming and going, under every group protocol there is. Real broker only: the
 * embedded one keeps no commits of a classic revoke.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Consumer, type ConsumerOptions, type KeylaneError, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { Random } from '../sim/random.ts';
import { baseOptions, brokers, isCommittedToEnd, uniqueName, until, useBroker } from './support.ts';

const PROTOCOLS = {
  eager: { 'partition.assignment.strategy': 'range', 'session.timeout.ms': 6_000 },
  'cooperative-sticky': { 'partition.assignment.strategy': 'cooperative-sticky', 'session.timeout.ms': 6_000 },
  consumer: { 'group.protocol': 'consumer' },
} as const;

/** How often each record ran to its end, and whether its key's order held, over all instances. */
class Ledger {
  readonly runs: Map<string, number> = new Map();
  readonly disorder: string[] = [];
  readonly #last: Map<string, number> = new Map();
  readonly #running: Set<string> = new Set();

  get completed(): number {
    return this.runs.size;
  }

  get twice(): string[] {
    return [...this.runs].filter(([, count]) => count > 1).map(([name]) => name);
  }

  start(lane: string, offset: number): void {
    if (this.#running.has(lane)) this.disorder.push(`${lane}@${offset} started while another one ran`);
    this.#running.add(lane);
    const last = this.#last.get(lane) ?? -1;
    if (offset < last && !this.runs.has(`${lane}@${offset}`)) this.disorder.push(`${lane}@${offset} after ${last}`);
  }

  end(lane: string, offset: number): void {
    this.#running.delete(lane);
    this.#last.set(lane, Math.max(offset, this.#last.get(lane) ?? -1));
    this.runs.set(`${lane}@${offset}`, (this.runs.get(`${lane}@${offset}`) ?? 0) + 1);
  }
}

describe.runIf(brokers.includes('real')).each(Object.entries(PROTOCOLS))('rebalances, protocol %s', (_, protocol) => {
  const broker = useBroker('real');

  async function scene(partitions: number, records: number, keys: number) {
    const topic = await broker.topic(partitions);
    const group = uniqueName('g');
    const ledger = new Ledger();
    await broker.cluster.produce(
      Array.from({ length: records }, (_, index) => ({ topic, key: `k${index % keys}`, value: `${index}` })),
    );
    const join = (workMs: (offset: number) => number, options: Partial<ConsumerOptions> = {}, kafka = {}) =>
      startConsumer({
        ...baseOptions(broker, group, { ...protocol, ...kafka }),
        topics: [topic],
        commitIntervalMs: 100,
        handler: async ({ partition, key, offset }) => {
          const lane = `${partition}/${key}`;
          ledger.start(lane, offset);
          await sleep(workMs(offset));
          ledger.end(lane, offset);
        },
        ...options,
      });
    const committed = () => isCommittedToEnd(broker.cluster, group, topic);
    return { topic, group, ledger, join, committed };
  }

  test('what the client had fetched up to the end, and throws away while a rebalance is held up, comes again', async () => {
    const records = 30_000;
    const { ledger, join, committed } = await scene(2, records, 500);
    let hangs = true;
    const work = (offset: number) => (hangs && offset === 100 ? 4_000 : 5);
    const options = { bufferedRecordsMax: 100, drainTimeoutMs: 10_000 };
    const one = await join(work, options, { 'queued.min.messages': 100_000 });
    await until(() => ledger.completed > 200, one);
    const other = await join(work, options);
    hangs = false;
    await until(() => ledger.completed === records, one);
    await until(committed, one);
    await Promise.all([one.close(), other.close()]);
    expect(ledger.disorder).toEqual([]);
  });

  test('a rolling deploy runs no record twice', async () => {
    const { ledger, join, committed } = await scene(8, 4_000, 200);
    const random = new Random(1);
    const work = () => 1 + random.next() * 20;
    const old = [await join(work), await join(work)];
    await until(() => ledger.completed > 500, old[0]);
    const next: Consumer[] = [];
    for (const one of old) {
      next.push(await join(work));
      await one.close();
    }
    await until(committed, next[0]);
    for (const one of next) await one.close();
    expect(ledger.completed).toBe(4_000);
    expect(ledger.twice).toEqual([]);
    expect(ledger.disorder).toEqual([]);
  });

  test('MultiInstanceRebalance: instances toggled every 0 to 500 ms, every key, none twice', async () => {
    const { ledger, join, committed } = await scene(4, 1_000, 1_000);
    const random = new Random(42);
    const live: Consumer[] = [await join(() => 150)];
    const monkey = async () => {
      for (let round = 0; round < 8; round += 1) {
        await sleep(random.next() * 500);
        if (live.length < 3 && (live.length === 1 || random.chance(0.5))) live.push(await join(() => 150));
        else await live.splice(random.int(0, live.length - 1), 1)[0]?.close();
      }
    };
    await monkey();
    await until(committed, live[0]);
    for (const one of live) await one.close();
    expect(ledger.completed).toBe(1_000);
    expect(ledger.twice).toEqual([]);
    expect(ledger.disorder).toEqual([]);
  });

  test('RebalanceTest: without a commit in between, whoever comes second gets nothing again', async () => {
    const { ledger, join } = await scene(2, 20, 20);
    const first = await join(() => 0, { commitIntervalMs: 86_400_000 });
    await until(() => ledger.completed === 20, first);
    const second = await join(() => 0, { commitIntervalMs: 86_400_000 });
    await until(() => second.snapshot().partitions.length === 1 && first.snapshot().partitions.length === 1, second);
    await first.close();
    await until(() => second.snapshot().partitions.length === 2, second);
    await until(() => second.snapshot().partitions.every(({ lag }) => lag === 0), second);
    await second.close();
    expect(ledger.twice).toEqual([]);
  });

  test('a handler longer than the drain runs again elsewhere, and nothing else does', async () => {
    const { ledger, join, committed } = await scene(2, 200, 100);
    const warnings: KeylaneError[] = [];
    const slow = 0;
    let runsOfSlow = 0;
    // The first record of each partition takes longer than the drain waits for it.
    const work = (offset: number) => {
      if (offset !== slow) return 1;
      runsOfSlow += 1;
      return runsOfSlow <= 2 ? 4_000 : 1;
    };
    const first = await join(work, { drainTimeoutMs: 500 });
    first.on('warning', (warning) => void warnings.push(warning));
    // The slow ones, and of each one's key the record behind it, are left.
    await until(() => ledger.completed === 196, first);
    await first.close();
    expect(warnings.map(({ code }) => code)).toEqual(['ERR_DRAIN_TIMEOUT']);
    const second = await join(() => 1);
    await until(committed, second);
    await sleep(4_000);
    await second.close();
    expect(ledger.completed).toBe(200);
    expect(ledger.twice.length).toBeLessThanOrEqual(2);
    expect(ledger.twice.every((name) => name.endsWith('@0'))).toBe(true);
  });

  test('handlers slower than max.poll.interval.ms cause no rebalance', async () => {
    const { ledger, join, committed } = await scene(2, 4, 4);
    const consumer = await join(() => 9_000, {}, { 'max.poll.interval.ms': 6_000 });
    const seen: string[] = [];
    for (const name of ['assigned', 'revoked', 'lost'] as const) consumer.on(name, () => void seen.push(name));
    await until(committed, consumer);
    await consumer.close();
    expect(ledger.twice).toEqual([]);
    // Whatever came at the start, nothing was taken away before the close gave it back.
    expect(seen.filter((name) => name === 'lost')).toEqual([]);
    expect(seen.filter((name) => name === 'revoked').length).toBeLessThanOrEqual(1);
  });
});

describe.runIf(brokers.includes('real'))('static membership', () => {
  const broker = useBroker('real');

  test('a restart within the session time-out goes on with its partitions, and others notice nothing', async () => {
    const topic = await broker.topic(4);
    const group = uniqueName('g');
    const ran: number[] = [];
    const records = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ topic, key: `k${index}`, value: `${index}` }));
    await broker.cluster.produce(records(400));
    const join = (id: string, fails: boolean) =>
      startConsumer({
        ...baseOptions(broker, group, { 'group.instance.id': id, 'session.timeout.ms': 45_000 }),
        topics: [topic],
        commitIntervalMs: 50,
        retry: { attemptsMax: 1_000_000, delayMs: 100 },
        handler: ({ offset }) => {
          if (fails && offset === 0) throw new TypeError('not yet');
          ran.push(offset);
        },
      });
    const stays = await join('stays', true);
    const restarts = await join('restarts', true);
    await until(() => ran.length === 396 && restarts.snapshot().partitions.length === 2, restarts);
    const mine = restarts.snapshot().partitions.map(({ partition }) => partition);
    const noticed: string[] = [];
    for (const name of ['revoked', 'lost'] as const) stays.on(name, () => void noticed.push(name));
    await restarts.close();
    const again = await join('restarts', false);
    await until(() => ran.length === 398, again);
    expect(again.snapshot().partitions.map(({ partition }) => partition)).toEqual(mine);
    // Only the two records that failed before: the offset maps came with the partitions.
    expect(ran.slice(396)).toEqual([0, 0]);
    expect(noticed).toEqual([]);
    await again.close();
    await stays.close();
  });

  test('an event loop blocked beyond max.poll.interval.ms loses its partitions, and no record', async () => {
    const topic = await broker.topic(2);
    const group = uniqueName('g');
    const done = new Set<string>();
    await broker.cluster.produce(Array.from({ length: 500 }, (_, index) => ({ topic, key: `k${index}`, value: 'v' })));
    const consumer = await startConsumer({
      ...baseOptions(broker, group, { 'max.poll.interval.ms': 6_000, 'session.timeout.ms': 6_000 }),
      topics: [topic],
      handler: async ({ partition, offset }) => {
        await sleep(20);
        done.add(`${partition}@${offset}`);
      },
    });
    let lost = 0;
    consumer.on('lost', () => (lost += 1));
    consumer.on('warning', () => undefined);
    await until(() => done.size > 50, consumer);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8_000);
    await until(() => lost > 0, consumer);
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    await consumer.close();
    expect(done.size).toBe(500);
  });
});

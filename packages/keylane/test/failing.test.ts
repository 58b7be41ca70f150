/**
 * Many records fail: what the healthy keys pay for it, and what a process leaves that is killed meanwhile.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Consumer, type ConsumerOptions, NonRetryableError, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import {
  baseOptions,
  brokers,
  hear,
  isCommittedToEnd,
  readTopic,
  textHeaders,
  uniqueName,
  until,
  useBroker,
} from './support.ts';

const KEYS = 1_000;
const RECORDS = 2 * KEYS;
const HEALTHY = RECORDS / 2;
const CONCURRENCY = 14;
const WORK_MS = 100;

/** How much of the handler slots' time healthy records had, from the first one's start to the last one's end. */
class Occupancy {
  completed = 0;
  #busyMs = 0;
  #since: number | undefined = undefined;

  async run(): Promise<void> {
    const start = performance.now();
    this.#since ??= start;
    await new Promise((resolve) => setTimeout(resolve, WORK_MS));
    this.#busyMs += performance.now() - start;
    this.completed += 1;
  }

  get share(): number {
    return this.#busyMs / (CONCURRENCY * (performance.now() - (this.#since as number)));
  }
}

describe.each(brokers)('half of all records fail, over 1,000 keys (%s broker)', (kind) => {
  const broker = useBroker(kind);

  const isPoison = (key: Buffer | null) => Number(key) % 2 === 1;

  /** Handles records until all healthy ones completed; resolves with the share of the slots' time they had. */
  async function share(topic: string, options: Partial<ConsumerOptions>, after: (consumer: Consumer) => Promise<void>) {
    const occupancy = new Occupancy();
    await using consumer = await startConsumer({
      ...baseOptions(broker, uniqueName('g')),
      topics: [topic],
      handler: ({ key }) => {
        if (isPoison(key)) throw new TypeError('cannot be done');
        return occupancy.run();
      },
      concurrencyPerThread: CONCURRENCY,
      // Less than what waits behind the failing keys: if that counted, nothing more would come.
      bufferedRecordsMax: KEYS / 2,
      retry: { waitingRecordsMax: RECORDS },
      ...options,
    });
    const heard = hear(consumer);
    await until(() => occupancy.completed === HEALTHY, consumer);
    const { share } = occupancy;
    await after(consumer);
    return { share, heard };
  }

  async function produce(keys: readonly number[]): Promise<string> {
    const topic = await broker.topic(20);
    const rounds = Array.from({ length: RECORDS / KEYS }, () => keys).flat();
    await broker.cluster.produce(rounds.map((key, index) => ({ topic, key: `${key}`, value: `${index}` })));
    return topic;
  }

  test('the healthy keys keep 90 % of what they have alone, with retries for ever and with dead letters', async () => {
    const keys = Array.from({ length: KEYS }, (_, index) => index);
    const [healthy, mixed] = [await produce(keys.filter((key) => key % 2 === 0)), await produce(keys)];
    // Each beside the same without failures: what slows this process slows both, so only what takes slots is seen.
    const alone = () => share(healthy, {}, async () => undefined);

    const retry = { attemptsMax: 1_000_000, delayMs: 200, waitingRecordsMax: RECORDS };
    const retrying = share(mixed, { retry }, async (consumer) => {
      const { buffered, partitions, retried } = consumer.snapshot();
      expect(retried).toBeGreaterThan(KEYS / 2);
      // Every failing key waits, its second record behind the first.
      await until(() => consumer.snapshot().partitions.reduce((sum, one) => sum + one.retrying, 0) === KEYS / 2);
      expect(buffered.records).toBe(RECORDS - HEALTHY);
      expect(partitions.some(({ paused }) => paused)).toBe(false);
    });
    const [retried, aloneThen] = await Promise.all([retrying, alone()]);
    expect(retried.heard.warning).toEqual([]);

    const group = uniqueName('g');
    const letters = await broker.topic(20);
    const deadLetter = { topic: letters, shareMax: 1, consecutiveMax: RECORDS };
    const options = { ...baseOptions(broker, group), retry: { attemptsMax: 2, delayMs: 200 }, deadLetter };
    const burying = share(mixed, options, async (consumer) => {
      await until(() => isCommittedToEnd(broker.cluster, group, mixed), consumer);
      expect(consumer.snapshot()).toMatchObject({ deadLettered: HEALTHY, buffered: { records: 0, waiting: 0 } });
    });
    const [buried, aloneNow] = await Promise.all([burying, alone()]);
    const buriedOffsets = buried.heard['dead-letter'].map(({ error }) => `${error.partition}@${error.offset}`);
    expect(new Set(buriedOffsets).size).toBe(RECORDS - HEALTHY);
    expect(buried.heard.retry.length).toBe(RECORDS - HEALTHY);

    expect(retried.share).toBeGreaterThan(aloneThen.share * 0.9);
    expect(buried.share).toBeGreaterThan(aloneNow.share * 0.9);
  });

  test('a burst of poison records: each has exactly its attempts and one dead letter', async () => {
    const topic = await broker.topic(4);
    const group = uniqueName('g');
    const poison = Array.from({ length: 40 }, (_, index) => ({ topic, partition: 1, key: `k${index}`, value: 'p' }));
    await broker.cluster.produce(poison);
    const letters = await broker.topic(4);
    const runs = new Map<number, number>();
    await using consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      handler: ({ offset }) => {
        runs.set(offset, (runs.get(offset) ?? 0) + 1);
        if (offset % 4 === 0) throw new NonRetryableError('never');
        throw new Error('perhaps');
      },
      retry: { attemptsMax: 3, delayMs: 5 },
      deadLetter: { topic: letters },
    });
    const heard = hear(consumer);
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    const attempts = poison.map((_, offset) => (offset % 4 === 0 ? 1 : 3));
    expect(poison.map((_, offset) => runs.get(offset))).toEqual(attempts);
    const letterOf = new Map(heard['dead-letter'].map(({ error }) => [error.offset, error.attempt]));
    expect(poison.map((_, offset) => letterOf.get(offset))).toEqual(attempts);
    expect(heard['dead-letter'].length).toBe(poison.length);
  });
});

describe('kill -9 between a dead letter and its commit', () => {
  const broker = useBroker('embedded');
  const RECORDS = 3_000;

  function startApp(at: { topic: string; group: string; letters: string }) {
    // Under the newer protocol the embedded broker would wait much longer for the dead member.
    const classic = { 'group.protocol': 'classic', 'session.timeout.ms': 6_000 };
    const { kafka } = baseOptions(broker, at.group, classic);
    const file = fileURLToPath(new URL('./apps/failing.mjs', import.meta.url));
    const child = spawn(process.execPath, [file, JSON.stringify({ ...at, kafka })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    const count = (what: string) => lines.filter((line) => line.startsWith(what)).length;
    return { child, lines, count, exited: once(child, 'exit') };
  }

  test('every exhausted record is in the dead-letter topic, at most once for each process', async () => {
    const at = { topic: await broker.topic(), letters: await broker.topic(), group: uniqueName('g') };
    const produced = await broker.cluster.produce(
      Array.from({ length: RECORDS }, (_, index) => ({ topic: at.topic, key: `k${index}`, value: `${index}` })),
    );
    const wanted = produced
      .filter(({ offset }) => offset % 3 === 1)
      .map(({ partition, offset }) => `${partition}@${offset}`);
    const first = startApp(at);
    await until(() => first.count('dead') >= 50);
    first.child.kill('SIGKILL');
    await first.exited;
    expect(first.count('dead')).toBeLessThan(wanted.length);
    expect(await broker.cluster.committedOffsets(at.group, at.topic)).toEqual([-1, -1, -1, -1]);

    const second = startApp(at);
    await until(() => second.count('dead') === wanted.length && second.count('completed') === RECORDS - wanted.length);
    second.child.kill('SIGTERM');
    await second.exited;
    expect(await isCommittedToEnd(broker.cluster, at.group, at.topic)).toBe(true);
    const times = new Map<string, number>();
    for (const letter of await readTopic(broker, at.letters)) {
      const said = textHeaders(letter);
      const origin = `${said['keylane_origin-partition']}@${said['keylane_origin-offset']}`;
      times.set(origin, (times.get(origin) ?? 0) + 1);
    }
    expect([...times.keys()].sort()).toEqual(wanted.sort());
    expect(Math.max(...times.values())).toBeLessThanOrEqual(2);
    // What the first one told to be dead was in the topic by then.
    for (const line of first.lines.filter((line) => line.startsWith('dead'))) {
      expect(times.get(line.slice('dead '.length))).toBe(2);
    }
  });
});

describe.runIf(brokers.includes('real'))('instances that come and go while half of all records fail', () => {
  const broker = useBroker('real');
  const RECORDS = 2_000;

  test('what completed or left is committed before its partition is given back: none of it runs again', async () => {
    const [topic, letters, group] = [await broker.topic(6), await broker.topic(6), uniqueName('g')];
    await broker.cluster.produce(
      Array.from({ length: RECORDS }, (_, index) => ({ topic, key: `k${index}`, value: `${index}` })),
    );
    const [runs, done, again] = [new Set<string>(), new Set<string>(), [] as string[]];
    const join = async () => {
      const consumer = await startConsumer({
        ...baseOptions(broker, group, { 'partition.assignment.strategy': 'cooperative-sticky' }),
        topics: [topic],
        handler: async ({ partition, offset, value }) => {
          const name = `${partition}@${offset}`;
          if (done.has(name)) again.push(name);
          runs.add(name);
          await new Promise((resolve) => setTimeout(resolve, 20));
          if (Number(value) % 2 === 1) throw new NonRetryableError('never');
          done.add(name);
        },
        concurrencyPerThread: 4,
        commitIntervalMs: 100,
        deadLetter: { topic: letters, shareMax: 1, consecutiveMax: RECORDS },
      });
      // One that fails while its partition drains has not left: it may run again, and leaves there.
      consumer.on('dead-letter', ({ error: { partition, offset } }) => void done.add(`${partition}@${offset}`));
      return consumer;
    };
    const members = [await join()];
    for (let round = 1; round <= 4; round += 1) {
      await until(() => runs.size > (round * RECORDS) / 8, members[0]);
      members.push(await join());
      await until(() => members.every((one) => one.snapshot().partitions.length > 0), members.at(-1));
      if (round % 2 === 0) await members.shift()?.close();
    }
    await until(() => isCommittedToEnd(broker.cluster, group, topic), members[0]);
    for (const member of members) await member.close();
    expect(runs.size).toBe(RECORDS);
    expect(again).toEqual([]);
    const buried = (await readTopic(broker, letters)).map(({ value }) => Number(value)).sort((a, b) => a - b);
    expect(buried).toEqual(Array.from({ length: RECORDS / 2 }, (_, index) => index * 2 + 1));
  });
});

/**
 * A downstream that is away for a while: the breaker stops the hand-out, the group keeps its member, and no record
 * loses its attempts to it.
 */
import { type ConsumerEvents, type ConsumerSnapshot, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, isCommittedToEnd, uniqueName, until, useBroker } from './support.ts';

const RECORDS = 400;

describe.each(brokers)('a breaker on the %s broker', (kind) => {
  const broker = useBroker(kind);

  test('holds while the downstream is away: attempts stay, partitions stay, everything completes', async () => {
    const [topic, group] = [await broker.topic(4), uniqueName('g')];
    await broker.cluster.produce(
      Array.from({ length: RECORDS }, (_, index) => ({ topic, key: `k${index % 50}`, value: `${index}` })),
    );
    let [isDown, whileDown, attemptMax] = [false, 0, 0];
    const completed = new Set<string>();
    const breaker: ConsumerEvents['breaker'][] = [];
    const openings = () => breaker.filter(({ to }) => to === 'open').length;
    const seen: ConsumerSnapshot['breaker'][] = [];
    const revoked: unknown[] = [];
    await using consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      concurrencyPerThread: 8,
      commitIntervalMs: 100,
      retry: { attemptsMax: 4, delayMs: 20 },
      breaker: { recordsMin: 5, failureShareMax: 0.05, windowMs: 200, openMs: 100, openMsMax: 200 },
      handler: async ({ partition, offset }, { attempt }) => {
        attemptMax = Math.max(attemptMax, attempt);
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (completed.size >= RECORDS / 4 && openings() < 6) isDown = true;
        if (isDown) {
          whileDown += 1;
          throw new Error('the downstream is away');
        }
        completed.add(`${partition}@${offset}`);
      },
    });
    consumer.on('revoked', (event) => void revoked.push(event));
    consumer.on('lost', (event) => void revoked.push(event));
    consumer.on('breaker', (event) => {
      breaker.push(event);
      seen.push(consumer.snapshot().breaker);
      // It comes back while the breaker is open, after more failed probes than a record has attempts.
      if (openings() === 6) isDown = false;
    });
    await until(() => completed.size === RECORDS, consumer);
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    const edges = breaker.map(({ from, to }) => `${from} ${to}`);
    const probes = Array.from({ length: 5 }, () => ['open half-open', 'half-open open']).flat();
    expect(edges).toEqual(['closed open', ...probes, 'open half-open', 'half-open closed']);
    expect(breaker.flatMap(({ openMs }) => openMs ?? [])).toEqual([100, 200, 200, 200, 200, 200]);
    expect(breaker[0]?.error).toMatchObject({ code: 'ERR_HANDLER_THREW', topic });
    expect(seen.map((snapshot) => snapshot?.state)).toEqual(breaker.map(({ to }) => to));
    // What was with the handler as it opened, and one record for each probe.
    expect(whileDown).toBeLessThan(60);
    expect([attemptMax <= 3, revoked, consumer.state]).toEqual([true, [], 'running']);
    expect(consumer.snapshot().breaker).toMatchObject({ state: 'closed' });
  });

  test('a close while it is open ends at once, and commits what is complete', async () => {
    const [topic, group] = [await broker.topic(1), uniqueName('g')];
    await broker.cluster.produce(
      Array.from({ length: 20 }, (_, index) => ({ topic, partition: 0, key: `k${index}`, value: `${index}` })),
    );
    const consumer = await startConsumer({
      ...baseOptions(broker, group),
      topics: [topic],
      concurrencyPerThread: 1,
      breaker: { recordsMin: 5, openMs: 60_000 },
      drainTimeoutMs: 60_000,
      handler: ({ offset }) => {
        if (offset > 2) throw new Error('the downstream is away');
      },
    });
    await until(() => consumer.snapshot().breaker?.state === 'open', consumer);
    const warnings: Error[] = [];
    consumer.on('warning', (error) => void warnings.push(error));
    await consumer.close();
    expect(warnings).toEqual([]);
    expect((await broker.cluster.committedOffsets(group, topic))[0]).toBe(3);
  });
});

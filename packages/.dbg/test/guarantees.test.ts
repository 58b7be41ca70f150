/**
 * The guarantees over the whole line, with threads, on every broker there is: 10,000 records of 100 keys, a restart
 * in the middle, lag 0 at the end.
 */
import { expectGuarantees, SharedLog } from '@keylane/testing';
import { describe, expect, test } from 'vitest';
import {
  baseOptions,
  brokers,
  handlerFile,
  isCommittedToEnd,
  logProduced,
  startLogged,
  uniqueName,
  until,
  useBroker,
} from './support.ts';

const RECORDS = 10_000;
const KEYS = 100;

describe.each(brokers)('the guarantees on the %s broker', (kind) => {
  const broker = useBroker(kind);

  test.each([
    { ordering: 'key', failEvery: Infinity },
    { ordering: 'partition', failEvery: Infinity },
    { ordering: 'unordered', failEvery: Infinity },
    { ordering: 'key', failEvery: 50 },
  ] as const)('$ordering order, every $failEvery-th record fails once', async ({ ordering, failEvery }) => {
    const topic = await broker.topic();
    const group = uniqueName('g');
    const log = new SharedLog(RECORDS * 5);
    const records = Array.from({ length: RECORDS }, (_, index) => ({
      topic,
      key: `key-${index % KEYS}`,
      value: `${index}`,
    }));
    logProduced(log, await broker.cluster.produce(records));

    const start = () =>
      startLogged(log, {
        ...baseOptions(broker, group),
        topics: [topic],
        handler: handlerFile('logging'),
        handlerData: { log: log.buffer, failEvery },
        ordering,
        threads: 3,
        commitIntervalMs: 100,
        retry: { delayMs: 5 },
      });
    const handled = () => log.entries().filter(({ kind }) => kind === 'completed').length;

    const first = await start();
    await until(() => first.snapshot().completed > RECORDS / 2, first);
    await first.close();
    const handledFirst = handled();

    const second = await start();
    await until(() => handled() >= RECORDS && second.snapshot().partitions.every(({ lag }) => lag === 0), second);
    await second.close();

    expectGuarantees(log.entries(), ordering);
    expect(await isCommittedToEnd(broker.cluster, group, topic)).toBe(true);
    expect(handledFirst).toBeGreaterThan(RECORDS / 2);
    // A close that drains repeats nothing: what completed above the commit is remembered.
    expect(handled()).toBe(RECORDS);
  });
});

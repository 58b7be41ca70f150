/**
 * A thread is never stopped while it loads: now and then Node would end the whole process with it.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { type ConsumerOptions, startConsumer } from 'keylane';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { baseOptions, handlerFile, uniqueName, until, useBroker } from './support.ts';

/** Threads are kept loading for longer than a close waits for handlers, so one that is stopped too early is seen. */
const STOPPED_MS = 800;

describe('a thread that is loading', () => {
  const broker = useBroker('embedded');
  const workers: Worker[] = [];
  const loaded = new Set<Worker>();
  const directories: string[] = [];

  function onWorker(worker: Worker): void {
    workers.push(worker);
    worker.once('message', () => loaded.add(worker));
  }

  beforeEach(() => {
    workers.length = 0;
    process.on('worker', onWorker);
  });
  afterEach(async () => {
    process.off('worker', onWorker);
    for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
  });

  /** A handler module as its query says, and what it logged. */
  async function loading(query: Readonly<Record<string, string>>) {
    const directory = await mkdtemp(join(tmpdir(), 'keylane-loading-'));
    directories.push(directory);
    await writeFile(join(directory, 'log'), '');
    const handler = new URL(`?${new URLSearchParams({ directory, ...query })}`, handlerFile('loading'));
    return {
      handler,
      count: (step: string) => readFileSync(join(directory, 'log'), 'utf8').split(`${step} `).length - 1,
      go: () => writeFile(join(directory, 'go'), ''),
    };
  }

  function options(handler: URL): ConsumerOptions {
    return { ...baseOptions(broker, uniqueName('g')), topics: [uniqueName('t')], handler, threads: 2 };
  }

  test('is not stopped by the failure of another one; then nothing is opened in it', async () => {
    const { handler, count, go } = await loading({ fails: '1', from: '2' });
    const start = startConsumer(options(handler)).catch((error: Error) => error.message);
    await until(() => count('loading') === 2);
    await sleep(STOPPED_MS);
    await go();
    expect(await start).toContain('no database');
    expect([count('loaded'), count('opened')]).toEqual([2, 0]);
  });

  test('is not stopped by a signal that ends the start', async () => {
    const { handler, count, go } = await loading({ from: '1' });
    const aborter = new AbortController();
    const start = startConsumer({ ...options(handler), signal: aborter.signal }).catch((error: unknown) => error);
    await until(() => count('loading') === 2);
    aborter.abort(new Error('enough'));
    await sleep(STOPPED_MS);
    await go();
    expect(await start).toMatchObject({ message: 'enough' });
    expect([count('loaded'), count('opened')]).toEqual([2, 0]);
  });

  test('is not stopped before it has loaded what every session runs, be it a replacement nobody uses', async () => {
    const { handler } = await loading({ exits: '' });
    await expect(startConsumer(options(handler))).rejects.toThrow('could not be opened');
    expect(workers.length).toBeGreaterThan(2);
    expect(workers.filter((worker) => !loaded.has(worker))).toEqual([]);
  });

  test('in the place of a lost one is not stopped by a close that does not wait for handlers', async () => {
    const topic = await broker.topic();
    await broker.cluster.produce([{ topic, key: 'a', value: 'hang' }]);
    const { handler, count, go } = await loading({ from: '3' });
    const consumer = await startConsumer({ ...options(handler), topics: [topic] });
    await until(() => consumer.snapshot().threads.some(({ running }) => running.length > 0), consumer);
    await broker.cluster.produce([{ topic, key: 'b', value: 'end the thread' }]);
    await until(() => count('loading') === 3, consumer);
    const closed = consumer.close({ drainTimeoutMs: 0 });
    await sleep(STOPPED_MS);
    expect(count('loaded')).toBe(2);
    await go();
    await closed;
    expect([count('loaded'), count('opened')]).toEqual([3, 2]);
  });
});

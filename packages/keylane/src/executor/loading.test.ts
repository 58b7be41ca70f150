import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Loading } from './loading.ts';

class FakeWorker extends EventEmitter {
  readonly threadId: number;
  constructor(threadId: number) {
    super();
    this.threadId = threadId;
  }
}

const worker = (id: number) => new FakeWorker(id) as EventEmitter as Worker;

class FakePool extends EventEmitter {
  threads: Worker[] = [worker(1), worker(2)];

  /** As Piscina does it: the lost one goes, its successor comes, all in one turn. */
  replace(index: number): Worker {
    this.emit('workerDestroy');
    const next = worker(3);
    this.threads = this.threads.with(index, next);
    return next;
  }
}

/** Whether it is over by now, with all turns taken that need no event. */
async function isOver(loading: Loading): Promise<boolean> {
  let over = false;
  void loading.over().then(() => (over = true));
  await new Promise(setImmediate);
  return over;
}

describe('loading', () => {
  test('is over when each thread has sent its first message or ended', async () => {
    const pool = new FakePool();
    const loading = new Loading(pool);
    expect(await isOver(loading)).toBe(false);
    pool.threads[0]?.emit('message', {});
    expect(await isOver(loading)).toBe(false);
    pool.threads[1]?.emit('exit', 1);
    expect(await isOver(loading)).toBe(true);
  });

  test('begins anew with a thread that replaces another one', async () => {
    const pool = new FakePool();
    const loading = new Loading(pool);
    for (const thread of pool.threads) thread.emit('message', {});
    expect(await isOver(loading)).toBe(true);
    const next = pool.replace(1);
    expect(await isOver(loading)).toBe(false);
    next.emit('message', {});
    expect(await isOver(loading)).toBe(true);
  });

  test('is not awaited of a thread that was made later and has loaded; of one that has not it is', async () => {
    const pool = new FakePool();
    const loading = new Loading(pool);
    for (const { threadId } of pool.threads) pool.emit('workerCreate', { id: threadId });
    expect(await isOver(loading)).toBe(false);
    for (const thread of pool.threads) thread.emit('message', {});
    pool.threads.push(worker(3));
    pool.emit('workerCreate', { id: 3 });
    expect(await isOver(loading)).toBe(true);
    pool.threads.push(worker(4));
    expect(await isOver(loading)).toBe(false);
  });

  test('that began while others were awaited is awaited as well', async () => {
    const pool = new FakePool();
    const loading = new Loading(pool);
    let over = false;
    void loading.over().then(() => (over = true));
    const [lost] = pool.threads;
    const next = pool.replace(0);
    lost?.emit('exit', 1);
    pool.threads[1]?.emit('message', {});
    await new Promise(setImmediate);
    expect(over).toBe(false);
    next.emit('message', {});
    await new Promise(setImmediate);
    expect(over).toBe(true);
  });
});

import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Ledger, type LedgerMemory } from './ledger.ts';
import { writeRecord } from './record.ts';

/** Two keys of three records each: records 0, 2, 4 are of key 0, and 1, 3, 5 of key 1. */
const SIZE = { records: 6, keys: 2, times: true };
const value = (index: number): Buffer =>
  writeRecord({ index, key: index % 2, sequence: index >> 1, workUs: 0, dueMs: 0 }, 0);
const GOOD = { completed: 6, lost: 0, duplicated: 0, outOfOrder: 0 };

function handled(...indexes: readonly number[]): Ledger {
  const ledger = new Ledger(SIZE);
  for (const index of indexes) {
    ledger.begin(value(index));
    ledger.end(value(index));
  }
  return ledger;
}

describe('the ledger counts', () => {
  test.each([
    ['nothing where all is well', [0, 1, 2, 3, 4, 5], GOOD],
    ['nothing where keys go at their own speed', [1, 3, 5, 0, 2, 4], GOOD],
    ['a lost record at the end of its key', [0, 1, 2, 3, 4], { ...GOOD, completed: 5, lost: 1 }],
    ['a lost one, and the next as out of order', [0, 1, 3, 4, 5], { ...GOOD, completed: 5, lost: 1, outOfOrder: 1 }],
    ['a record handled again', [0, 1, 2, 3, 4, 5, 2], { ...GOOD, duplicated: 1 }],
    ['each time of it', [0, 0, 0, 1, 2, 3, 4, 5], { ...GOOD, duplicated: 2 }],
  ])('%s', (_, indexes, counts) => {
    expect(handled(...indexes).counts()).toEqual(counts);
  });

  test('a record before its predecessor', () => {
    const counts = handled(0, 1, 4, 2, 3, 5).counts();
    expect(counts).toMatchObject({ completed: 6, lost: 0, duplicated: 0 });
    expect(counts.outOfOrder).toBeGreaterThan(0);
  });

  test('a record that begins before the one before it of its key has ended', () => {
    const ledger = new Ledger(SIZE);
    for (const index of [0, 2]) ledger.begin(value(index));
    for (const index of [0, 2]) ledger.end(value(index));
    expect(ledger.counts()).toMatchObject({ completed: 2, outOfOrder: 1 });
    expect(ledger.runningMax).toBe(2);
  });

  test('not the ones of different keys at once', () => {
    const ledger = new Ledger(SIZE);
    for (const index of [0, 1]) ledger.begin(value(index));
    for (const index of [1, 0]) ledger.end(value(index));
    expect(ledger.counts()).toMatchObject({ completed: 2, outOfOrder: 0 });
  });

  test('a record that began and never ended as lost', () => {
    const ledger = handled(0, 1, 2, 3, 4);
    ledger.begin(value(5));
    expect(ledger.counts()).toMatchObject({ completed: 5, lost: 1 });
  });
});

test('the ledger notes when a record was due, began and ended', () => {
  const ledger = new Ledger(SIZE);
  const record = writeRecord({ index: 3, key: 1, sequence: 0, workUs: 0, dueMs: 7.5 }, 0);
  ledger.begin(record);
  ledger.end(record);
  const { key, due, began, ended } = ledger.timesOf(3);
  expect([key, due]).toEqual([1, 7.5]);
  expect(ended).toBeGreaterThanOrEqual(began);
  expect(began).toBeGreaterThan(0);
  expect(ledger.timesOf(2)).toEqual({ key: 0, due: 0, began: 0, ended: 0 });
});

/** Runs `body`, with `ledger` and `write(index, key, sequence)`, in so many threads that begin at once. */
async function inThreads(memory: LedgerMemory, threads: number, body: string): Promise<void> {
  const code = `(async () => {
    const { workerData: { memory, gate, threads, thread, tsx, modules } } = require('node:worker_threads');
    (await import(tsx)).register();
    const { Ledger } = await import(modules.ledger);
    const { writeRecord } = await import(modules.record);
    const ledger = new Ledger(memory);
    const write = (index, key, sequence) => writeRecord({ index, key, sequence, workUs: 0, dueMs: 0 }, 0);
    Atomics.add(gate, 0, 1);
    while (Atomics.load(gate, 0) < threads);
    ${body}
  })();`;
  const workerData = {
    memory,
    threads,
    gate: new Int32Array(new SharedArrayBuffer(4)),
    tsx: import.meta.resolve('tsx/esm/api'),
    modules: {
      ledger: new URL('./ledger.ts', import.meta.url).href,
      record: new URL('./record.ts', import.meta.url).href,
    },
  };
  const ends = Array.from({ length: threads }, (_, thread) => {
    const worker = new Worker(code, { eval: true, workerData: { ...workerData, thread } });
    return new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve));
  });
  expect(await Promise.all(ends)).toEqual(ends.map(() => 0));
}

describe('from several threads', () => {
  const THREADS = 3;
  const EACH = 2_000;

  test('nothing goes missing where each has its own keys', async () => {
    const ledger = new Ledger({ records: THREADS * EACH, keys: THREADS, times: true });
    await inThreads(
      ledger.memory,
      THREADS,
      `for (let i = 0; i < ${EACH}; i += 1) {
        const value = write(thread * ${EACH} + i, thread, i);
        ledger.begin(value);
        ledger.end(value);
      }`,
    );
    expect(ledger.counts()).toEqual({ completed: THREADS * EACH, lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  test('a record that two of them end at the same time is counted as duplicated', async () => {
    const ledger = new Ledger({ records: EACH, keys: EACH, times: false });
    await inThreads(
      ledger.memory,
      2,
      `for (let i = 0; i < ${EACH}; i += 1) {
        const value = write(i, i, 0);
        ledger.begin(value);
        Atomics.add(gate, 0, 1);
        while (Atomics.load(gate, 0) < 2 * (i + 2));
        ledger.end(value);
      }`,
    );
    expect(ledger.counts()).toMatchObject({ completed: EACH, lost: 0, duplicated: EACH });
  });

  test('two records of one key in two threads at once are out of order', async () => {
    const ledger = new Ledger({ records: 2, keys: 1, times: false });
    // The first record ends only after the second one began elsewhere.
    await inThreads(
      ledger.memory,
      2,
      `if (thread === 1) while (Atomics.load(gate, 0) < 3);
      ledger.begin(write(thread, 0, thread));
      Atomics.add(gate, 0, 1);
      while (Atomics.load(gate, 0) < 4);
      ledger.end(write(thread, 0, thread));`,
    );
    expect(ledger.counts()).toMatchObject({ completed: 2, lost: 0, outOfOrder: 1 });
  });
});

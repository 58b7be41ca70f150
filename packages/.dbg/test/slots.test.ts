/**
 * Slots between two real threads: one clock, and no torn reads. Needs no broker, but the build: threads run no
 * TypeScript.
 */
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Slots } from '../dist/wire/slots.js';

describe('Slots', () => {
  function writeInThread(slots: Slots, stop?: Int32Array): Promise<unknown> {
    const file = new URL('./handlers/slot-writer.mjs', import.meta.url);
    const worker = new Worker(file, { workerData: { buffer: slots.buffer, stop } });
    return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  }

  test('all threads of the process have one clock, whenever they began', async () => {
    const poller = new Slots(1, 1);
    const before = performance.now();
    await writeInThread(poller);
    const now = performance.now();
    const [run] = poller.running(now);
    // By its own clock, which began with the thread, it would have begun long before.
    expect(run?.runningMs).toBeLessThanOrEqual(now - before + 1);
    expect(run?.runningMs).toBeGreaterThanOrEqual(0);
  });

  test('a read that meets a change is never torn: a lane is seen with its own start', async () => {
    const poller = new Slots(1, 1);
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const ended = writeInThread(poller, stop);
    const sums = new Set<number>();
    let reads = 0;
    const start = performance.now();
    while (reads < 2_000 && performance.now() - start < 30_000) {
      const [run] = poller.running(10_000_000);
      if (run !== undefined) sums.add(run.runningMs + run.laneId);
      if (run !== undefined) reads += 1;
      else if (reads === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    Atomics.store(stop, 0, 1);
    await ended;
    expect([sums.size, reads]).toEqual([1, 2_000]);
  });
});

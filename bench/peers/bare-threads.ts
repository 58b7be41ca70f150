/**
 * What the machine itself gives: bare threads that compute as long as `records` handlers would, with no Kafka, no
 * records and no order. Threads take the next computation when they have ended one, so that none idles before the end.
 */
import { Worker } from 'node:worker_threads';
import { LOOK_EVERY_MS, peer } from '../workload/peer.ts';
import type { BareThreadData } from './bare-thread.ts';

await peer(async ({ threads, records, workUs = 0, roundsPerMs }, { meter }) => {
  const data: BareThreadData = {
    records,
    rounds: Math.round((workUs / 1_000) * roundsPerMs),
    taken: new Int32Array(new SharedArrayBuffer(4)),
    ended: new Int32Array(new SharedArrayBuffer(4)),
  };
  for (let thread = 0; thread < threads; thread += 1) {
    new Worker(new URL('./bare-thread.js', import.meta.url), { workerData: data });
  }
  for (;;) {
    const ended = Atomics.load(data.ended, 0);
    if (ended > 0) meter.saw(ended);
    if (ended >= records) return { counts: { completed: ended, lost: 0, duplicated: 0, outOfOrder: 0 } };
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
});

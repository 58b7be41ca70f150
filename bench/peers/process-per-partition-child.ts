/**
 * One of the processes of process-per-partition.ts: handles the records of its partitions one after the other, commits
 * after each batch, and tells how far it is.
 */
import { once } from 'node:events';
import { handling } from '../workload/handling.ts';
import type { Job } from '../workload/job.ts';
import { type Counts, Ledger } from '../workload/ledger.ts';
import { LOOK_EVERY_MS } from '../workload/peer.ts';
import { connectRawConsumer, nextBatch } from '../workload/raw-consumer.ts';

/** In its last argument, as JSON. */
export interface ChildJob {
  readonly job: Job;
  /** Its own. */
  readonly partitions: readonly number[];
}

export type ChildRequest = 'go' | 'counts';

export type ChildSays =
  /** It is connected, and waits for `go`. */
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'progress';
      readonly handled: number;
      /** CPU since it began. */
      readonly cpuUs: number;
      readonly rssMaxMiB: number;
    }
  | { readonly kind: 'counts'; readonly counts: Counts };

const { job, partitions } = JSON.parse(process.argv.at(-1) as string) as ChildJob;
const ledger = new Ledger({ records: job.records, keys: job.keys, times: false });
const handle = handling({ work: job.work, roundsPerMs: job.roundsPerMs, ledger: ledger.memory });
let handled = 0;
let toldAt = 0;

process.on('disconnect', () => process.exit(0));
process.on('message', (request: ChildRequest) => {
  if (request === 'counts') say({ kind: 'counts', counts: ledger.counts() });
});
const consumer = await connectRawConsumer(job);
say({ kind: 'ready' });
await once(process, 'message');
consumer.assign(partitions.map((partition) => ({ topic: job.topic, partition })));
for (;;) {
  const batch = await nextBatch(consumer);
  for (const { value } of batch) {
    // Here as well: handlers that compute leave no timer a turn.
    if (performance.now() - toldAt >= LOOK_EVERY_MS) tellProgress();
    await handle(value as Buffer);
    handled += 1;
  }
  if (batch.length === 0) continue;
  tellProgress();
  consumer.commit();
}

function tellProgress(): void {
  toldAt = performance.now();
  const { user, system } = process.cpuUsage();
  say({ kind: 'progress', handled, cpuUs: user + system, rssMaxMiB: process.resourceUsage().maxRSS / 1_024 });
}

function say(says: ChildSays): void {
  process.send?.(says);
}

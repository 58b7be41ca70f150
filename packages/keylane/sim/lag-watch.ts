/**
 * What is promised to partitions whose records are limited for the sake of another one: it is further behind, its
 * records are taken in and handed out, and handlers are slow. Where that ends, so does the limit.
 */
import type { ExecutorThread } from '../src/executor/executor.ts';
import type { Client } from '../src/poller/client.ts';
import type { Partition } from '../src/poller/partition.ts';
import { nameOf } from './fake-cluster.ts';

/** It is looked at twice a second. */
const NOTICED_MS = 600;

export class LagWatch {
  /** Limited without a reason, and since when. */
  readonly #needless: Map<Partition, number> = new Map();
  readonly #client: Pick<Client, 'watermarks'>;
  readonly #threads: readonly ExecutorThread[];

  constructor(client: Pick<Client, 'watermarks'>, threads: readonly ExecutorThread[]) {
    this.#client = client;
    this.#threads = threads;
  }

  /** What is wrong with the limits of a consumer, if anything. */
  check(open: readonly Partition[], now: number): string | undefined {
    const limited = open.filter(({ lagLimit, state }) => lagLimit < Infinity && state === 'active');
    for (const partition of this.#needless.keys()) if (!limited.includes(partition)) this.#needless.delete(partition);
    if (limited.length === 0) return undefined;
    const isSlow = this.#threads.some(({ load }) => load.slow);
    const most = Math.max(...open.filter(({ handsOut }) => handsOut).map((partition) => this.#leftOf(partition)));
    for (const partition of limited) {
      if (isSlow && most > this.#leftOf(partition)) this.#needless.delete(partition);
      else if (!this.#needless.has(partition)) this.#needless.set(partition, now);
      const needlessMs = now - (this.#needless.get(partition) ?? now);
      if (needlessMs > NOTICED_MS)
        return `${nameOf(partition)} was limited to ${partition.lagLimit} record(s) for ${needlessMs} ms, and no other needed it`;
    }
    return undefined;
  }

  #leftOf(partition: Partition): number {
    const { tracker, bufferedRecords } = partition;
    const { high = 0 } = this.#client.watermarks(partition) ?? {};
    return Math.max(0, high - (tracker.position ?? high)) + bufferedRecords;
  }
}

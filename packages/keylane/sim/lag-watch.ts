/**
 * What is promised to partitions whose records are limited for the sake of another one: that has more left, is handed
 * out and has room for more, and handlers are slow. Where that ends, so does the limit.
 */
import { type Client, knownEnd } from '../src/poller/client.ts';
import type { Partition } from '../src/poller/partition.ts';
import type { Pipeline } from '../src/poller/pipeline.ts';
import { nameOf } from './fake-cluster.ts';

/** It is looked at twice a second. */
const NOTICED_MS = 600;

export class LagWatch {
  /** Limited without a reason, and since when. */
  readonly #needless: Map<Partition, number> = new Map();
  readonly #client: Pick<Client, 'watermarks'>;

  constructor(client: Pick<Client, 'watermarks'>) {
    this.#client = client;
  }

  /** What is wrong with the limits of a consumer, if anything. */
  check({ assignment, dispatcher }: Pipeline, now: number): string | undefined {
    const open = assignment.open();
    const limited = open.filter(({ lagLimit, state }) => lagLimit < Infinity && state === 'active');
    for (const partition of this.#needless.keys()) if (!limited.includes(partition)) this.#needless.delete(partition);
    if (limited.length === 0) return undefined;
    const inNeed = open.filter(({ handsOut, full, clientPaused }) => handsOut && !full && !clientPaused);
    const most = Math.max(...inNeed.map((partition) => this.#leftOf(partition)));
    for (const partition of limited) {
      if (dispatcher.slow && most > this.#leftOf(partition)) this.#needless.delete(partition);
      else if (!this.#needless.has(partition)) this.#needless.set(partition, now);
      const forMs = now - (this.#needless.get(partition) ?? now);
      if (forMs > NOTICED_MS)
        return `${nameOf(partition)} was limited to ${partition.lagLimit} for ${forMs} ms, and no other needed it`;
    }
    return undefined;
  }

  #leftOf(partition: Partition): number {
    const { tracker, bufferedRecords, statistics } = partition;
    const end = knownEnd(statistics) ?? this.#client.watermarks(partition)?.high ?? 0;
    return Math.max(0, end - (tracker.position ?? end)) + bufferedRecords;
  }
}

/**
 * Limits what partitions that are nearly done may hold while another one is far behind and gets too little. Runs on the
 * poller's thread, twice a second.
 *
 * The client reads all partitions equally fast, so of a backlog the largest partition is left over, and with it a key
 * that has much of its traffic: that runs one record at a time, and had nothing to do for seconds while others were
 * read. See docs/adr/0013.
 *
 * A limit costs what the client has fetched each time it is reached (`pauses.ts`). So there are none as long as the
 * partition furthest behind holds its share of the buffer, nor for partitions about as far behind.
 */
import type { ResolvedOptions } from '../options.ts';
import type { Assignment } from './assignment.ts';
import type { Budget } from './budget.ts';
import type { Client } from './client.ts';
import type { Clock, Timer } from './clock.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Partition } from './partition.ts';

const LOOK_EVERY_MS = 500;
/** Only partitions with less than this part of what the one furthest behind has left are limited. */
const CLEARLY_LESS = 4 / 5;
/** Of the buffer; less is not worth a pause. */
const LEAST = 1 / 50;
/** What brings nothing for so long is not waited for: its leader is away, or a transaction hangs. */
const PATIENCE_MS = 5_000;

export interface LagLimitsParts {
  readonly options: Pick<ResolvedOptions, 'bufferedRecordsPerPartitionMax'>;
  readonly client: Pick<Client, 'watermarks'>;
  readonly clock: Clock;
  readonly budget: Budget;
  readonly assignment: Pick<Assignment, 'open'>;
  readonly dispatcher: Pick<Dispatcher, 'slow'>;
}

/** For whose sake others are limited, where it stood, and since when it stands there. */
interface Awaited {
  readonly partition: Partition;
  readonly position: number | undefined;
  readonly since: number;
}

export class LagLimits {
  #limited: Partition[] = [];
  #awaited: Awaited | undefined = undefined;
  #timer: Timer | undefined = undefined;
  readonly #parts: LagLimitsParts;

  constructor(parts: LagLimitsParts) {
    this.#parts = parts;
  }

  /** Looks from now on; not where the application says how much a partition may hold. */
  start(): void {
    const { options, clock } = this.#parts;
    if (options.bufferedRecordsPerPartitionMax !== undefined) return;
    this.#timer = clock.after(LOOK_EVERY_MS, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.stop();
  }

  /** Limits are made anew each time. What they let go `pauses.ts` notices by itself. */
  #look(): void {
    const { assignment, budget, clock, dispatcher } = this.#parts;
    for (const partition of this.#limited.splice(0)) partition.lagLimit = Infinity;
    const before = this.#awaited;
    this.#awaited = undefined;
    if (!dispatcher.slow) return;
    // Whoever hands nothing out needs nothing, however much is left of it.
    const partitions = assignment.open().filter(({ handsOut }) => handsOut);
    const left = partitions.map((partition) => this.#leftOf(partition));
    const most = Math.max(...left);
    const share = budget.capacity / left.reduce((sum, records) => sum + records, 0);
    const furthest = partitions[left.indexOf(most)];
    if (furthest === undefined || share >= 1 || furthest.full || furthest.countedRecords >= share * most) return;
    this.#awaited = awaiting(furthest, before, clock.now());
    if (clock.now() - this.#awaited.since >= PATIENCE_MS) return;
    for (const [index, partition] of partitions.entries()) {
      const records = left[index] as number;
      if (records >= most * CLEARLY_LESS) continue;
      partition.lagLimit = Math.max(1, Math.floor(Math.max(budget.capacity * LEAST, share * records)));
      this.#limited.push(partition);
    }
  }

  /** How many of its records are not done, held or not; what is deleted or compacted away counts as well. */
  #leftOf({ topic, partition, tracker, bufferedRecords }: Partition): number {
    const high = this.#parts.client.watermarks({ topic, partition })?.high;
    const { position } = tracker;
    const unread = high === undefined || position === undefined ? 0 : Math.max(0, high - position);
    return unread + bufferedRecords;
  }
}

function awaiting(partition: Partition, before: Awaited | undefined, now: number): Awaited {
  const { position } = partition.tracker;
  const stands = before?.partition === partition && before.position === position;
  return stands ? before : { partition, position, since: now };
}

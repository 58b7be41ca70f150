/**
 * Limits what partitions with less left to do may hold while the one furthest behind gets too little. Runs on the
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
import { type Client, knownEnd } from './client.ts';
import type { Clock, Timer } from './clock.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Partition } from './partition.ts';
import { SHORT_POLL_RECORDS } from './poller.ts';

const LOOK_EVERY_MS = 500;
/** Only partitions with less than this part of what the one furthest behind has left are limited. */
const CLEARLY_LESS = 4 / 5;
/**
 * What each may hold, whatever its share: what one poll brings, a part of the buffer, and records for each slot, so
 * that none stands empty while partitions are paused.
 */
const LEAST = { ofBuffer: 1 / 50, perSlot: 2 };
/** What brings nothing for so long is not waited for: its leader is away, or a transaction hangs. */
const PATIENCE_MS = 5_000;
/** In one look, where statistics do not tell the ends; a call takes 10 µs with thousands of topics. */
const ASKED_MAX = 500;

export interface LagLimitsParts {
  readonly options: Pick<ResolvedOptions, 'bufferedRecordsPerPartitionMax' | 'bufferedBytesMax' | 'recordsPerPollMax'>;
  readonly client: Pick<Client, 'watermarks'>;
  readonly clock: Clock;
  readonly budget: Budget;
  readonly assignment: Pick<Assignment, 'open'>;
  readonly dispatcher: Pick<Dispatcher, 'slow' | 'slots'>;
}

/** A partition, and how many of its records are not done, held or not; deleted or compacted ones count as well. */
interface Left {
  readonly partition: Partition;
  readonly records: number;
}

/** For whose sake others are limited, where it stood, and since when it stands there. */
interface Awaited {
  readonly partition: Partition;
  readonly position: number | undefined;
  readonly since: number;
}

export class LagLimits {
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
    const open = this.#parts.assignment.open();
    for (const partition of open) partition.lagLimit = Infinity;
    const before = this.#awaited;
    this.#awaited = undefined;
    if (!this.#parts.dispatcher.slow) return;
    const left = this.#leftIn(open);
    const [furthest] = left;
    if (furthest === undefined) return;
    const all = left.reduce((sum, { records }) => sum + records, 0);
    // Of the buffer, for each record that is left.
    const share = this.#roomFor(open) / all;
    const least = this.#least;
    if (share >= 1 || share * furthest.records <= least || !this.#comesShort(furthest, all, share)) return;
    const now = this.#parts.clock.now();
    this.#awaited = awaiting(furthest.partition, before, now);
    if (now - this.#awaited.since >= PATIENCE_MS) return;
    for (const { partition, records } of left) {
      const isLess = records < furthest.records * CLEARLY_LESS;
      if (isLess) partition.lagLimit = Math.floor(Math.max(least, share * records));
    }
  }

  /** Of those that are handed out and whose end is known, the one furthest behind first. */
  #leftIn(open: readonly Partition[]): Left[] {
    const left: Left[] = [];
    let askedMax = ASKED_MAX;
    for (const partition of open) {
      const { handsOut, statistics, tracker, bufferedRecords } = partition;
      if (!handsOut || tracker.position === undefined) continue;
      let end = knownEnd(statistics);
      if (end === undefined && askedMax > 0) {
        askedMax -= 1;
        end = this.#parts.client.watermarks(partition)?.high;
      }
      if (end !== undefined) left.push({ partition, records: Math.max(0, end - tracker.position) + bufferedRecords });
    }
    return left.sort((one, other) => other.records - one.records);
  }

  /** The buffer, but for what those hold that are not handed out. */
  #roomFor(open: readonly Partition[]): number {
    const { capacity } = this.#parts.budget;
    return open.reduce((room, { handsOut, countedRecords }) => (handsOut ? room : room - countedRecords), capacity);
  }

  get #least(): number {
    const { options, budget, dispatcher } = this.#parts;
    const polled = Math.min(SHORT_POLL_RECORDS, options.recordsPerPollMax);
    return Math.max(polled, LEAST.perSlot * dispatcher.slots, LEAST.ofBuffer * budget.capacity);
  }

  /** It holds less than its share, and nothing but others keeps it from more. */
  #comesShort({ partition, records }: Left, all: number, share: number): boolean {
    const { full, clientPaused, countedRecords, bufferedBytes } = partition;
    const bytesShare = (this.#parts.options.bufferedBytesMax * records) / all;
    return !full && !clientPaused && countedRecords < share * records && bufferedBytes < bytesShare;
  }
}

function awaiting(partition: Partition, before: Awaited | undefined, now: number): Awaited {
  const { position } = partition.tracker;
  const stands = before?.partition === partition && before.position === position;
  return stands ? before : { partition, position, since: now };
}

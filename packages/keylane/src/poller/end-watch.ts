/**
 * Finds where partitions end for a reader, past transaction markers and whatever else holds no record, from the
 * client's statistics. The client would tell by itself (`enable.partition.eof`), but then the binding waits up to a
 * millisecond for every further record of a call that met an end: up to three times the latency, measured. Runs on the
 * poller's thread; pure.
 *
 * Invariant: an offset is named as an end only when every record below it was handed over. It is the client's next
 * offset to fetch, at the end of the log, and the same in two statistics in a row; and two calls of `consume` that
 * began after that found nothing, so what was fetched below it has been taken. Whatever else moves the client's
 * position, or throws away what was fetched (an assignment, a seek, a pause, and a rebalance, in which the client
 * pauses all), makes all that was seen before, and shortly after, count for nothing. A rebalance is told by a call that
 * finds nothing behind it, so it is known by the second one.
 */
import { type PartitionOffset, partitionName, type TopicPartition } from './client.ts';

/** A pause or a seek takes effect in the client's own threads, a moment after the call. */
const SETTLING_MS = 500;
/** Calls of `consume` that have to find nothing. */
const EMPTY_CALLS = 2;
const NONE: readonly End[] = Object.freeze([]);

/** Of a partition, as the statistics have it. */
export interface FetchPosition extends TopicPartition {
  /** The offset the client fetches next; negative where it does not know. */
  readonly nextOffset: number;
  /** Where the log ended for a reader as of the last fetch; negative where that is unknown. */
  readonly endOffset: number;
}

interface Watched extends TopicPartition {
  /** Statistics taken before count for nothing. */
  since: number;
  isPaused: boolean;
  /** In the statistics before. */
  nextOffset: number | undefined;
  /** The one that was found last. */
  end: End | undefined;
}

/** An end that is certain once enough calls found nothing. */
export interface End extends PartitionOffset {
  readonly of: Watched;
  emptyCalls: number;
}

export class EndWatch {
  readonly #partitions: Map<string, Watched> = new Map();
  /** Those that are not told yet. */
  readonly #open: Set<End> = new Set();
  /** The client has paused all, until the rebalance is answered. */
  #rebalances = false;

  onRebalance(): void {
    this.#rebalances = true;
    this.onMoved([...this.#partitions.values()], 0);
  }

  /** The rebalance is answered: the client goes on with what it has now. */
  onAnswered(now: number): void {
    this.#rebalances = false;
    this.onMoved([...this.#partitions.values()], now);
  }

  /** To be followed by `onAnswered`. */
  onAssigned(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const watched = { topic, partition, since: 0, isPaused: false, nextOffset: undefined, end: undefined };
      this.#partitions.set(partitionName(watched), watched);
    }
  }

  onUnassigned(partitions: readonly TopicPartition[]): void {
    this.onMoved(partitions, 0);
    for (const at of partitions) this.#partitions.delete(partitionName(at));
  }

  /** They were paused, resumed, or (where it is not said which) are read from elsewhere. */
  onMoved(partitions: readonly TopicPartition[], now: number, isPaused?: boolean): void {
    for (const at of partitions) {
      const watched = this.#partitions.get(partitionName(at));
      if (watched === undefined) continue;
      if (watched.end !== undefined) this.#open.delete(watched.end);
      Object.assign(watched, { since: now + SETTLING_MS, nextOffset: undefined, end: undefined });
      watched.isPaused = isPaused ?? watched.isPaused;
    }
  }

  /** @param takenAt when the client took these, or before; milliseconds on the clock of the other calls */
  look(positions: readonly FetchPosition[], takenAt: number): void {
    if (this.#rebalances) return;
    for (const { nextOffset, endOffset, ...at } of positions) {
      const watched = this.#partitions.get(partitionName(at));
      if (watched === undefined || watched.isPaused || takenAt < watched.since) continue;
      const isEnd = endOffset >= 0 && nextOffset >= endOffset && nextOffset === watched.nextOffset;
      if (isEnd && nextOffset !== watched.end?.offset) {
        if (watched.end !== undefined) this.#open.delete(watched.end);
        const { topic, partition } = watched;
        watched.end = { topic, partition, offset: nextOffset, of: watched, emptyCalls: 0 };
        this.#open.add(watched.end);
      }
      watched.nextOffset = nextOffset;
    }
  }

  /** What a call of `consume` that begins now is to come back to, if it finds nothing. */
  pending(): readonly End[] {
    return this.#open.size === 0 ? NONE : [...this.#open];
  }

  /** A call that began when these were pending found nothing; returns the ends that are certain now. */
  foundNothing(pending: readonly End[]): readonly PartitionOffset[] {
    const certain: PartitionOffset[] = [];
    for (const end of pending) {
      end.emptyCalls += 1;
      if (end.of.end !== end || end.emptyCalls < EMPTY_CALLS || !this.#open.delete(end)) continue;
      certain.push({ topic: end.topic, partition: end.partition, offset: end.offset });
    }
    return certain;
  }
}

/**
 * What a partition knows of the log below its position, and how it learns that the log is another one by now. Pure;
 * part of the partition.
 *
 * A commit says which leader's log it is of. Where a later leader has come since, and nothing was delivered yet, the
 * log below the position may have been cut off and have grown again. The client cannot tell: it compares epochs only
 * with those of records that it delivered itself. So some records below the position are read once more: of an epoch
 * that was known they are what they were, and of a later one they were made anew.
 */
import type { ClientRecord, Watermarks } from './client.ts';

/** How many offsets are looked back at first, and how many times as many each time that does not do. */
const LOOK_BACK = 16;
const LOOK_BACK_GROWTH = 8;

export class KnownLog {
  /** The latest leader epoch we know of: all below the position is as that leader had it; -1 unknown. */
  leaderEpoch = -1;
  /** False until the first record came. */
  #begun = false;
  /** The offset map is of records up to this epoch. */
  #mapEpoch: number = Number.POSITIVE_INFINITY;
  /** Reading began here, below the position, and was begun so often. */
  #from: number = Number.POSITIVE_INFINITY;
  #looks = 0;

  /** Begins with what a commit says, or with a log that was made anew: as of this leader epoch. */
  restore(leaderEpoch = -1): void {
    this.leaderEpoch = leaderEpoch;
    this.#mapEpoch = leaderEpoch < 0 ? Number.POSITIVE_INFINITY : leaderEpoch;
    this.#from = Number.POSITIVE_INFINITY;
  }

  /** Goes on with what another one knew, from before the first record. */
  replace(before: KnownLog): void {
    this.restore(before.leaderEpoch);
    this.#from = before.#from;
    this.#looks = before.#looks;
  }

  /** Where reading begins for a position: there, or further back. */
  from(position: number): number {
    return Math.min(position, this.#from);
  }

  /** It is read from below its position, and nothing was found there yet. */
  get looksBack(): boolean {
    return !this.#begun && this.#looks > 0;
  }

  /** Takes note of a record; false where the log above it is another one than that of the offset map. */
  onRecord({ offset, leaderEpoch = -1 }: ClientRecord, position: number | undefined): boolean {
    this.#begun = true;
    this.leaderEpoch = Math.max(this.leaderEpoch, leaderEpoch);
    if (offset >= (position ?? 0)) this.#from = Number.POSITIVE_INFINITY;
    return leaderEpoch <= this.#mapEpoch;
  }

  /** Whether all below the position may be another log, seeing that there is a leader of this epoch. */
  doubts(leaderEpoch = -1): boolean {
    return !this.#begun && this.leaderEpoch >= 0 && leaderEpoch > this.leaderEpoch;
  }

  /** Has it read from further back, to find a record below all that was looked at; false where the log has no more. */
  lookBack(position: number, { low, high }: Watermarks): boolean {
    const before = this.from(position);
    // Of what lies below the position nothing is left, or all was read.
    if (position <= low || before === low) return false;
    // What should have been read was deleted meanwhile.
    const from = before < low ? low : Math.min(before, high) - LOOK_BACK * LOOK_BACK_GROWTH ** this.#looks;
    this.#looks += 1;
    this.#from = Math.max(low, from);
    return true;
  }

  /**
   * True for a record below the position that is no duplicate: the log was cut off from above (the record has a later
   * leader epoch), or is another one (it ends below where we are).
   *
   * @param end the log's end, as far as the client knows
   */
  isRewound({ offset, leaderEpoch = -1 }: ClientRecord, position: number, end: number | undefined): boolean {
    if (offset >= position) return false;
    if (leaderEpoch > this.leaderEpoch) return true;
    // Looked at once more, it is what it was.
    if (offset >= this.#from) return false;
    return !this.#begun || (end !== undefined && end < position);
  }
}

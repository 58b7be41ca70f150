/**
 * Which records a replay takes, one after the other in the order of the log. Pure.
 *
 * Invariant: of a parked key no record is taken after one that was left out and not replayed, so nothing of that key
 * overtakes its failure.
 */
import { KEYLANE_HEADERS } from 'keylane/dead-letter';
import { CliError } from '../errors.ts';
import { at, type Entry } from './entry.ts';
import { type FilterFlags, matches } from './filter.ts';

export interface SelectionFlags extends FilterFlags {
  /** Takes what was replayed as well. */
  readonly again: boolean;
  /** Where everything goes; left out: to where each record came from. */
  readonly to?: string;
  /** Takes no more than this. */
  readonly limit: number;
}

/**
 * - `take`: to be replayed
 * - `replayed`: asked for, and was replayed before
 * - `no-origin`: asked for, and nobody says where it belongs
 * - `held`: of a key that waits for an earlier record
 * - `other`: not asked for
 */
export type Choice = 'take' | 'replayed' | 'no-origin' | 'held' | 'other';

export class Selection {
  /** Why a key is held: its first record that was left out, or that failed again. */
  readonly held: Map<string, Entry> = new Map();
  /** Keys whose replayed record was parked again while we looked. */
  readonly failedAgain: Set<string> = new Set();
  taken = 0;
  readonly #flags: SelectionFlags;

  constructor(flags: SelectionFlags) {
    this.#flags = flags;
  }

  get isFull(): boolean {
    return this.taken >= this.#flags.limit;
  }

  /**
   * @param isNew parked since this replay began: a record among them that was replayed before has failed again, and
   *   must not go round in circles
   */
  choose(entry: Entry, isNew: boolean = false): Choice {
    const { lane, letter, replayed } = entry;
    if (isNew && lane !== undefined && !replayed && wasReplayed(entry)) {
      this.failedAgain.add(lane);
      this.#hold(entry);
      return 'held';
    }
    if (!matches(this.#flags, entry) || this.isFull) {
      if (!replayed) this.#hold(entry);
      return 'other';
    }
    if (replayed && !this.#flags.again) return 'replayed';
    if (letter === undefined && this.#flags.to === undefined) return 'no-origin';
    if (lane !== undefined && this.held.has(lane)) return 'held';
    this.taken += 1;
    return 'take';
  }

  /** Refuses a filter that would let a record overtake an earlier one of its key. */
  refuse(entry: Entry): never {
    const earlier = this.held.get(entry.lane as string)?.record;
    throw new CliError(
      `${at(entry.record)} matches, but ${at(earlier as Entry['record'])} of the same parked key does not and was not ` +
        'replayed: nothing of a key may overtake its failure. Nothing was produced. Filter by --key or --partition, or ' +
        'take that record in as well.',
    );
  }

  /** From here on these keys wait too. */
  hold(more: ReadonlyMap<string, Entry>): void {
    for (const entry of more.values()) this.#hold(entry);
  }

  #hold(entry: Entry): void {
    if (entry.lane !== undefined && !this.held.has(entry.lane)) this.held.set(entry.lane, entry);
  }
}

function wasReplayed({ record }: Entry): boolean {
  return record.headers.some(([name]) => name === KEYLANE_HEADERS.replayedFrom);
}

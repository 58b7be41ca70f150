/**
 * A log of what happened, as the guarantees read it, and what can be told from it: which records are open, and what a
 * truncation left.
 */

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Where logs are truncated: how many truncations were behind a record when it was written, or known to the committer of
 * an offset. It tells apart the records that were at one offset one after the other. Absent: all there were.
 */
export interface Known {
  readonly epoch?: number;
}

/** An offset of a partition, and what was known with it. */
export type At = Place & Known & { readonly offset: number };

/** One thing that happened. The order of the log is the order of time. */
export type LogEntry =
  /** A record exists. Log those of a partition in the order of their offsets. */
  | (Place & Known & { readonly kind: 'produced'; readonly offset: number; readonly key: string | null })
  /** A consumer got this partition: from here on it begins again at what is committed. */
  | (Place & { readonly kind: 'assigned' })
  /**
   * A handler began, returned, or threw. `interrupted` is a run whose outcome its consumer never learns: its thread
   * died, its process was killed, or its partition is no longer its consumer's. What such a run still does is not
   * logged. A run that completed is interrupted as well where its thread died before it told.
   */
  | (Place &
      Known & {
        readonly kind: 'started' | 'completed' | 'failed' | 'interrupted';
        readonly offset: number;
        readonly key: string | null;
      })
  /** The broker confirmed this as the committed offset. */
  | (Place & Known & { readonly kind: 'committed'; readonly offset: number })
  /** The broker deleted every record below this offset. */
  | (Place & { readonly kind: 'deleted'; readonly offset: number })
  /** The broker lost every record from this offset on; others may take their places. */
  | (Place & { readonly kind: 'truncated'; readonly offset: number })
  /** A consumer was past the end of the log, and `auto.offset.reset` sent it here. */
  | (Place & { readonly kind: 'reset'; readonly offset: number });

export const placeName = ({ topic, partition }: Place): string => `${topic}[${partition}]`;
export const recordName = (entry: At): string =>
  `${placeName(entry)}@${entry.offset}${entry.epoch ? `/${entry.epoch}` : ''}`;

/**
 * Where each partition was truncated, and so what a truncation excuses: records that are gone may still run where they
 * were fetched before, and an offset may be committed that counts them, as long as it says that it knows no better; the
 * commit then goes back to the truncation, and no further.
 */
export class Truncations {
  readonly #byPlace: Map<string, number[]> = new Map();

  on(entry: LogEntry): void {
    if (entry.kind !== 'truncated') return;
    const place = placeName(entry);
    this.#byPlace.set(place, [...(this.#byPlace.get(place) ?? []), entry.offset]);
  }

  /** How far the log below this offset, as it was known then, is still the same to whoever knows of `until`. */
  kept(place: string, offset: number, since: number | undefined, until?: number): number {
    const offsets = this.#byPlace.get(place);
    if (offsets === undefined) return offset;
    return Math.min(offset, ...offsets.slice(since ?? offsets.length, until));
  }

  /** An offset with what was known then. */
  known({ epoch, ...entry }: At): At & Required<Known> {
    return { ...entry, epoch: epoch ?? this.#byPlace.get(placeName(entry))?.length ?? 0 };
  }

  /** Whether this record was truncated. */
  hasLost(entry: At): boolean {
    return this.kept(placeName(entry), entry.offset + 1, entry.epoch) <= entry.offset;
  }
}

/** The records that exist and were never completed, by partition. */
export class OpenRecords {
  readonly byPlace: Map<string, Set<number>> = new Map();
  readonly #truncations: Truncations = new Truncations();

  on(entry: LogEntry): void {
    this.#truncations.on(entry);
    if (entry.kind === 'produced') this.of(entry).add(entry.offset);
    else if (entry.kind === 'completed') {
      if (!this.#truncations.hasLost(entry)) this.of(entry).delete(entry.offset);
    } else if (entry.kind === 'deleted') this.#forget(entry, (offset) => offset < entry.offset);
    else if (entry.kind === 'truncated') this.#forget(entry, (offset) => offset >= entry.offset);
  }

  of(place: Place): Set<number> {
    const name = placeName(place);
    const open = this.byPlace.get(name) ?? new Set();
    this.byPlace.set(name, open);
    return open;
  }

  #forget(place: Place, gone: (offset: number) => boolean): void {
    const open = this.of(place);
    for (const offset of open) if (gone(offset)) open.delete(offset);
  }
}

/**
 * What Keylane promises, as checks over a log of what happened. Every test of the whole line runs through these: the
 * seeded simulator, the embedded broker, a real one. Each guarantee is one class; feed it the log in order, then ask.
 */

/** What must stay in order; as the consumer's option of the same name. */
export type Ordering = 'key' | 'partition' | 'unordered';

interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** One thing that happened. The order of the log is the order of time. */
export type LogEntry =
  /** A record exists. Log those of a partition in the order of their offsets. */
  | (Place & { readonly kind: 'produced'; readonly offset: number; readonly key: string | null })
  /** A consumer got this partition: from here on it begins again at what is committed. */
  | (Place & { readonly kind: 'assigned' })
  /**
   * A handler began, returned, or threw. `interrupted` is a run whose outcome its consumer never learns: its thread
   * died, its process was killed, or its partition is no longer its consumer's. What such a run still does is not
   * logged. A run that completed is interrupted as well where its thread died before it told.
   */
  | (Place & {
      readonly kind: 'started' | 'completed' | 'failed' | 'interrupted';
      readonly offset: number;
      readonly key: string | null;
    })
  /** It is done with, though no handler completed it: it lies in a dead-letter or park topic, or was skipped. */
  | (Place & { readonly kind: 'left'; readonly offset: number; readonly key: string | null })
  /** The broker confirmed this as the committed offset. */
  | (Place & { readonly kind: 'committed'; readonly offset: number })
  /** The broker deleted every record below this offset. */
  | (Place & { readonly kind: 'deleted'; readonly offset: number })
  /** The broker lost every record from this offset on; others may take their places. */
  | (Place & { readonly kind: 'truncated'; readonly offset: number });

/** A promise that can be checked. */
export interface Guarantee {
  readonly name: string;
  /** Takes in the next entry of the log. */
  on(entry: LogEntry): void;
  /** What broke the promise so far; empty where nothing did. */
  violations(): readonly string[];
}

/** Which records wait for one another: those with the same name here. `null` waits for none. */
type LaneOf = (entry: Place & { readonly key: string | null }) => string | null;

const placeName = ({ topic, partition }: Place): string => `${topic}[${partition}]`;
const recordName = (entry: Place & { readonly offset: number }): string => `${placeName(entry)}@${entry.offset}`;

/** The records that exist and were never completed, by partition. */
class OpenRecords {
  readonly byPlace: Map<string, Set<number>> = new Map();

  on(entry: LogEntry): void {
    if (entry.kind === 'produced') this.of(entry).add(entry.offset);
    else if (entry.kind === 'completed' || entry.kind === 'left') this.of(entry).delete(entry.offset);
    else if (entry.kind === 'deleted') this.#forget(entry, (offset) => offset < entry.offset);
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

/** Every produced record was handled to its end at least once, unless the broker deleted it. */
export class AtLeastOnce implements Guarantee {
  readonly name = 'at least once';
  readonly #open: OpenRecords = new OpenRecords();

  on(entry: LogEntry): void {
    this.#open.on(entry);
  }

  violations(): readonly string[] {
    return [...this.#open.byPlace].flatMap(([place, offsets]) =>
      [...offsets].map((offset) => `${place}@${offset} was never completed`),
    );
  }
}

/** No record was handled to its end twice. It holds only where nothing was killed, lost or cut off. */
export class NothingTwice implements Guarantee {
  readonly name = 'nothing twice';
  readonly #completed: Set<string> = new Set();
  readonly #violations: string[] = [];

  on(entry: LogEntry): void {
    if (entry.kind !== 'completed' && entry.kind !== 'left') return;
    const record = recordName(entry);
    if (this.#completed.has(record)) this.#violations.push(`${record} was completed again`);
    this.#completed.add(record);
  }

  violations(): readonly string[] {
    return this.#violations;
  }
}

/** At any time at most one record of a lane is with a handler. */
export class OneAtATimePerKey implements Guarantee {
  readonly name = 'one at a time per key';
  readonly #running: Map<string, string> = new Map();
  readonly #violations: string[] = [];
  readonly #laneOf: LaneOf;

  constructor(laneOf: LaneOf) {
    this.#laneOf = laneOf;
  }

  on(entry: LogEntry): void {
    const { kind } = entry;
    if (kind !== 'started' && kind !== 'completed' && kind !== 'failed' && kind !== 'interrupted') return;
    const lane = this.#laneOf(entry);
    if (lane === null) return;
    if (kind !== 'started') {
      if (this.#running.get(lane) === recordName(entry)) this.#running.delete(lane);
      return;
    }
    const other = this.#running.get(lane);
    if (other !== undefined) this.#violations.push(`${recordName(entry)} started while ${other} of the same key ran`);
    this.#running.set(lane, recordName(entry));
  }

  violations(): readonly string[] {
    return this.#violations;
  }
}

/** What {@link KeyOrder} knows of a lane. */
interface OrderedLane {
  /** Its produced offsets, in order. */
  readonly offsets: number[];
  readonly completed: Set<number>;
  /** The place in `offsets` of the record that is due. */
  due: number;
}

/**
 * The records of a lane are started in the order of their offsets, the next one only after the one before completed.
 * Left out is only what has completed before (a new consumer may know) or was deleted. Back only after a new
 * assignment, and then no further than to what was committed; or to a record whose outcome was interrupted.
 */
export class KeyOrder implements Guarantee {
  readonly name = 'key order';
  /** By partition and name. */
  readonly #lanes: Map<string, Map<string, OrderedLane>> = new Map();
  readonly #committed: Map<string, number> = new Map();
  readonly #deleted: Map<string, number> = new Map();
  readonly #violations: string[] = [];
  readonly #laneOf: LaneOf;

  constructor(laneOf: LaneOf) {
    this.#laneOf = laneOf;
  }

  on(entry: LogEntry): void {
    const place = placeName(entry);
    if (entry.kind === 'committed') this.#committed.set(place, entry.offset);
    else if (entry.kind === 'deleted') this.#deleted.set(place, entry.offset);
    else if (entry.kind === 'truncated') this.#truncate(place, entry.offset);
    else if (entry.kind === 'assigned') this.#rewind(place);
    else this.#onRecord(entry, place);
  }

  violations(): readonly string[] {
    return this.#violations;
  }

  #onRecord(entry: LogEntry & { readonly offset: number; readonly key: string | null }, place: string): void {
    const name = this.#laneOf(entry);
    if (name === null) return;
    const lane = this.#laneAt(place, name);
    if (entry.kind === 'produced') {
      lane.offsets.push(entry.offset);
      return;
    }
    const index = placeOf(lane.offsets, entry.offset);
    if (entry.kind === 'started') this.#onStarted(entry, lane, index, this.#deleted.get(place) ?? 0);
    else if (entry.kind === 'left') lane.completed.add(entry.offset);
    else if (entry.kind === 'interrupted') lane.due = Math.min(lane.due, index);
    else if (entry.kind === 'completed') {
      lane.completed.add(entry.offset);
      lane.due = index + 1;
    }
  }

  #onStarted(entry: Place & { readonly offset: number }, lane: OrderedLane, index: number, low: number): void {
    const { offsets, completed, due } = lane;
    const known = offsets[index] === entry.offset;
    const skipped = offsets.slice(due, Math.max(due, index));
    if (known && index >= due && skipped.every((offset) => offset < low || completed.has(offset))) lane.due = index;
    else this.#violations.push(`${recordName(entry)} started while ${offsets[due] ?? 'nothing'} was due in its key`);
  }

  #laneAt(place: string, name: string): OrderedLane {
    const lanes = this.#lanes.get(place) ?? new Map<string, OrderedLane>();
    this.#lanes.set(place, lanes);
    const lane = lanes.get(name) ?? { offsets: [], completed: new Set(), due: 0 };
    lanes.set(name, lane);
    return lane;
  }

  #rewind(place: string): void {
    const committed = this.#committed.get(place) ?? 0;
    for (const lane of this.#lanes.get(place)?.values() ?? []) lane.due = placeOf(lane.offsets, committed);
  }

  #truncate(place: string, from: number): void {
    this.#committed.set(place, Math.min(from, this.#committed.get(place) ?? 0));
    for (const lane of this.#lanes.get(place)?.values() ?? []) {
      lane.offsets.length = placeOf(lane.offsets, from);
      lane.due = Math.min(lane.due, lane.offsets.length);
      for (const offset of lane.completed) if (offset >= from) lane.completed.delete(offset);
    }
  }
}

/** The place of the first offset at or past `offset`. */
function placeOf(offsets: readonly number[], offset: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((offsets[middle] as number) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** No committed offset lies past a record that is not completed, and none goes back. */
export class CommitNeverAhead implements Guarantee {
  readonly name = 'commit never ahead';
  readonly #open: OpenRecords = new OpenRecords();
  readonly #committed: Map<string, number> = new Map();
  readonly #violations: string[] = [];

  on(entry: LogEntry): void {
    this.#open.on(entry);
    if (entry.kind === 'committed') this.#onCommitted(placeName(entry), entry.offset, this.#open.of(entry));
    else if (entry.kind === 'truncated') {
      const place = placeName(entry);
      this.#committed.set(place, Math.min(entry.offset, this.#committed.get(place) ?? 0));
    }
  }

  violations(): readonly string[] {
    return this.#violations;
  }

  #onCommitted(place: string, offset: number, open: ReadonlySet<number>): void {
    const before = this.#committed.get(place) ?? 0;
    if (offset < before) this.#violations.push(`${place} was committed at ${offset} after ${before}`);
    this.#committed.set(place, offset);
    // The log's offsets are produced in order, so the first open one is the lowest.
    const [first] = open;
    if (first !== undefined && first < offset) {
      this.#violations.push(`${place} was committed at ${offset} while ${first} was not completed`);
    }
  }
}

/** The guarantees that hold for an ordering. */
export function guaranteesFor(ordering: Ordering): Guarantee[] {
  const laneOf: LaneOf = (entry) => {
    if (ordering === 'partition') return placeName(entry);
    return entry.key === null ? null : `${placeName(entry)} ${entry.key}`;
  };
  const always = [new AtLeastOnce(), new CommitNeverAhead()];
  return ordering === 'unordered' ? always : [...always, new OneAtATimePerKey(laneOf), new KeyOrder(laneOf)];
}

/** What `expectGuarantees` throws: every violation, by guarantee. */
export class GuaranteeError extends Error {
  override readonly name = 'GuaranteeError';
  readonly violations: readonly string[];

  constructor(violations: readonly string[]) {
    const shown = violations.slice(0, 20).join('\n  - ');
    const more = violations.length > 20 ? `\n  … and ${violations.length - 20} more` : '';
    super(`${violations.length} violation(s):\n  - ${shown}${more}`);
    this.violations = violations;
  }
}

/**
 * Runs a whole log through the guarantees of an ordering.
 *
 * @throws GuaranteeError that lists the violations
 */
export function expectGuarantees(log: Iterable<LogEntry>, ordering: Ordering = 'key'): void {
  const guarantees = guaranteesFor(ordering);
  for (const entry of log) for (const guarantee of guarantees) guarantee.on(entry);
  const violations = guarantees.flatMap((guarantee) =>
    guarantee.violations().map((text) => `${guarantee.name}: ${text}`),
  );
  if (violations.length > 0) throw new GuaranteeError(violations);
}

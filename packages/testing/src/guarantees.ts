/**
 * What Keylane promises, as checks over a log of what happened. Every test of the whole line runs through these: the
 * seeded simulator, the embedded broker, a real one. Each guarantee is one class; feed it the log in order, then ask.
 */

import {
  type At,
  type Known,
  type LogEntry,
  OpenRecords,
  type Place,
  placeName,
  recordName,
  Truncations,
} from './log.ts';

export type { LogEntry } from './log.ts';

/** What must stay in order; as the consumer's option of the same name. */
export type Ordering = 'key' | 'partition' | 'unordered';

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
    if (entry.kind !== 'completed') return;
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
 * assignment, and then no further than to what was committed and is not truncated; to a record whose outcome was
 * interrupted; or where a reset sent the consumer. Records that were truncated are in nobody's order any more.
 */
export class KeyOrder implements Guarantee {
  readonly name = 'key order';
  /** By partition and name. */
  readonly #lanes: Map<string, Map<string, OrderedLane>> = new Map();
  readonly #committed: Map<string, At & Required<Known>> = new Map();
  readonly #truncations: Truncations = new Truncations();
  readonly #deleted: Map<string, number> = new Map();
  readonly #violations: string[] = [];
  readonly #laneOf: LaneOf;

  constructor(laneOf: LaneOf) {
    this.#laneOf = laneOf;
  }

  on(entry: LogEntry): void {
    const place = placeName(entry);
    this.#truncations.on(entry);
    if (entry.kind === 'committed') this.#committed.set(place, this.#truncations.known(entry));
    else if (entry.kind === 'deleted') this.#deleted.set(place, entry.offset);
    else if (entry.kind === 'truncated') this.#truncate(place, entry.offset);
    else if (entry.kind === 'reset') this.#back(place, entry.offset);
    else if (entry.kind === 'assigned') this.#rewind(place);
    else if (!this.#truncations.hasLost(entry)) this.#onRecord(entry, place);
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
    const { offset, epoch } = this.#committed.get(place) ?? { offset: 0, epoch: 0 };
    const from = this.#truncations.kept(place, offset, epoch);
    for (const lane of this.#lanes.get(place)?.values() ?? []) lane.due = placeOf(lane.offsets, from);
  }

  #back(place: string, from: number): void {
    for (const lane of this.#lanes.get(place)?.values() ?? [])
      lane.due = Math.min(lane.due, placeOf(lane.offsets, from));
  }

  #truncate(place: string, from: number): void {
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

/**
 * No committed offset lies past a record that is not completed, and none goes back. One that does not know of a
 * truncation yet counts the records that were there before.
 */
export class CommitNeverAhead implements Guarantee {
  readonly name = 'commit never ahead';
  readonly #open: OpenRecords = new OpenRecords();
  readonly #truncations: Truncations = new Truncations();
  readonly #committed: Map<string, At & Required<Known>> = new Map();
  readonly #violations: string[] = [];

  on(entry: LogEntry): void {
    this.#open.on(entry);
    this.#truncations.on(entry);
    const place = placeName(entry);
    if (entry.kind === 'committed') this.#onCommitted(place, this.#truncations.known(entry), this.#open.of(entry));
    else if (entry.kind === 'reset') {
      const before = this.#committed.get(place);
      if (before !== undefined && before.offset > entry.offset)
        this.#committed.set(place, { ...before, offset: entry.offset });
    }
  }

  violations(): readonly string[] {
    return this.#violations;
  }

  #onCommitted(place: string, committed: At & Required<Known>, open: ReadonlySet<number>): void {
    const { offset, epoch } = committed;
    const before = this.#committed.get(place) ?? { offset: 0, epoch: 0 };
    if (offset < this.#truncations.kept(place, before.offset, before.epoch, epoch))
      this.#violations.push(`${place} was committed at ${offset} after ${before.offset}`);
    this.#committed.set(place, committed);
    // The log's offsets are produced in order, so the first open one is the lowest.
    const [first] = open;
    if (first !== undefined && first < this.#truncations.kept(place, offset, epoch)) {
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

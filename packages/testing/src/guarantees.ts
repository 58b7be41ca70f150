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
  /** A record exists. Log these first. */
  | (Place & { readonly kind: 'produced'; readonly offset: number; readonly key: string | null })
  /** A consumer got this partition: from here on it begins again at what is committed. */
  | (Place & { readonly kind: 'assigned' })
  /** A handler began, returned, or threw. */
  | (Place & {
      readonly kind: 'started' | 'completed' | 'failed';
      readonly offset: number;
      readonly key: string | null;
    })
  /** The broker confirmed this as the committed offset. */
  | (Place & { readonly kind: 'committed'; readonly offset: number });

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

/** Every produced record was handled to its end at least once. */
export class AtLeastOnce implements Guarantee {
  readonly name = 'at least once';
  readonly #open: Set<string> = new Set();

  on(entry: LogEntry): void {
    if (entry.kind === 'produced') this.#open.add(recordName(entry));
    else if (entry.kind === 'completed') this.#open.delete(recordName(entry));
  }

  violations(): readonly string[] {
    return [...this.#open].map((record) => `${record} was never completed`);
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
    if (entry.kind !== 'started' && entry.kind !== 'completed' && entry.kind !== 'failed') return;
    const lane = this.#laneOf(entry);
    if (lane === null) return;
    if (entry.kind !== 'started') {
      this.#running.delete(lane);
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

/**
 * The records of a lane are started in the order of their offsets, none left out; the next one only after the one
 * before completed. Back only after a new assignment, and then no further than to what was committed.
 */
export class KeyOrder implements Guarantee {
  readonly name = 'key order';
  /** Per lane, its produced offsets in order and the place of the one that is due. */
  readonly #lanes: Map<string, { readonly offsets: number[]; due: number; partition: string }> = new Map();
  readonly #committed: Map<string, number> = new Map();
  readonly #violations: string[] = [];
  readonly #laneOf: LaneOf;

  constructor(laneOf: LaneOf) {
    this.#laneOf = laneOf;
  }

  on(entry: LogEntry): void {
    if (entry.kind === 'committed') this.#committed.set(placeName(entry), entry.offset);
    else if (entry.kind === 'assigned') this.#rewind(placeName(entry));
    else this.#onRecord(entry);
  }

  violations(): readonly string[] {
    return this.#violations;
  }

  #onRecord(entry: LogEntry & { readonly offset: number; readonly key: string | null }): void {
    const name = this.#laneOf(entry);
    if (name === null) return;
    const lane = this.#lanes.get(name) ?? { offsets: [], due: 0, partition: placeName(entry) };
    this.#lanes.set(name, lane);
    if (entry.kind === 'produced') {
      lane.offsets.push(entry.offset);
      return;
    }
    const due = lane.offsets[lane.due];
    if (entry.kind === 'started' && entry.offset !== due) {
      this.#violations.push(`${recordName(entry)} started while ${due ?? 'nothing'} was due in its key`);
    }
    if (entry.kind === 'completed') lane.due = lane.offsets.indexOf(entry.offset) + 1;
  }

  #rewind(partition: string): void {
    const committed = this.#committed.get(partition) ?? 0;
    for (const lane of this.#lanes.values()) {
      if (lane.partition !== partition) continue;
      const first = lane.offsets.findIndex((offset) => offset >= committed);
      lane.due = first === -1 ? lane.offsets.length : first;
    }
  }
}

/** No committed offset lies past a record that is not completed, and none goes back. */
export class CommitNeverAhead implements Guarantee {
  readonly name = 'commit never ahead';
  readonly #open: Map<string, Set<number>> = new Map();
  readonly #committed: Map<string, number> = new Map();
  readonly #violations: string[] = [];

  on(entry: LogEntry): void {
    const place = placeName(entry);
    const open = this.#open.get(place) ?? new Set();
    this.#open.set(place, open);
    if (entry.kind === 'produced') open.add(entry.offset);
    else if (entry.kind === 'completed') open.delete(entry.offset);
    else if (entry.kind === 'committed') this.#onCommitted(place, entry.offset, open);
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

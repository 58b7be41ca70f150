/**
 * Judges a chaos run by what every process wrote down. It knows nothing of how the run was made: entries in, verdict
 * out.
 *
 * - **lost**: produced, and never completed.
 * - **duplicated**: completed more than once; each completion beyond the first counts, and has a cause.
 * - **order**: a record started while an earlier one of its key had never completed anywhere; or two runs of a key
 *   overlapped within one assignment of one process. A process that lost a partition cannot call back what is with its
 *   handlers, so such leftovers may overlap with the runs of whoever has the partition next.
 * - **commits ahead**: the broker confirmed an offset beyond a record that had not completed by then.
 */
import { type Cause, explain } from './duplicates.ts';
import { History, type Run } from './history.ts';
import { describeEntry, type Entry } from './ledger.ts';

/** How many of each kind are told in words. */
const TOLD_MAX = 20;

export interface Verdict {
  readonly produced: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly orderViolations: number;
  readonly commitsAhead: number;
  /** Why records completed more than once. */
  readonly causes: Readonly<Partial<Record<Cause, number>>>;
  /** Runs of records that were never produced, or with another record's value. */
  readonly strangers: number;
  /** Overlaps with what a process ran on with after its partition was gone; none of them breaks a promise. */
  readonly leftoverOverlaps: number;
  /** Starts that were refused; consumers that failed by themselves. */
  readonly refused: number;
  readonly failed: number;
  /** What broke a promise, what failed, and what is unexplained; with the entries that show it. */
  readonly told: readonly string[];
}

/** Offsets that complete in any order, and the first that has not. */
class Offsets {
  readonly #offsets: number[] = [];
  readonly #completed: Set<number> = new Set();
  #first = 0;

  add(offset: number): void {
    this.#offsets.push(offset);
  }

  sort(): void {
    this.#offsets.sort((one, other) => one - other);
  }

  complete(offset: number): void {
    this.#completed.add(offset);
    while (this.#completed.has(this.firstOpen)) this.#first += 1;
  }

  /** The first that has not completed; infinity where all have. */
  get firstOpen(): number {
    return this.#offsets[this.#first] ?? Number.POSITIVE_INFINITY;
  }

  open(): number[] {
    return this.#offsets.filter((offset) => !this.#completed.has(offset));
  }
}

/** Judges the entries of a whole run, in any order. */
export function judge(entries: readonly Entry[]): Verdict {
  const judgement = new Judgement();
  for (const entry of entries) if (entry.kind === 'produced') judgement.produced(entry);
  judgement.begin();
  for (const entry of [...entries].sort((one, other) => one.at - other.at)) judgement.on(entry);
  return judgement.verdict();
}

interface Known {
  readonly number: number;
  readonly key: string;
}

class Judgement {
  readonly #history: History = new History();
  readonly #records: Map<string, Known> = new Map();
  readonly #partitions: Map<number, Offsets> = new Map();
  readonly #lanes: Map<string, Offsets> = new Map();
  readonly #runs: Map<string, Run[]> = new Map();
  /** Runs under way, by process and lane. */
  readonly #running: Map<string, Set<Run>> = new Map();
  readonly #told: Map<string, string[]> = new Map();
  readonly #counts: Map<string, number> = new Map();

  produced({ partition, offset, number, key }: Entry & { kind: 'produced' }): void {
    this.#records.set(`${partition}@${offset}`, { number, key });
    offsetsOf(this.#partitions, partition).add(offset);
    offsetsOf(this.#lanes, laneName(partition, key)).add(offset);
  }

  begin(): void {
    for (const offsets of [...this.#partitions.values(), ...this.#lanes.values()]) offsets.sort();
  }

  on(entry: Entry): void {
    this.#history.on(entry);
    const { kind, who } = entry;
    if (kind === 'start') this.#onStart(entry);
    else if (kind === 'end' || kind === 'fail') this.#onEnd(entry);
    else if (kind === 'committed' || kind === 'observed') this.#onCommitted(entry);
    else if (kind === 'exit') this.#forget(who, entry.thread);
    else if (kind === 'exited') this.#onExited(entry);
    else if (kind === 'refused') this.#tell('refused', describeEntry(entry));
    else if (kind === 'failed') this.#tell('failed', describeEntry(entry));
  }

  verdict(): Verdict {
    for (const [partition, offsets] of this.#partitions) {
      for (const offset of offsets.open()) this.#tell('lost', `${partition}@${offset} was never completed`);
    }
    const causes: Partial<Record<Cause, number>> = {};
    for (const [name, runs] of this.#runs) {
      const completed = runs.filter(({ end }) => end !== Number.POSITIVE_INFINITY);
      for (const [index, second] of completed.entries()) {
        const first = completed[index - 1];
        if (first === undefined) continue;
        const cause = explain(first, second, this.#history);
        causes[cause] = (causes[cause] ?? 0) + 1;
        this.#count('duplicated');
        if (cause === 'unexplained') {
          this.#tell(cause, `${name} completed twice: ${describeRun(first)}, then ${describeRun(second)}`);
        }
      }
    }
    const count = (name: string): number => this.#counts.get(name) ?? 0;
    return {
      produced: this.#records.size,
      lost: count('lost'),
      duplicated: count('duplicated'),
      orderViolations: count('order'),
      commitsAhead: count('commit ahead'),
      causes,
      strangers: count('stranger'),
      leftoverOverlaps: count('leftover'),
      refused: count('refused'),
      failed: count('failed'),
      told: [...this.#told].flatMap(([name, texts]) => texts.map((text) => `${name}: ${text}`)),
    };
  }

  #onStart(entry: Entry & { kind: 'start' }): void {
    const { who, partition, offset } = entry;
    const name = `${partition}@${offset}`;
    const known = this.#records.get(name);
    if (known?.number !== entry.number) {
      const text = known === undefined ? 'was never produced' : `was produced as number ${known.number}`;
      this.#tell('stranger', `${text}: ${describeEntry(entry)}`);
      if (known === undefined) return;
    }
    const lane = laneName(partition, known.key);
    const due = offsetsOf(this.#lanes, lane).firstOpen;
    if (due < offset) {
      this.#tell('order', `${partition}@${due} of the same key had never completed: ${describeEntry(entry)}`);
    }
    const run = this.#history.process(who).begin(entry);
    listOf(this.#runs, name).push(run);
    const running = this.#running.get(`${who} ${lane}`) ?? new Set();
    this.#running.set(`${who} ${lane}`, running);
    for (const other of running) {
      const together = other.assignment === run.assignment && !other.leftover && !run.leftover;
      if (together) this.#tell('order', `${describeRun(other)} of the same key ran: ${describeEntry(entry)}`);
      else this.#count('leftover');
    }
    running.add(run);
  }

  #onEnd(entry: Entry & { kind: 'end' | 'fail' }): void {
    const { who, partition, offset, kind } = entry;
    const known = this.#records.get(`${partition}@${offset}`);
    if (known === undefined) return;
    const lane = laneName(partition, known.key);
    const run = this.#history.process(who).end(entry);
    if (run !== undefined) this.#running.get(`${who} ${lane}`)?.delete(run);
    if (kind === 'fail') return;
    offsetsOf(this.#lanes, lane).complete(offset);
    offsetsOf(this.#partitions, partition).complete(offset);
  }

  #onCommitted(entry: Entry & { kind: 'committed' | 'observed' }): void {
    for (const [partition, offset] of entry.offsets) {
      const due = offsetsOf(this.#partitions, partition).firstOpen;
      if (due < offset) {
        this.#tell('commit ahead', `${partition}@${due} had not completed: ${describeEntry(entry)}`);
      }
    }
  }

  #onExited(entry: Entry & { kind: 'exited' }): void {
    const { killedAt, failedAt, closingAt } = this.#history.process(entry.who);
    const known = killedAt <= entry.at || failedAt <= entry.at || entry.code === 4;
    if (!known && !(closingAt <= entry.at && entry.code === 0)) this.#tell('failed', describeEntry(entry));
    this.#forget(entry.who);
  }

  /** What ran in that thread, or in the whole process, does not run any more. */
  #forget(who: string, thread?: number): void {
    for (const [name, running] of this.#running) {
      if (!name.startsWith(`${who} `)) continue;
      for (const run of running) if (thread === undefined || run.thread === thread) running.delete(run);
      if (running.size === 0) this.#running.delete(name);
    }
  }

  #tell(name: string, text: string): void {
    this.#count(name);
    const told = listOf(this.#told, name);
    if (told.length < TOLD_MAX) told.push(text);
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}

function laneName(partition: number, key: string): string {
  return `${partition}/${key}`;
}

function describeRun({ who, thread, partition, offset, start, end, assignment }: Run): string {
  const until = end === Number.POSITIVE_INFINITY ? '' : ` to ${seconds(end)}`;
  const { from = 0, to = 0, how = 'none', committed = -1 } = assignment ?? {};
  const had = `had it from ${seconds(from)} to ${seconds(to)}: ${how}, committed ${committed}`;
  return `${partition}@${offset} by ${who} thread ${thread} from ${seconds(start)}${until} s (${had})`;
}

function seconds(at: number): string {
  return (at / 1e9).toFixed(6);
}

function offsetsOf<Name>(all: Map<Name, Offsets>, name: Name): Offsets {
  const offsets = all.get(name) ?? new Offsets();
  all.set(name, offsets);
  return offsets;
}

function listOf<Value>(all: Map<string, Value[]>, name: string): Value[] {
  const list = all.get(name) ?? [];
  all.set(name, list);
  return list;
}

/**
 * Runs segments: each one's records one after the other up to the first failure, up to `concurrency` segments at once.
 * Runs in handler threads.
 *
 * Invariant: a lane has at most one segment here (the poller sees to it), so running a segment in sequence keeps its
 * key's order, whatever the other slots do.
 */
import { Queue } from '../wire/queue.ts';
import { type DueRecord, Run, type RunSite, Runs } from '../wire/run.ts';
import type { Slots } from '../wire/slots.ts';
import { toWireError } from '../wire/wire-error.ts';
import { isThenable, UndecodableError } from './decode.ts';
import type { Segment } from './frame-reader.ts';
import type { HandleFunction } from './handler.ts';
import type { Reporter } from './reporter.ts';

/**
 * Longer than this without a turn of the event loop, and the next record waits for one: timers and sockets must live.
 */
const TURN_MS = 2;

export interface LaneRunnerParts {
  readonly handle: HandleFunction<unknown>;
  readonly concurrency: number;
  readonly reporter: Reporter;
  readonly slots: Slots;
  readonly site: RunSite<unknown>;
}

export class LaneRunner {
  readonly #queue: Queue<Segment> = new Queue();
  readonly #freeSlots: number[];
  #turnAt = 0;
  #turn: Promise<void> | undefined = undefined;
  #idle: (() => void) | undefined = undefined;
  readonly #parts: LaneRunnerParts;
  readonly #runs: Runs;

  constructor(parts: LaneRunnerParts) {
    this.#parts = parts;
    this.#runs = new Runs(
      (run, now) => run.check(now),
      () => parts.slots.turned(),
    );
    this.#freeSlots = Array.from({ length: parts.concurrency }, (_, slot) => parts.concurrency - 1 - slot);
  }

  /** Takes segments in and starts what free slots can run. */
  add(segments: readonly Segment[]): void {
    this.#turnAt = performance.now();
    for (const segment of segments) this.#queue.push(segment);
    for (let starts = Math.min(segments.length, this.#freeSlots.length); starts > 0; starts -= 1)
      void this.#slot(this.#freeSlots.pop() as number);
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    if (this.#freeSlots.length < this.#parts.concurrency) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  async #slot(slot: number): Promise<void> {
    for (let segment = this.#queue.shift(); segment !== undefined; segment = this.#queue.shift())
      await this.#segment(segment, slot);
    this.#freeSlots.push(slot);
    if (this.#freeSlots.length === this.#parts.concurrency) this.#idle?.();
  }

  async #segment({ laneId, lease, records }: Segment, slot: number): Promise<void> {
    const { handle, reporter, slots, site } = this.#parts;
    let start = performance.now();
    // By index: an iterator of pairs would allocate for every record.
    for (let index = 0; index < records.length; index += 1) {
      if (!site.leases.holds(lease)) return reporter.dropped(laneId, start);
      const due = records[index] as DueRecord;
      const run = new Run(site, due, lease, start);
      this.#runs.begin(slot, run);
      slots.begin(slot, laneId, start);
      try {
        const result = handle(due.record, run);
        if (isThenable(result)) {
          slots.waits();
          await result;
        }
      } catch (thrown) {
        const now = performance.now();
        this.#ended(slot);
        const late = run.isOver(now);
        const error = toWireError(late ? run.overtime(thrown) : thrown);
        const stage = late ? 'timeout' : thrown instanceof UndecodableError ? 'deserialize' : 'handle';
        reporter.failed({ laneId, error, stage }, now - start, now);
        return;
      }
      const now = performance.now();
      this.#ended(slot);
      slots.completed(laneId, index + 1);
      reporter.completed(laneId, now - start, now);
      start = now;
      if (now - this.#turnAt > TURN_MS) {
        await this.#nextTurn();
        start = performance.now();
      }
    }
  }

  /** From here on neither the check nor the poller's watchdog finds anything to run in the slot. */
  #ended(slot: number): void {
    this.#runs.end(slot);
    this.#parts.slots.end(slot);
  }

  /** One turn of the event loop, shared by all slots that wait for one. */
  #nextTurn(): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        this.#turnAt = performance.now();
        resolve();
      });
    });
    return this.#turn;
  }
}

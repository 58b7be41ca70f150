/**
 * Runs segments: each one's records one after the other up to the first failure, up to `concurrency` segments at once.
 * Runs in handler threads.
 *
 * Invariant: a lane has at most one segment here (the poller sees to it), so running a segment in sequence keeps its
 * key's order, whatever the other slots do.
 */
import type { Segment, SegmentRecord } from './frame-reader.ts';
import type { Reporter } from './reporter.ts';

/**
 * Longer than this without a turn of the event loop, and the next record waits for one: timers and sockets must live.
 */
const TURN_MS = 2;

export type RunRecord = (record: SegmentRecord) => unknown;

export class LaneRunner {
  #queue: Segment[] = [];
  #queueHead = 0;
  #running = 0;
  #turnAt = 0;
  #turn: Promise<void> | undefined = undefined;
  #idle: (() => void) | undefined = undefined;
  readonly #run: RunRecord;
  readonly #concurrency: number;
  readonly #reporter: Reporter;

  constructor(run: RunRecord, concurrency: number, reporter: Reporter) {
    this.#run = run;
    this.#concurrency = concurrency;
    this.#reporter = reporter;
  }

  /** Takes segments in and starts what free slots can run. */
  add(segments: readonly Segment[]): void {
    const now = performance.now();
    this.#turnAt = now;
    this.#queue.push(...segments);
    this.#reporter.received(
      segments.reduce((sum, { records }) => sum + records.length, 0),
      now,
    );
    for (let free = Math.min(segments.length, this.#concurrency - this.#running); free > 0; free -= 1)
      void this.#slot();
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  async #slot(): Promise<void> {
    this.#running += 1;
    for (let segment = this.#next(); segment !== undefined; segment = this.#next()) await this.#segment(segment);
    this.#running -= 1;
    if (this.#running === 0) this.#idle?.();
  }

  async #segment({ laneId, records }: Segment): Promise<void> {
    let start = performance.now();
    for (const [index, record] of records.entries()) {
      try {
        const result = this.#run(record);
        if (isThenable(result)) await result;
      } catch (thrown) {
        const now = performance.now();
        this.#reporter.failed(laneId, thrown, records.length - index - 1, now - start, now);
        return;
      }
      const now = performance.now();
      this.#reporter.completed(laneId, now - start, now);
      start = now;
      if (now - this.#turnAt > TURN_MS) {
        await this.#nextTurn();
        start = performance.now();
      }
    }
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

  #next(): Segment | undefined {
    const segment = this.#queue[this.#queueHead];
    if (segment === undefined) {
      this.#queue = [];
      this.#queueHead = 0;
      return undefined;
    }
    this.#queueHead += 1;
    return segment;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

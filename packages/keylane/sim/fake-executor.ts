/**
 * Threads that run on the fake clock: segments in slots, records of a segment one after the other, outcomes told in
 * reports that arrive later than the work was done.
 */
import type { Executor, ExecutorListener, ExecutorThread, ThreadSnapshot } from '../src/executor/executor.ts';
import { ThreadLoad } from '../src/executor/thread-load.ts';
import type { ClientRecord } from '../src/poller/client.ts';
import type { Delivery } from '../src/poller/delivery.ts';
import type { Lane } from '../src/poller/lane.ts';
import { Leases } from '../src/wire/leases.ts';
import type { FakeClock } from './fake-clock.ts';
import type { Random } from './random.ts';

/** What the simulated handler does. */
export interface FakeHandler {
  onStarted(record: ClientRecord, attempt: number): void;
  /** Whether this attempt fails. */
  onEnded(record: ClientRecord, attempt: number): 'completed' | 'failed';
  durationMs(): number;
}

interface Parts {
  readonly clock: FakeClock;
  readonly random: Random;
  readonly handler: FakeHandler;
}

export class FakeExecutor implements Executor {
  readonly threads: readonly FakeThread[];
  readonly leases: Leases = new Leases();
  #listener: ExecutorListener | undefined = undefined;

  constructor(threads: number, slots: number, parts: Parts) {
    this.threads = Array.from({ length: threads }, (_, id) => new FakeThread(id, slots, parts, () => this.#listener));
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
  }

  snapshot(): ThreadSnapshot[] {
    return this.threads.map(({ id, load }) => ({ id, records: load.records, completed: 0, restarts: 0, running: [] }));
  }

  async close(): Promise<void> {
    for (const thread of this.threads) thread.end();
  }
}

interface FakeSegment {
  readonly lane: Lane;
  readonly records: readonly { readonly record: ClientRecord; readonly attempt: number }[];
}

type Outcome = { readonly lane: Lane; readonly error?: Error };

class FakeThread implements ExecutorThread {
  readonly id: number;
  readonly load: ThreadLoad;
  readonly #slots: number;
  readonly #parts: Parts;
  readonly #listener: () => ExecutorListener | undefined;
  #queue: FakeSegment[] = [];
  #running = 0;
  #outcomes: Outcome[] = [];
  #ended = false;

  constructor(id: number, slots: number, parts: Parts, listener: () => ExecutorListener | undefined) {
    this.id = id;
    this.#slots = slots;
    this.load = new ThreadLoad(slots);
    this.#parts = parts;
    this.#listener = listener;
  }

  send(lanes: readonly Lane[]): void {
    const segments = lanes.map((lane) => {
      const records = [];
      let delivery = lane.head as Delivery;
      for (let count = lane.inFlight; count > 0; count -= 1) {
        records.push({ record: delivery.record, attempt: delivery.attempt });
        delivery = delivery.next as Delivery;
      }
      return { lane, records };
    });
    this.#after(this.#parts.random.next(), () => {
      this.#queue.push(...segments);
      while (this.#running < this.#slots && this.#queue.length > 0) {
        this.#running += 1;
        this.#next();
      }
    });
  }

  end(): void {
    this.#ended = true;
  }

  #next(): void {
    const segment = this.#queue.shift();
    if (segment === undefined) this.#running -= 1;
    else this.#run(segment, 0);
  }

  #run({ lane, records }: FakeSegment, index: number): void {
    const { handler } = this.#parts;
    const { record, attempt } = records[index] as FakeSegment['records'][number];
    handler.onStarted(record, attempt);
    this.#after(handler.durationMs(), () => {
      const failed = handler.onEnded(record, attempt) === 'failed';
      this.#tell(failed ? { lane, error: new Error(`attempt ${attempt} of offset ${record.offset}`) } : { lane });
      if (failed || index + 1 === records.length) this.#next();
      else this.#run({ lane, records }, index + 1);
    });
  }

  #tell(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    if (this.#outcomes.length === 1) this.#after(this.#parts.random.next() * 2, () => this.#report());
  }

  #report(): void {
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    const listener = this.#listener() as ExecutorListener;
    for (const { lane, error } of outcomes) {
      const over = error !== undefined || lane.inFlight === 1;
      this.load.records -= error === undefined ? 1 : lane.inFlight;
      if (over) this.load.lanes -= 1;
      if (error === undefined) listener.onCompleted(lane, 1);
      else listener.onFailed(lane, error, 'handle');
    }
    this.load.observe(outcomes.length, outcomes.length, outcomes.length * this.#parts.handler.durationMs(), 0);
    listener.onReported();
  }

  #after(delayMs: number, callback: () => void): void {
    this.#parts.clock.after(delayMs, () => {
      if (!this.#ended) callback();
    });
  }
}

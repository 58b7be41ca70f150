/**
 * Threads that run on the fake clock: segments in slots, records of a segment one after the other, outcomes told in
 * reports that arrive later than the work was done. A thread can die; then what it did not tell is lost, or heard last.
 */
import { ThreadLostError } from '../src/errors.ts';
import type { Executor, ExecutorListener, ExecutorThread, ThreadSnapshot } from '../src/executor/executor.ts';
import { ThreadLoad } from '../src/executor/thread-load.ts';
import { partitionName } from '../src/poller/client.ts';
import type { Clock } from '../src/poller/clock.ts';
import type { Delivery } from '../src/poller/delivery.ts';
import type { Lane } from '../src/poller/lane.ts';
import { Leases } from '../src/wire/leases.ts';
import type { FakeProcess } from './fake-process.ts';
import type { Random } from './random.ts';
import type { Run, Runs } from './runs.ts';

const STAGES = { failed: 'handle', timeout: 'timeout', undecodable: 'deserialize' } as const;

export interface ExecutorParts {
  readonly process: FakeProcess;
  readonly random: Random;
  readonly runs: Runs;
  /** The poller hands this out. */
  readonly onSent: (lane: Lane) => void;
  /** These go in one frame to a thread with this load. */
  readonly onFrame: (frame: readonly Lane[], load: ThreadLoad) => void;
  /** The poller ends the threads. */
  readonly onClose: () => void;
}

export class FakeExecutor implements Executor {
  readonly threads: readonly FakeThread[];
  readonly leases: Leases = new Leases();
  #listener: ExecutorListener | undefined = undefined;
  readonly #parts: ExecutorParts;

  constructor(threads: number, slots: number, parts: ExecutorParts) {
    this.#parts = parts;
    const listener = () => this.#listener as ExecutorListener;
    this.threads = Array.from({ length: threads }, (_, id) => new FakeThread(id, slots, parts, listener));
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
  }

  snapshot(): ThreadSnapshot[] {
    return this.threads.map(({ id, load, restarts }) => ({
      id,
      records: load.records,
      completed: 0,
      restarts,
      running: [],
    }));
  }

  /** What lanes keep that is nobody's any more, if anything: a thread may have them for as long as a handler hangs. */
  kept(): string | undefined {
    for (const { partition, length, inFlight } of this.threads.flatMap(({ lanes }) => lanes)) {
      if (partition.state === 'closed' && length > inFlight)
        return `a lane of ${partitionName(partition)}, which is closed, keeps ${length - inFlight} records`;
    }
    return undefined;
  }

  /** What runs may finish within the time. */
  async close(timeoutMs: number): Promise<void> {
    this.#parts.onClose();
    await new Promise<void>((resolve) => {
      const check = () => this.threads.every(({ idle }) => idle) && resolve();
      for (const thread of this.threads) thread.end(check);
      this.#parts.process.inbox.after(timeoutMs, resolve);
      check();
    });
    for (const thread of this.threads) thread.abort();
  }
}

interface Segment {
  readonly lane: Lane;
  readonly deliveries: readonly Delivery[];
  /** Outcomes that were not told yet. */
  untold: number;
  running: Run | undefined;
}

interface Outcome {
  readonly segment: Segment;
  readonly kind: Exclude<Run['ends'], 'kills'> | 'dropped';
  readonly run: Run | undefined;
}

class FakeThread implements ExecutorThread {
  restarts = 0;
  readonly id: number;
  readonly load: ThreadLoad;
  readonly #slots: number;
  readonly #parts: ExecutorParts;
  readonly #listener: () => ExecutorListener;
  /** Replaced with every session: what belongs to an earlier one is void. */
  #session = {};
  /** Everything given and not told to be over. */
  #segments: Set<Segment> = new Set();
  #queue: Segment[] = [];
  #running = 0;
  /** Died, and not open again: what is sent to it is lost. */
  #dead = false;
  #outcomes: Outcome[] = [];
  #onIdle: (() => void) | undefined = undefined;

  constructor(id: number, slots: number, parts: ExecutorParts, listener: () => ExecutorListener) {
    this.id = id;
    this.#slots = slots;
    this.load = new ThreadLoad(slots);
    this.#parts = parts;
    this.#listener = listener;
  }

  get idle(): boolean {
    return this.#running === 0;
  }

  get lanes(): Lane[] {
    return Array.from(this.#segments, ({ lane }) => lane);
  }

  send(lanes: readonly Lane[]): void {
    for (const lane of lanes) this.#parts.onSent(lane);
    this.#parts.onFrame(lanes, this.load);
    const segments = lanes.map((lane) => ({ lane, deliveries: firstOf(lane), untold: 0, running: undefined }));
    for (const segment of segments) this.#segments.add(segment);
    if (this.#dead) return;
    this.#after(this.#parts.process.threads, 1, () => {
      if (this.#onIdle === undefined) this.#queue.push(...segments);
      while (this.#running < this.#slots && this.#queue.length > 0) {
        this.#running += 1;
        this.#next();
      }
    });
  }

  /** Begins nothing more; calls back whenever it has nothing left that runs. */
  end(onIdle: () => void): void {
    this.#queue = [];
    this.#onIdle = onIdle;
  }

  abort(): void {
    this.#session = {};
    this.#interrupt();
  }

  #next(): void {
    const segment = this.#queue.shift();
    if (segment === undefined) {
      this.#running -= 1;
      if (this.#running === 0) this.#onIdle?.();
    } else this.#run(segment, 0);
  }

  #run(segment: Segment, index: number): void {
    const { runs, process } = this.#parts;
    const { lane, deliveries } = segment;
    const delivery = deliveries[index];
    const dropped = lane.partition.state === 'closed' || this.#onIdle !== undefined;
    if (delivery === undefined || dropped) {
      if (delivery !== undefined) this.#tell({ segment, kind: 'dropped', run: undefined });
      this.#next();
      return;
    }
    const run = runs.start(delivery);
    segment.running = run;
    this.#after(process.threads, run.durationMs, () => this.#ran(segment, index, run));
  }

  #ran(segment: Segment, index: number, run: Run): void {
    const { ends } = run;
    if (ends === 'kills') {
      this.#die();
      return;
    }
    segment.running = undefined;
    this.#parts.runs.end(run);
    this.#tell({ segment, kind: ends, run });
    if (ends === 'completed') this.#run(segment, index + 1);
    else this.#next();
  }

  #tell(outcome: Outcome): void {
    outcome.segment.untold += 1;
    this.#outcomes.push(outcome);
    if (this.#outcomes.length === 1) this.#after(this.#parts.process.inbox, 2, () => this.#report());
  }

  #report(): void {
    const listener = this.#listener();
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    for (const { segment, kind, run } of outcomes) {
      const { lane } = segment;
      segment.untold -= 1;
      if (run !== undefined) this.#parts.runs.told(run);
      if (kind !== 'completed' || lane.inFlight === 1) {
        this.#segments.delete(segment);
        this.load.lanes -= 1;
      }
      this.load.records -= kind === 'completed' ? 1 : lane.inFlight;
      if (kind === 'completed') listener.onCompleted(lane, 1);
      else if (kind === 'dropped') listener.onDropped(lane);
      else listener.onFailed(lane, new Error('the handler threw'), STAGES[kind]);
    }
    const serviceMs = outcomes.reduce((sum, { run }) => sum + (run?.durationMs ?? 0), 0);
    this.load.observe(outcomes.length, serviceMs, 0);
    listener.onReported();
  }

  /** The thread is gone; the poller learns it later, and what was not told yet by chance. */
  #die(): void {
    const { random, process } = this.#parts;
    const suspects = [...this.#segments].filter(({ running }) => running !== undefined);
    const heard = random.chance(0.5);
    this.#dead = true;
    this.#session = {};
    if (!heard) this.#forgetOutcomes();
    this.#interrupt();
    this.#after(process.inbox, 3, () => {
      if (this.#onIdle !== undefined) return;
      if (this.#outcomes.length > 0) this.#report();
      const error = new ThreadLostError('ERR_THREAD_LOST', this.id, `thread ${this.id} was lost`);
      const lanes = [...this.#segments].map(({ lane }) => lane);
      const heads = suspects.filter((segment) => this.#segments.has(segment) && segment.untold === 0);
      this.#segments = new Set();
      this.load.close();
      this.#listener().onThreadLost(
        error,
        lanes,
        heads.map(({ lane }) => lane),
      );
      this.#after(process.inbox, 50, () => this.#reopen());
    });
  }

  /** Those told nothing of come back as they went; their segments know how much they lost. */
  #forgetOutcomes(): void {
    for (const { run } of this.#outcomes) if (run !== undefined) this.#parts.runs.lost(run);
    this.#outcomes = [];
  }

  #reopen(): void {
    this.restarts += 1;
    this.#dead = false;
    this.load.reopen();
    this.#listener().onReported();
  }

  #interrupt(): void {
    for (const { running } of this.#segments) if (running !== undefined) this.#parts.runs.lost(running);
    this.#queue = [];
    this.#running = 0;
    this.#onIdle?.();
  }

  #after(clock: Clock, delayMaxMs: number, callback: () => void): void {
    const session = this.#session;
    clock.after(this.#parts.random.next() * delayMaxMs, () => {
      if (this.#session === session) callback();
    });
  }
}

/** The deliveries that are with the thread. */
function firstOf(lane: Lane): Delivery[] {
  const deliveries: Delivery[] = [];
  for (let delivery = lane.head; deliveries.length < lane.inFlight; delivery = delivery?.next)
    deliveries.push(delivery as Delivery);
  return deliveries;
}

/**
 * The poller's end of one handler thread: its session, and the lanes that are with it, under the ids its reports use.
 * Runs on the poller's thread.
 *
 * Invariant: a lane is under an id from `send` until its segment is over or the session is. What a lost session
 * completed but never told is told from its slots, so it does not run again.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { asError, ConfigurationError } from '../errors.ts';
import type { Delivery } from '../poller/delivery.ts';
import type { Lane } from '../poller/lane.ts';
import { FRAME_RING_BYTES } from '../wire/frame.ts';
import type { FromThread, Report, SessionStart, ToThread } from '../wire/messages.ts';
import { REPORT_RING_BYTES, readReport } from '../wire/report.ts';
import { Ring } from '../wire/ring.ts';
import { type RunningSlot, Slots, type ThreadLook } from '../wire/slots.ts';
import { fromWireError, type WireError } from '../wire/wire-error.ts';
import type { ExecutorListener, ExecutorThread, RunningRecord, ThreadSnapshot } from './executor.ts';
import { FrameWriter, frameEnd } from './frame-writer.ts';
import { AHEAD_RECORDS_MAX, ThreadLoad } from './thread-load.ts';
import type { WatchedThread } from './watchdog.ts';

/** How long a thread may take to end once it was told to stop at once; only native code can hold out so long. */
const TERMINATE_MS = 5_000;

/** What is the same for every session of every thread. */
export type SessionBasis = Omit<SessionStart, 'port' | 'threadId' | 'slots' | 'frames' | 'reports'>;

/** What starts and ends threads. */
export interface SessionHost {
  /** Resolves or rejects when the session ended, and at once when the signal aborts. */
  run(start: SessionStart, signal: AbortSignal): Promise<WireError | undefined>;
  /** Stops a thread, by the number Node gave it; resolves when no code of it runs any more. */
  terminate(nodeThreadId: number): Promise<void>;
}

/** What a lost session leaves. */
export interface Remains {
  /** Every lane that was with it. */
  readonly lanes: readonly Lane[];
  /** Those whose head was with a handler and may be to blame. */
  readonly suspects: readonly Lane[];
  /** Those whose head hung, where the thread was ended for that. */
  readonly hung: readonly Lane[];
  /** Whether it was ended because of a handler that hung. */
  readonly wasEnded: boolean;
  readonly running: readonly RunningRecord[];
}

export class HandlerThread implements ExecutorThread, WatchedThread {
  readonly load: ThreadLoad;
  completed = 0;
  restarts = -1;
  /** Sessions lost, with nothing running, since the last completed record. */
  losses = 0;
  /** The session's end, and why, where it was not a clean one. */
  ended: Promise<Error | undefined> = Promise.resolve(undefined);
  /** Resolves when the session is open, or over. */
  opening: Promise<void> = Promise.resolve();
  readonly id: number;
  readonly #basis: SessionBasis;
  readonly #host: SessionHost;
  #aborter: AbortController = new AbortController();
  /** Why we ended the session, where we did. */
  #hung: { readonly runs: readonly RunningSlot[]; readonly areCertain: boolean } | undefined = undefined;
  #slots: Slots;
  #lanes: (Lane | undefined)[] = [];
  /** How many records each lane was sent with. */
  #sent: number[] = [];
  #freeIds: number[] = [];
  #port: MessagePort | undefined = undefined;
  #writer: FrameWriter | undefined = undefined;

  constructor(id: number, basis: SessionBasis, host: SessionHost) {
    this.id = id;
    this.load = new ThreadLoad(basis.concurrency);
    this.#basis = basis;
    this.#host = host;
    this.#slots = this.#newSlots();
  }

  /**
   * Starts a session and resolves once its handler is open; rejects with a ConfigurationError where it does not load.
   */
  async open(listener: ExecutorListener): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    this.#slots = this.#newSlots();
    this.#hung = undefined;
    this.#aborter = new AbortController();
    const [frames, reports] = [new Ring(FRAME_RING_BYTES), new Ring(REPORT_RING_BYTES)];
    this.#writer = new FrameWriter(frames);
    const start: SessionStart = {
      ...this.#basis,
      port: port2,
      threadId: this.id,
      slots: this.#slots.buffer,
      frames: frames.buffer,
      reports: reports.buffer,
    };
    this.ended = this.#host
      .run(start, this.#aborter.signal)
      .then((failure) => failure && fromWireError(failure), asError);
    this.#port = port1;
    const opening = new Promise<void>((resolve, reject) => {
      port1.on('message', (message: FromThread) => {
        if (typeof message !== 'number' && message.type === 'ready') {
          this.restarts += 1;
          this.load.reopen();
          resolve();
        } else this.#heard(message, reports, listener);
      });
      void this.ended.then((cause) => {
        this.#hearLast(port1, reports, listener);
        reject(loadError(cause));
      });
    });
    this.opening = opening.catch(() => undefined);
    await opening;
  }

  send(lanes: readonly Lane[]): void {
    for (let [first, end] = [0, 0]; first < lanes.length; first = end) {
      end = frameEnd(lanes, first);
      this.#sendFrame(end - first === lanes.length ? lanes : lanes.slice(first, end));
    }
  }

  #sendFrame(lanes: readonly Lane[]): void {
    const ids: number[] = [];
    for (const lane of lanes) {
      const id = this.#freeIds.pop() ?? this.#lanes.length;
      this.#lanes[id] = lane;
      this.#sent[id] = lane.inFlight;
      this.#slots.reset(id);
      ids.push(id);
    }
    const { frame, topics, errors } = (this.#writer as FrameWriter).write(lanes, ids);
    const isPlain = typeof frame === 'number' && topics.length === 0 && errors === undefined;
    const message: ToThread = isPlain ? frame : { type: 'frame', frame, topics, errors };
    this.#port?.postMessage(message, frame instanceof ArrayBuffer ? [frame] : []);
  }

  snapshot(): ThreadSnapshot {
    const { id, load, completed, restarts } = this;
    return { id, records: load.records, completed, restarts, running: this.#running().map(({ record }) => record) };
  }

  look(now: number): ThreadLook | undefined {
    return this.#hung === undefined ? this.#slots.look(now) : undefined;
  }

  endHung(runs: readonly RunningSlot[], areCertain: boolean): void {
    this.#hung = { runs, areCertain };
    void this.#terminate();
  }

  /** What the session had not settled comes back; what it completed without telling is told first. */
  abandon(listener: ExecutorListener): Remains {
    for (const [id, lane] of this.#lanes.entries()) {
      const untold = lane === undefined ? 0 : this.#untold(id, lane);
      if (lane === undefined || untold === 0) continue;
      if (lane.inFlight === untold) this.#lanes[id] = undefined;
      this.#completed(lane, untold, listener);
    }
    const running = this.#running();
    const ended = this.#hung;
    const blamed = running
      .filter(({ run }) => ended === undefined || ended.runs.some((one) => isSame(one, run)))
      .map(({ lane }) => lane);
    // Of several that may hold the event loop up, only one that was alone is known to.
    const areHung = ended !== undefined && (ended.areCertain || blamed.length === 1);
    const lanes = this.#lanes.filter((lane) => lane !== undefined);
    this.#lanes = [];
    this.#freeIds = [];
    this.#port = undefined;
    // Nobody is to find in the old ones what does not run any more.
    this.#slots = this.#newSlots();
    this.load.close();
    const [hung, suspects] = areHung ? [blamed, []] : [[], blamed];
    return { lanes, suspects, hung, wasEnded: ended !== undefined, running: running.map(({ record }) => record) };
  }

  /** Ends what is left of a session that did not open: a module that failed to load fails for good in its thread. */
  async discard(): Promise<void> {
    await this.#terminate();
  }

  /** Lets the thread finish what it runs and close its handler; resolves when it did. */
  async end(): Promise<void> {
    this.#port?.postMessage({ type: 'end' } satisfies ToThread);
    await this.ended;
  }

  #newSlots(): Slots {
    const { concurrency } = this.#basis;
    return new Slots(concurrency, concurrency + AHEAD_RECORDS_MAX + 1);
  }

  /**
   * Not by the session's signal: that gives the lanes back at once, while the thread may still run their records.
   */
  async #terminate(): Promise<void> {
    const timer = setTimeout(() => this.#aborter.abort(), TERMINATE_MS).unref();
    await this.#host.terminate(this.#slots.threadId);
    clearTimeout(timer);
  }

  /** Records of the lane's segment that completed and were in no report. */
  #untold(id: number, lane: Lane): number {
    const told = (this.#sent[id] as number) - lane.inFlight;
    return Math.max(0, this.#slots.completedOf(id) - told);
  }

  /** What is with a handler, as far as the slots say: they change while we read. */
  #running(): { run: RunningSlot; lane: Lane; record: RunningRecord }[] {
    return this.#slots.running(performance.now()).flatMap((run) => {
      const lane = this.#lanes[run.laneId];
      if (lane === undefined) return [];
      let delivery: Delivery | undefined = lane.head;
      for (let ahead = this.#untold(run.laneId, lane); ahead > 0; ahead -= 1) delivery = delivery?.next;
      if (delivery === undefined) return [];
      const { topic, partition } = lane.partition;
      const { attempt, record } = delivery;
      return [{ run, lane, record: { topic, partition, offset: record.offset, attempt, runningMs: run.runningMs } }];
    });
  }

  /** What the thread still told before it ended may lie unread: what completed must not run again. */
  #hearLast(port: MessagePort, reports: Ring, listener: ExecutorListener): void {
    for (let last = receiveMessageOnPort(port); last !== undefined; last = receiveMessageOnPort(port)) {
      const message = last.message as FromThread;
      if (typeof message === 'number' || message.type === 'report') this.#heard(message, reports, listener);
    }
    port.close();
  }

  #heard(message: number | Report, reports: Ring, listener: ExecutorListener): void {
    if (typeof message !== 'number') this.#reported(message, listener);
    else readReport(reports, message, (report) => this.#reported(report, listener));
  }

  #reported({ completed, failed, dropped, serviceMs, activeMs }: Report, listener: ExecutorListener): void {
    const before = this.load.records;
    for (let index = 0; index < completed.length; index += 2) {
      const id = completed[index] as number;
      const count = completed[index + 1] as number;
      const lane = this.#lanes[id] as Lane;
      this.load.records -= count;
      if (lane.inFlight === count) this.#release(id);
      this.#completed(lane, count, listener);
    }
    for (const { laneId, error, stage } of failed) {
      listener.onFailed(this.#stopped(laneId), fromWireError(error), stage);
    }
    for (const laneId of dropped) listener.onDropped(this.#stopped(laneId));
    this.load.observe(before - this.load.records, serviceMs, activeMs);
    listener.onReported();
  }

  #completed(lane: Lane, count: number, listener: ExecutorListener): void {
    this.completed += count;
    this.losses = 0;
    listener.onCompleted(lane, count);
  }

  /** The lane's segment is over before its end; what is left of it did not run. */
  #stopped(id: number): Lane {
    const lane = this.#lanes[id] as Lane;
    this.load.records -= lane.inFlight;
    this.#release(id);
    return lane;
  }

  #release(id: number): void {
    this.#lanes[id] = undefined;
    this.#freeIds.push(id);
    this.load.lanes -= 1;
  }
}

function isSame(one: RunningSlot, other: RunningSlot): boolean {
  return one.slot === other.slot && one.sequence === other.sequence;
}

function loadError(cause: Error | undefined): ConfigurationError {
  const problem = `the handler module could not be opened: ${cause?.message ?? 'its thread ended'}`;
  return new ConfigurationError('ERR_HANDLER_LOAD', [problem], { cause });
}

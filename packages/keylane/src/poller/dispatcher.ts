/**
 * Decides which lane goes to which thread, and when. Runs on the poller's thread; between the lanes and the executor.
 *
 * A lane joins the ready lanes of the thread its key prefers, so a key's caches stay warm there; a thread with free
 * slots and nothing of its own takes from the one with the most. Among ready lanes the one whose first record has
 * waited longest goes first: rotation would let a busy key fall behind all others (docs/adr/0003). Where handlers take
 * long, half of the slots go to the lanes that are furthest behind, and the others are shared out among partitions
 * (docs/adr/0011).
 *
 * A lane whose key is parked goes to the park topic instead, record by record, when its turn comes.
 *
 * A lane whose first record may have ended a thread runs it alone: the lane's own thread is fed no more until it is
 * empty, gets that one record, and nothing beside it until it is settled.
 *
 * Invariant: a lane is either idle, or in one place: in one thread's ready lanes, held by its partition, with a
 * thread, leaving, or waiting for a retry.
 */
import { assert } from '../errors.ts';
import type { ExecutorThread, ThreadLoadView } from '../executor/executor.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Lane, LaneCount, LanePartition } from './lane.ts';
import { type Choice, SharedLanes } from './shared-lanes.ts';

/** What limits the hand-out; see `breaker.ts`. */
export interface HandOut {
  /** How many records may be handed out now. */
  readonly room: number;
  /** The lane's segment goes to a thread. */
  onHandedOut(lane: Lane): void;
  /** A lane to go on with where none is ready; asked for when there is room for one record. */
  takeAside(): Lane | undefined;
}

const UNLIMITED: HandOut = { room: Infinity, onHandedOut: () => undefined, takeAside: () => undefined };

export class Dispatcher {
  readonly #threads: readonly ExecutorThread[];
  readonly #ready: readonly SharedLanes[];
  readonly #stealing: boolean;
  /** Partitions that hold lanes back until records before them complete. */
  readonly #behind: Set<LanePartition> = new Set();
  /** For each thread: lanes whose head must run alone, and whether one of them does. */
  readonly #alone: readonly { readonly waiting: Lane[]; runs: boolean }[];
  #first = 0;
  /** Lanes in flight that were the most urgent, whatever their partition. */
  readonly #urgent: LaneCount = { lanes: 0 };

  readonly #onFollows: (lane: Lane) => void;
  readonly #handOut: HandOut;

  /**
   * @param onFollows is given the lanes whose head goes to the park topic instead of a thread
   * @param handOut limits how much is handed out
   */
  constructor(
    threads: readonly ExecutorThread[],
    { affinity }: Pick<ResolvedOptions, 'affinity'>,
    onFollows: (lane: Lane) => void = () => assert(false, 'a record was to follow a parked key, and nothing is parked'),
    handOut: HandOut = UNLIMITED,
  ) {
    this.#handOut = handOut;
    this.#onFollows = onFollows;
    this.#threads = threads;
    this.#ready = threads.map(() => new SharedLanes());
    this.#alone = threads.map(() => ({ waiting: [], runs: false }));
    this.#stealing = affinity === 'preferred' && threads.length > 1;
  }

  /** Lanes that could run now. */
  get readyLanes(): number {
    return this.#threads.reduce((sum, { id }) => sum + this.#readyOn(id), 0);
  }

  /** Whether handlers take so long that it matters when their threads are fed; until any ran they are thought to. */
  get slow(): boolean {
    const ran = this.#threads.filter(({ load }) => load.measured);
    return ran.length === 0 || ran.some(({ load }) => load.slow);
  }

  /** How many records can run at once. */
  get slots(): number {
    return this.#threads.reduce((sum, { load }) => sum + load.slots, 0);
  }

  /** The lane has a record to run and nothing in its way: it arrived, came back, or its delay is over. */
  enqueue(lane: Lane): void {
    assert(lane.state !== 'ready' && lane.state !== 'in-flight', 'a lane was enqueued in the state', lane.state);
    assert(lane.length > 0, 'an empty lane was enqueued');
    lane.state = 'ready';
    if (lane.head?.alone) this.#alone[lane.thread]?.waiting.push(lane);
    else (this.#ready[lane.thread] as SharedLanes).push(lane);
  }

  /** Gives every thread that wants some a frame of the ready lanes that are next. */
  dispatch(): void {
    for (const partition of this.#behind) this.release(partition);
    this.#feedAll();
    while (this.#handOut.room === 1 && this.#hasIdle()) {
      const aside = this.#handOut.takeAside();
      if (aside === undefined) break;
      this.enqueue(aside);
      this.#feedAll();
    }
  }

  /** Whether a thread has nothing of its own that could run, and wants some. */
  #hasIdle(): boolean {
    return this.#threads.some(({ id, load }) => load.hungry && this.#readyOn(id) === 0);
  }

  #readyOn(thread: number): number {
    return (this.#ready[thread] as SharedLanes).size + (this.#alone[thread]?.waiting.length ?? 0);
  }

  #feedAll(): void {
    // The first to choose changes, so that no thread is always served last.
    this.#first = (this.#first + 1) % this.#threads.length;
    for (let turn = 0; turn < this.#threads.length; turn += 1) {
      this.#feed(this.#threadAt(turn), ({ id }) => ((this.#ready[id] as SharedLanes).size > 0 ? id : undefined));
    }
    if (!this.#stealing) return;
    for (let turn = 0; turn < this.#threads.length; turn += 1) {
      this.#feed(this.#threadAt(turn), this.#stealer());
    }
  }

  /** What was held may be handed out by now: a pause is over, or the offset map has room again. */
  release(partition: LanePartition): void {
    for (const lane of partition.release()) this.enqueue(lane);
    if (partition.holding && partition.handsOut) this.#behind.add(partition);
    else this.#behind.delete(partition);
  }

  #threadAt(turn: number): ExecutorThread {
    return this.#threads[(this.#first + turn) % this.#threads.length] as ExecutorThread;
  }

  /** Fills one frame from the ready lanes of the thread that `source` names, for as long as it names one. */
  #feed(thread: ExecutorThread, source: (thread: ExecutorThread) => number | undefined): void {
    const { load } = thread;
    if (!load.hungry || this.#handOut.room === 0 || this.#isReserved(thread)) return;
    const frame: Lane[] = [];
    const slots = load.slow ? this.slots : 0;
    for (let room = this.#roomOf(load); room > 0; room = this.#roomOf(load)) {
      const from = source(thread);
      if (from === undefined) break;
      const lane = this.#takeNext(from, load, room, slots);
      if (lane !== undefined) frame.push(lane);
    }
    if (frame.length > 0) thread.send(frame);
  }

  /** Whether the thread is kept for a record that must run alone; sends it there once nothing else is left. */
  #isReserved(thread: ExecutorThread): boolean {
    const alone = this.#alone[thread.id] as { waiting: Lane[]; runs: boolean };
    if (thread.load.records > 0 && alone.runs) return true;
    alone.runs = false;
    while (alone.waiting[0]?.partition.handsOut === false) this.#hold(alone.waiting.shift() as Lane);
    const [lane] = alone.waiting;
    if (lane === undefined) return false;
    if (thread.load.records > 0) return true;
    alone.waiting.shift();
    alone.runs = true;
    this.#take(lane, 1, thread.load);
    thread.send([lane]);
    return true;
  }

  /** How many records the next segment for a thread may have. */
  #roomOf(load: ThreadLoadView): number {
    return Math.min(load.segmentRoom(), this.#handOut.room);
  }

  #choice({ slow }: ThreadLoadView, slots: number): Choice {
    if (!slow) return 'oldest';
    return this.#urgent.lanes < slots / 2 ? 'urgent' : 'fair';
  }

  #take(lane: Lane, count: number, load: ThreadLoadView, counted?: LaneCount): void {
    lane.take(count, counted);
    load.add(count);
    this.#handOut.onHandedOut(lane);
  }

  /**
   * Takes as many records as there is room for of the next of a thread's own lanes that may be handed out; those that
   * may not are given to their partitions.
   */
  #takeNext(from: number, load: ThreadLoadView, room: number, slots: number): Lane | undefined {
    const lanes = this.#ready[from] as SharedLanes;
    const choice = this.#choice(load, slots);
    for (let lane = lanes.pop(choice, slots); lane !== undefined; lane = lanes.pop(choice, slots)) {
      const { partition } = lane;
      const count = partition.handsOut ? partition.admits(lane, Math.min(lane.length, room)) : 0;
      if (count === 0) this.#hold(lane);
      else if (lane.mustFollow) this.#follow(lane);
      else {
        this.#take(lane, count, load, choice === 'urgent' ? this.#urgent : undefined);
        return lane;
      }
    }
    return undefined;
  }

  #follow(lane: Lane): void {
    lane.state = 'idle';
    this.#onFollows(lane);
  }

  /** The partition hands nothing out, or the offset map has no room for this lane's first record. */
  #hold(lane: Lane): void {
    if (lane.partition.handsOut) this.#behind.add(lane.partition);
    lane.state = 'held';
    lane.partition.hold(lane);
  }

  /** Names a thread to take from for as long as it has any, and only to one with free slots. */
  #stealer(): (thread: ExecutorThread) => number | undefined {
    let from: number | undefined;
    return ({ load }) => {
      if (load.freeSlots === 0) return undefined;
      if (from === undefined || this.#ready[from]?.size === 0) from = this.#fullest();
      return from;
    };
  }

  #fullest(): number | undefined {
    let fullest: number | undefined;
    let most = 0;
    for (const [thread, lanes] of this.#ready.entries()) {
      if (lanes.size > most) [fullest, most] = [thread, lanes.size];
    }
    return fullest;
  }
}

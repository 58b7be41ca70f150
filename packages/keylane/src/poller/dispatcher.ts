/**
 * Decides which lane goes to which thread, and when. Runs on the poller's thread; between the lanes and the executor.
 *
 * A lane joins the ready lanes of the thread its key prefers, so a key's caches stay warm there; a thread with free
 * slots and nothing of its own takes from the one with the most. Among ready lanes the one whose first record has
 * waited longest goes first: rotation would let a busy key fall behind all others (docs/adr/0003).
 *
 * Invariant: a lane is either idle, or in one place: in one thread's ready lanes, held by its partition, with a
 * thread, or waiting for a retry.
 */
import { assert } from '../errors.ts';
import type { ExecutorThread } from '../executor/executor.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Lane, LanePartition } from './lane.ts';
import { ReadyLanes } from './ready-lanes.ts';

export class Dispatcher {
  readonly #threads: readonly ExecutorThread[];
  readonly #ready: readonly ReadyLanes[];
  readonly #stealing: boolean;
  /** Partitions that hold lanes back until records before them complete. */
  readonly #behind: Set<LanePartition> = new Set();
  #first = 0;

  constructor(threads: readonly ExecutorThread[], { affinity }: Pick<ResolvedOptions, 'affinity'>) {
    this.#threads = threads;
    this.#ready = threads.map(() => new ReadyLanes());
    this.#stealing = affinity === 'preferred' && threads.length > 1;
  }

  /** Lanes that could run now. */
  get readyLanes(): number {
    return this.#ready.reduce((sum, lanes) => sum + lanes.size, 0);
  }

  /** The lane has a record to run and nothing in its way: it arrived, came back, or its delay is over. */
  enqueue(lane: Lane): void {
    assert(lane.state !== 'ready' && lane.state !== 'in-flight', `a lane that is ${lane.state} was enqueued`);
    assert(lane.length > 0, 'an empty lane was enqueued');
    lane.state = 'ready';
    (this.#ready[lane.thread] as ReadyLanes).push(lane);
  }

  /** Gives every thread that wants some a frame of the oldest ready lanes. */
  dispatch(): void {
    for (const partition of this.#behind) this.release(partition);
    // The first to choose changes, so that no thread is always served last.
    this.#first = (this.#first + 1) % this.#threads.length;
    for (let turn = 0; turn < this.#threads.length; turn += 1) {
      this.#feed(this.#threadAt(turn), ({ id }) => ((this.#ready[id] as ReadyLanes).size > 0 ? id : undefined));
    }
    if (!this.#stealing) return;
    for (let turn = 0; turn < this.#threads.length; turn += 1) {
      this.#feed(this.#threadAt(turn), (thread) => (thread.load.freeSlots > 0 ? this.#fullest() : undefined));
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
    if (!load.hungry) return;
    const frame: Lane[] = [];
    for (let room = load.segmentRoom(); room > 0; room = load.segmentRoom()) {
      const from = source(thread);
      if (from === undefined) break;
      const lane = this.#take(from);
      if (lane === undefined) continue;
      const count = lane.partition.admits(lane, Math.min(lane.length, room));
      lane.take(count);
      load.add(count);
      frame.push(lane);
    }
    if (frame.length > 0) thread.send(frame);
  }

  /** The oldest lane of a thread's own that may be handed out; those that may not are given to their partitions. */
  #take(thread: number): Lane | undefined {
    const lanes = this.#ready[thread] as ReadyLanes;
    for (let lane = lanes.pop(); lane !== undefined; lane = lanes.pop()) {
      const { partition } = lane;
      if (partition.handsOut && partition.admits(lane, 1) === 1) return lane;
      if (partition.handsOut) this.#behind.add(partition);
      lane.state = 'held';
      partition.hold(lane);
    }
    return undefined;
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

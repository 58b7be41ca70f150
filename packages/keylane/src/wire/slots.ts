/**
 * What a handler thread is doing, in memory it shares with the poller: which record runs in each of its slots since
 * when, and how far each lane came. So the poller sees a thread that can tell nothing any more, because it hangs or is
 * gone. The thread writes, the poller reads, both through Atomics.
 *
 *     threadId    1 × int32    the number Node gave the thread
 *     turns       1 × int32    grows while its event loop turns and a handler runs
 *     called      1 × int32    1 + the slot whose handler was called and has not returned yet; 0 for none
 *     slots       3 × int32    per slot: sequence, lane id, start
 *     lanes       1 × int32    per lane id: records of its segment that completed
 *
 * Invariant: a sequence is odd exactly while a handler runs, and nothing else of its slot, nor what its lane completed,
 * changes while it is. So a reader that finds the same odd sequence before and after has read one run, whole, wherever
 * a thread was stopped.
 */

const TURNS = 1;
const CALLED = 2;
const HEAD_WORDS = 3;
const SLOT_WORDS = 3;

/**
 * From `performance.now()`, which starts with each thread, to a clock that all threads of the process share. Taken from
 * the monotonic clock: the time of day may be set while threads run.
 */
const SHARED_CLOCK_MS = Number(process.hrtime.bigint() / 1_000n) / 1_000 - performance.now();

/** A slot in which a handler runs. */
export interface RunningSlot {
  readonly slot: number;
  /** Names this run: the next one in the slot has another. */
  readonly sequence: number;
  readonly laneId: number;
  /** Since the handler was called. */
  readonly runningMs: number;
}

/** What a thread does at a moment. */
export interface ThreadLook {
  /** Differs between two looks where the thread's event loop turned. */
  readonly turns: number;
  /** The slot that keeps the event loop from turning; `undefined` where none is known to. */
  readonly called: number | undefined;
  readonly running: readonly RunningSlot[];
}

export class Slots {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #lanesAt: number;
  readonly #slots: number;

  /** @param buffer what the other side made; without it, memory for `lanes` lane ids is made */
  constructor(slots: number, lanes: number, buffer?: SharedArrayBuffer) {
    this.#slots = slots;
    this.#lanesAt = HEAD_WORDS + slots * SLOT_WORDS;
    this.buffer = buffer ?? new SharedArrayBuffer((this.#lanesAt + lanes) * Int32Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(this.buffer);
  }

  // The thread's side; `begin`, `end` and `completed` are on every record's way and allocate nothing.

  /** The thread says which one it is. */
  claim(threadId: number): void {
    Atomics.store(this.#words, 0, threadId);
  }

  /** A handler is about to be called; `now` is the thread's `performance.now()`. */
  begin(slot: number, laneId: number, now: number): void {
    const words = this.#words;
    const at = HEAD_WORDS + slot * SLOT_WORDS;
    const start = (now + SHARED_CLOCK_MS) | 0;
    // Nobody else writes these, so what stands there need not be written again: a store for others costs 20 ns.
    if (words[at + 1] !== laneId) Atomics.store(words, at + 1, laneId);
    if (words[at + 2] !== start) Atomics.store(words, at + 2, start);
    Atomics.store(words, at, ((words[at] as number) + 1) | 0);
    Atomics.store(words, CALLED, slot + 1);
  }

  /** The handler that was called returned a promise: it holds the event loop up no more. */
  waits(): void {
    Atomics.store(this.#words, CALLED, 0);
  }

  /** It returned, threw or settled: nothing of the slot runs. */
  end(slot: number): void {
    const words = this.#words;
    const at = HEAD_WORDS + slot * SLOT_WORDS;
    if (words[CALLED] !== 0) Atomics.store(words, CALLED, 0);
    Atomics.store(words, at, ((words[at] as number) + 1) | 0);
  }

  /** The event loop turned. */
  turned(): void {
    Atomics.add(this.#words, TURNS, 1);
  }

  /** That many records of the lane's segment completed; said after `end`. */
  completed(laneId: number, records: number): void {
    const at = this.#lanesAt + laneId;
    if (at < this.#words.length) Atomics.store(this.#words, at, records);
  }

  // The poller's side.

  /** The number Node gave the thread; 0 before it said so. */
  get threadId(): number {
    return Atomics.load(this.#words, 0);
  }

  /** A segment is about to be sent under this id; the message that brings it shows the thread this as well. */
  reset(laneId: number): void {
    const at = this.#lanesAt + laneId;
    if (at < this.#words.length) this.#words[at] = 0;
  }

  /** Records of the lane's segment that completed, told in a report or not. */
  completedOf(laneId: number): number {
    return Atomics.load(this.#words, this.#lanesAt + laneId);
  }

  look(now: number): ThreadLook {
    const [turns, called] = [Atomics.load(this.#words, TURNS), Atomics.load(this.#words, CALLED)];
    return { turns, called: called === 0 ? undefined : called - 1, running: this.running(now) };
  }

  /** What runs at this moment; `now` is the reader's `performance.now()`. */
  running(now: number): RunningSlot[] {
    const running = [];
    for (let slot = 0; slot < this.#slots; slot += 1) {
      const read = this.#read(slot, now);
      if (read !== undefined) running.push(read);
    }
    return running;
  }

  /** A slot whose record changes while it is read does not hang, so it counts as free. */
  #read(slot: number, now: number): RunningSlot | undefined {
    const at = HEAD_WORDS + slot * SLOT_WORDS;
    const sequence = Atomics.load(this.#words, at);
    if ((sequence & 1) === 0) return undefined;
    const laneId = Atomics.load(this.#words, at + 1);
    // Both are cut to 32 bits, and so is their difference: it holds for runs of up to 24 days.
    const runningMs = (((now + SHARED_CLOCK_MS) | 0) - Atomics.load(this.#words, at + 2)) | 0;
    if (Atomics.load(this.#words, at) !== sequence) return undefined;
    return { slot, sequence, laneId, runningMs: Math.max(0, runningMs) };
  }
}

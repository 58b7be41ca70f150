/**
 * Threads that run nothing: the records they hold are complete as soon as their turn comes, the oldest first. What they
 * say of their handlers is that these wait.
 */
import type { Executor, ExecutorListener, ExecutorThread } from '../../packages/keylane/dist/executor/executor.js';
import type { ThreadLoad } from '../../packages/keylane/dist/executor/thread-load.js';
import type { Lane } from '../../packages/keylane/dist/poller/lane.js';
import type { Leases } from '../../packages/keylane/dist/wire/leases.js';
import { loadBuilt } from './built.ts';
import { Ring } from './ring.ts';

const threadLoad = await loadBuilt('executor/thread-load.js');
const leases = await loadBuilt('wire/leases.js');

class InstantThread implements ExecutorThread {
  readonly id: number;
  readonly load: ThreadLoad;
  readonly lanes: Ring<Lane>;

  constructor(id: number, slots: number) {
    this.id = id;
    this.load = new threadLoad.ThreadLoad(slots);
    this.lanes = new Ring(slots + threadLoad.AHEAD_RECORDS_MAX);
  }

  send(lanes: readonly Lane[]): void {
    for (const lane of lanes) this.lanes.push(lane);
  }
}

export interface InstantOptions {
  readonly threads: number;
  /** Of each thread. */
  readonly slots: number;
  /** How long a handler is said to wait, in milliseconds. */
  readonly handlerMs: number;
  /** The most records of one report. */
  readonly reportRecords: number;
}

export class InstantExecutor implements Executor {
  readonly threads: readonly InstantThread[];
  readonly leases: Leases = new leases.Leases();
  #listener: ExecutorListener | undefined = undefined;
  #turn = 0;
  readonly #options: InstantOptions;

  constructor(options: InstantOptions) {
    this.#options = options;
    this.threads = Array.from({ length: options.threads }, (_, id) => new InstantThread(id, options.slots));
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
  }

  /** The next thread reports what is complete. */
  step(): void {
    const listener = this.#listener as ExecutorListener;
    const { handlerMs, reportRecords } = this.#options;
    const { load, lanes } = this.threads[this.#turn] as InstantThread;
    this.#turn = (this.#turn + 1) % this.threads.length;
    let records = 0;
    while (records < reportRecords) {
      const lane = lanes.shift();
      if (lane === undefined) break;
      const { inFlight } = lane;
      records += inFlight;
      load.records -= inFlight;
      load.lanes -= 1;
      listener.onCompleted(lane, inFlight);
    }
    if (records === 0) return;
    load.observe(records, records * handlerMs, 0);
    listener.onReported();
  }

  snapshot(): [] {
    return [];
  }

  async close(): Promise<void> {}
}

/**
 * Runs handlers in worker threads: one long-lived Piscina task (a session) per thread, fed with frames over its
 * MessagePort. Runs on the poller's thread; the only importer of piscina.
 *
 * Piscina starts threads, limits their resources, replaces one that died and ends one on abort. The session's promise
 * is the thread's life: while it is pending its lanes are with it; when it settles early they all come back.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { asError, ConfigurationError, type KeylaneError, ThreadLostError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Lane } from '../poller/lane.ts';
import type { FromThread, Report, SessionStart, ToThread } from '../wire/messages.ts';
import { fromWireError, type WireError } from '../wire/wire-error.ts';
import type { Executor, ExecutorListener, ExecutorThread, ThreadSnapshot } from './executor.ts';
import { FrameWriter } from './frame-writer.ts';
import { ThreadLoad } from './thread-load.ts';

/** A thread that ends this often without completing a record in between will not get better by itself. */
const LOSSES_MAX = 5;

export type ThreadOptions = Pick<ResolvedOptions, 'threads' | 'concurrencyPerThread' | 'threadOptions' | 'handlerData'>;

export class ThreadExecutor implements Executor {
  readonly threads: readonly HandlerThread[];
  readonly #pool: Piscina;
  #listener: ExecutorListener | undefined = undefined;
  #closing = false;

  constructor(handlerUrl: string, options: ThreadOptions) {
    const { threads, concurrencyPerThread, threadOptions, handlerData } = options;
    this.#pool = new Piscina({
      filename: new URL('../worker/entry.js', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      // Piscina's default parks an idle thread in Atomics.wait, where no timer of its own runs.
      atomics: 'disabled',
      ...threadOptions,
    });
    const start = { handlerUrl, concurrency: concurrencyPerThread, handlerData };
    this.threads = Array.from({ length: threads }, (_, id) => new HandlerThread(id, start, this.#pool));
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
    try {
      await Promise.all(this.threads.map((thread) => this.#open(thread)));
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  snapshot(): ThreadSnapshot[] {
    return this.threads.map(({ id, load, completed, restarts }) => ({
      id,
      records: load.records,
      completed,
      restarts,
    }));
  }

  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    const ends = Promise.all(this.threads.map((thread) => thread.end()));
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([ends, new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)))]);
    clearTimeout(timer);
    for (const thread of this.threads) thread.abort();
    await this.#pool.destroy();
  }

  /** Opens the thread's session; from then on watches it, and opens the next one should it end by itself. */
  async #open(thread: HandlerThread): Promise<void> {
    await thread.open(this.#listener as ExecutorListener);
    void thread.ended.then((cause) => this.#lost(thread, cause));
  }

  async #lost(thread: HandlerThread, cause: Error | undefined): Promise<void> {
    if (this.#closing) return;
    const listener = this.#listener as ExecutorListener;
    const reason = cause?.message ?? 'it ended without being told to';
    const lanes = thread.abandon();
    const text = `handler thread ${thread.id} was lost: ${reason}`;
    listener.onThreadLost(new ThreadLostError('ERR_THREAD_LOST', thread.id, text, cause), lanes, []);
    if (thread.losses >= LOSSES_MAX) {
      listener.onFatal(crashLoop(thread.id, reason, cause));
      return;
    }
    try {
      await this.#open(thread);
      listener.onReported();
    } catch (failure) {
      if (!this.#closing) listener.onFatal(failure as KeylaneError);
    }
  }
}

function crashLoop(threadId: number, reason: string, cause: Error | undefined): ThreadLostError {
  const message =
    `handler thread ${threadId} was lost ${LOSSES_MAX} times without completing a record in between: ${reason}. ` +
    'Look for what ends the thread in the handler module, or raise threadOptions.resourceLimits if it ran out of memory.';
  return new ThreadLostError('ERR_THREAD_CRASH_LOOP', threadId, message, cause);
}

/** The poller's end of one handler thread: the lanes that are with it, under the ids its reports use. */
class HandlerThread implements ExecutorThread {
  readonly load: ThreadLoad;
  completed = 0;
  restarts = -1;
  /** Sessions lost since the last completed record. */
  losses = 0;
  /** The session's end, and why, where it was not a clean one. */
  ended: Promise<Error | undefined> = Promise.resolve(undefined);
  readonly id: number;
  readonly #start: Omit<SessionStart, 'port' | 'threadId'>;
  readonly #pool: Piscina;
  readonly #aborter: AbortController = new AbortController();
  #lanes: (Lane | undefined)[] = [];
  #freeIds: number[] = [];
  #port: MessagePort | undefined = undefined;
  #writer: FrameWriter = new FrameWriter();

  constructor(id: number, start: Omit<SessionStart, 'port' | 'threadId'>, pool: Piscina) {
    this.id = id;
    this.load = new ThreadLoad(start.concurrency);
    this.#start = start;
    this.#pool = pool;
  }

  /**
   * Starts a session and resolves once its handler is open; rejects with a ConfigurationError where it does not load.
   */
  async open(listener: ExecutorListener): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    const start: SessionStart = { ...this.#start, port: port2, threadId: this.id };
    this.ended = this.#pool
      .run(start, { transferList: [port2], signal: this.#aborter.signal })
      .then((failure: WireError | undefined) => failure && fromWireError(failure), asError);
    this.#port = port1;
    this.#writer = new FrameWriter();
    this.restarts += 1;
    await new Promise<void>((resolve, reject) => {
      port1.on('message', (message: FromThread) => {
        if (message.type === 'ready') {
          this.load.reopen();
          resolve();
        } else this.#reported(message, listener);
      });
      void this.ended.then((cause) => {
        this.#hearLast(port1, listener);
        reject(loadError(cause));
      });
    });
  }

  send(lanes: readonly Lane[]): void {
    const ids = lanes.map((lane) => {
      const id = this.#freeIds.pop() ?? this.#lanes.length;
      this.#lanes[id] = lane;
      return id;
    });
    const { buffer, topics } = this.#writer.write(lanes, ids);
    this.#port?.postMessage({ type: 'frame', buffer, topics } satisfies ToThread, [buffer]);
  }

  /** What the thread still told before it ended may lie unread: what completed must not run again. */
  #hearLast(port: MessagePort, listener: ExecutorListener): void {
    for (let last = receiveMessageOnPort(port); last !== undefined; last = receiveMessageOnPort(port)) {
      if ((last.message as FromThread).type === 'report') this.#reported(last.message as Report, listener);
    }
    port.close();
  }

  /** Everything that was with the thread comes back. */
  abandon(): Lane[] {
    const lanes = this.#lanes.filter((lane) => lane !== undefined);
    this.#lanes = [];
    this.#freeIds = [];
    this.#port = undefined;
    this.losses += 1;
    this.load.close();
    return lanes;
  }

  /** Lets the thread finish what it runs and close its handler; resolves when it did. */
  async end(): Promise<void> {
    this.#port?.postMessage({ type: 'end' } satisfies ToThread);
    await this.ended;
  }

  /** Ends the thread wherever it is. */
  abort(): void {
    this.#aborter.abort();
  }

  #reported({ completed, failed, busyMs, serviceMs, activeMs }: Report, listener: ExecutorListener): void {
    const before = this.load.records;
    for (let index = 0; index < completed.length; index += 2) {
      const id = completed[index] as number;
      const count = completed[index + 1] as number;
      const lane = this.#lanes[id] as Lane;
      this.load.records -= count;
      this.completed += count;
      if (lane.inFlight === count) this.#release(id);
      listener.onCompleted(lane, count);
    }
    for (const { laneId, error } of failed) {
      const lane = this.#lanes[laneId] as Lane;
      this.load.records -= lane.inFlight;
      this.#release(laneId);
      listener.onFailed(lane, fromWireError(error), 'handle');
    }
    if (completed.length > 0) this.losses = 0;
    this.load.observe(before - this.load.records, busyMs, serviceMs, activeMs);
    listener.onReported();
  }

  #release(id: number): void {
    this.#lanes[id] = undefined;
    this.#freeIds.push(id);
    this.load.lanes -= 1;
  }
}

function loadError(cause: Error | undefined): ConfigurationError {
  const problem = `the handler module could not be opened: ${cause?.message ?? 'its thread ended'}`;
  return new ConfigurationError('ERR_HANDLER_LOAD', [problem], { cause });
}

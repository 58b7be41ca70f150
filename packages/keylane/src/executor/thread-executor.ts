/**
 * Runs handlers in worker threads: one long-lived Piscina task (a session) per thread, fed with frames over its
 * MessagePort. Runs on the poller's thread; the only importer of piscina.
 *
 * Piscina starts threads, limits their resources, replaces one that died and ends one on abort. The session's promise
 * is the thread's life: while it is pending its lanes are with it; when it settles early they all come back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Piscina } from 'piscina';
import { asError, hungError, type KeylaneError, ThreadLostError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import { systemClock, within } from '../poller/clock.ts';
import { Leases } from '../wire/leases.ts';
import type { Executor, ExecutorListener, ThreadSnapshot } from './executor.ts';
import { HandlerThread, type Remains, type SessionHost } from './handler-thread.ts';
import { Loading } from './loading.ts';
import { Watchdog } from './watchdog.ts';

/** Ending so often with nothing running, and nothing completed in between, a thread will not get better by itself. */
const LOSSES_MAX = 5;
/** Between attempts to open a thread again; doubles up to the longest. */
const REOPEN_DELAY_MS = 100;
const REOPEN_DELAY_MS_MAX = 2_000;
/** How long a close waits for threads that load or open: less than the pipeline waits for the close. */
const LOADING_MS = 4_500;

export type ThreadOptions = Pick<
  ResolvedOptions,
  'threads' | 'concurrencyPerThread' | 'threadOptions' | 'handlerData' | 'handlerTimeoutMs' | 'handlerAbortGraceMs'
>;

export class ThreadExecutor implements Executor {
  readonly threads: readonly HandlerThread[];
  readonly leases: Leases = new Leases();
  readonly #options: ThreadOptions;
  readonly #pool: Piscina;
  readonly #loading: Loading;
  readonly #watchdog: Watchdog;
  readonly #closing: AbortController = new AbortController();
  #listener: ExecutorListener | undefined = undefined;

  constructor(handlerUrl: string, options: ThreadOptions) {
    const { threads, concurrencyPerThread, threadOptions, handlerData, handlerTimeoutMs } = options;
    this.#options = options;
    this.#pool = new Piscina({
      filename: new URL('../worker/entry.js', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      // Piscina's default parks an idle thread in Atomics.wait, where no timer of its own runs.
      atomics: 'disabled',
      ...threadOptions,
    });
    // A thread that dies between two sessions has nothing of ours; Piscina has replaced it.
    this.#pool.on('error', () => undefined);
    this.#loading = new Loading(this.#pool);
    const leases = this.leases.buffer;
    const basis = { handlerUrl, concurrency: concurrencyPerThread, handlerData, handlerTimeoutMs, leases };
    const host: SessionHost = {
      run: (start, signal) => this.#pool.run(start, { transferList: [start.port], signal }),
      terminate: async (id) => void (await this.#pool.threads.find(({ threadId }) => threadId === id)?.terminate()),
    };
    this.threads = Array.from({ length: threads }, (_, id) => new HandlerThread(id, basis, host));
    this.#watchdog = new Watchdog(this.threads, options);
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
    await Promise.all(this.threads.map((thread) => this.#open(thread)));
    if (!this.#closing.signal.aborted) this.#watchdog.start();
  }

  snapshot(): ThreadSnapshot[] {
    return this.threads.map((thread) => thread.snapshot());
  }

  async close(timeoutMs: number): Promise<void> {
    this.#closing.abort();
    this.#watchdog.stop();
    const until = systemClock.now() + LOADING_MS;
    const ends = Promise.all(this.threads.map((thread) => thread.end()));
    const openings = Promise.all(this.threads.map(({ opening }) => opening));
    await Promise.all([within(systemClock, timeoutMs, ends), within(systemClock, LOADING_MS, openings)]);
    // Only now: the pool replaces what ended by itself until here.
    await within(systemClock, Math.max(0, until - systemClock.now()), this.#loading.over());
    await this.#pool.destroy();
  }

  /** Opens the thread's session; from then on watches it, and opens the next one should it end by itself. */
  async #open(thread: HandlerThread): Promise<void> {
    await thread.open(this.#listener as ExecutorListener);
    void thread.ended.then((cause) => this.#lost(thread, cause));
  }

  async #lost(thread: HandlerThread, cause: Error | undefined): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const listener = this.#listener as ExecutorListener;
    const remains = thread.abandon(listener);
    const { lanes, suspects, hung, running } = remains;
    for (const lane of hung) {
      const { topic, partition } = lane.partition;
      const at = { topic, partition, offset: lane.head?.record.offset as number };
      listener.onFailed(lane, hungError(at, this.#options), 'timeout');
    }
    const rest = hung.length === 0 ? lanes : lanes.filter((lane) => !hung.includes(lane));
    listener.onThreadLost(lostError(thread.id, cause, remains), rest, suspects);
    // A loss with records running is theirs to answer for, and ends when they have no attempts left.
    if (running.length === 0) thread.losses += 1;
    if (thread.losses >= LOSSES_MAX) listener.onFatal(crashLoop(thread.id, cause));
    else await this.#reopen(thread, listener);
  }

  /** The first start fails at once where the handler does not load; a running consumer waits out what may pass. */
  async #reopen(thread: HandlerThread, listener: ExecutorListener): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await this.#open(thread);
        return listener.onReported();
      } catch (thrown) {
        if (signal.aborted) return;
        const failure = thrown as KeylaneError;
        if (failures >= LOSSES_MAX) return listener.onFatal(failure);
        const delayMs = Math.min(REOPEN_DELAY_MS_MAX, REOPEN_DELAY_MS * 2 ** (failures - 1));
        const text = `handler thread ${thread.id} did not open again (next try in ${delayMs} ms): ${failure.message}`;
        listener.onThreadLost(new ThreadLostError('ERR_THREAD_LOST', thread.id, text, { cause: failure }), [], []);
        await Promise.all([thread.discard(), sleep(delayMs, undefined, { signal })]).catch(() => undefined);
      }
    }
  }
}

function lostError(threadId: number, cause: Error | undefined, { wasEnded, running }: Remains): ThreadLostError {
  const isOutOfMemory = codeOf(cause) === 'ERR_WORKER_OUT_OF_MEMORY';
  const reason = wasEnded ? 'a handler in it hung, so it was ended' : reasonOf(cause);
  const names = running.map(({ topic, partition, offset }) => `${topic}[${partition}]@${offset}`).join(', ');
  const remedy = isOutOfMemory ? '; raise threadOptions.resourceLimits, or lower concurrencyPerThread' : '';
  const text =
    `handler thread ${threadId} was lost: ${reason}${remedy}. ` +
    (names === '' ? 'No record was running' : `Running were ${names}`);
  const exit = /^worker exited with code: (\d+)$/.exec(cause?.message ?? '');
  return new ThreadLostError(isOutOfMemory ? 'ERR_THREAD_OUT_OF_MEMORY' : 'ERR_THREAD_LOST', threadId, text, {
    cause,
    running: running.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
    exitCode: exit === null ? undefined : Number(exit[1]),
  });
}

function crashLoop(threadId: number, cause: Error | undefined): ThreadLostError {
  const message =
    `handler thread ${threadId} was lost ${LOSSES_MAX} times with no record running and none completed in between: ` +
    `${reasonOf(cause)}. Look for what ends the thread in the handler module, or raise threadOptions.resourceLimits ` +
    'if it ran out of memory.';
  return new ThreadLostError('ERR_THREAD_CRASH_LOOP', threadId, message, { cause });
}

function reasonOf(cause: Error | undefined): string {
  return cause === undefined ? 'it ended without being told to' : asError(cause).message;
}

function codeOf(error: Error | undefined): unknown {
  return error !== undefined && 'code' in error ? error.code : undefined;
}

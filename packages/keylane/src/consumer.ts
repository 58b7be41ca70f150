/**
 * The public consumer: starting, its life, closing. Runs on the main thread.
 *
 *     starting ──► running ⇄ rebalancing
 *         │           │           │
 *         └───────────┴─► draining ◄┘ ──► closed | failed
 *
 * Invariant: a consumer that exists has started; `closed` settles exactly once, when everything is freed.
 */
import { assert, ClosedError, InvariantError, type KafkaError, type KeylaneError } from './errors.ts';
import { type ConsumerEvents, type ConsumerState, Events, type Listener } from './events.ts';
import type { Executor } from './executor/executor.ts';
import { InlineExecutor } from './executor/inline-executor.ts';
import { ThreadExecutor } from './executor/thread-executor.ts';
import { type ConsumerOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import type { Client, TopicPartition } from './poller/client.ts';
import { type Clock, systemClock } from './poller/clock.ts';
import { ConfluentClient } from './poller/confluent-client.ts';
import { ConfluentProducer } from './poller/confluent-producer.ts';
import { ConfluentReader } from './poller/confluent-reader.ts';
import { asFatal } from './poller/guard.ts';
import type { TopicReader } from './poller/parking.ts';
import { Pipeline } from './poller/pipeline.ts';
import type { Producer } from './poller/producer.ts';
import { type ConsumerSnapshot, takeSnapshot } from './snapshot.ts';

const EDGES: Readonly<Record<ConsumerState, readonly ConsumerState[]>> = {
  starting: ['running', 'draining'],
  running: ['rebalancing', 'draining'],
  rebalancing: ['running', 'draining'],
  draining: ['closed', 'failed'],
  closed: [],
  failed: [],
};

/** What a terminal, an init system or a container's runtime sends to have a process end. */
const END_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** A running parallel consumer; `startConsumer` is the only way to one. */
export interface Consumer extends AsyncDisposable {
  readonly state: ConsumerState;
  /** Resolves when the consumer has closed; rejects, when everything is freed, with the error that made it fail. */
  readonly closed: Promise<void>;
  /** Adds a listener; returns the function that removes it. */
  on<Name extends keyof ConsumerEvents>(name: Name, listener: Listener<Name>): () => void;
  /** Where everything stands, as plain data. */
  snapshot(): ConsumerSnapshot;
  /**
   * Fetches and hands out no more of these partitions, or of all; what runs finishes and is committed. The group
   * keeps its members. Holds over rebalances.
   *
   * @throws ClosedError once the consumer is closing
   */
  pause(partitions?: readonly TopicPartition[]): void;
  /**
   * Takes a `pause` of these partitions, or of all, back.
   *
   * @throws ClosedError once the consumer is closing
   */
  resume(partitions?: readonly TopicPartition[]): void;
  /**
   * Hands out no more, awaits the running handlers for at most `drainTimeoutMs` (default: the option's), commits,
   * ends the threads and leaves the group. Takes at most 15 seconds beyond `drainTimeoutMs`, whatever fails or hangs.
   * Never rejects; a second call awaits the first.
   */
  close(options?: { readonly drainTimeoutMs?: number }): Promise<void>;
}

/**
 * Starts a parallel consumer: checks the options, starts the handler threads, connects and joins the group.
 *
 * @throws ConfigurationError for wrong options or a handler module that does not load
 * @throws KafkaError where no broker answers within `startTimeoutMs`, or it refuses the client
 * @throws the signal's reason where it aborts before the consumer runs
 */
export async function startConsumer(options: ConsumerOptions): Promise<Consumer> {
  const resolved = resolveOptions(options);
  resolved.signal?.throwIfAborted();
  const { kafka, deadLetter } = resolved;
  return start(resolved, {
    client: new ConfluentClient(kafka),
    producer: mayProduce(resolved) ? new ConfluentProducer(kafka, deadLetter.producer) : undefined,
    reader: resolved.park && new ConfluentReader(kafka),
    executor: executorFor(resolved),
    clock: systemClock,
    random: Math.random,
  });
}

/** What a consumer runs on; the simulator brings its own. */
export interface Surroundings {
  readonly client: Client;
  /** Absent where nothing is ever produced. */
  readonly producer: Producer | undefined;
  /** Absent where nothing is ever parked. */
  readonly reader: TopicReader | undefined;
  readonly executor: Executor;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Starts a consumer on given surroundings. */
export async function start(options: ResolvedOptions, surroundings: Surroundings): Promise<RunningConsumer> {
  const consumer = new RunningConsumer(options, surroundings);
  await consumer.open();
  return consumer;
}

/** Whether a record may have to be produced: as a dead letter, or because its key is or was parked. */
function mayProduce({ onError, onExhausted, park }: ResolvedOptions): boolean {
  return onError !== undefined || park !== undefined || (onExhausted !== 'stop' && onExhausted !== 'skip');
}

function executorFor(options: ResolvedOptions): Executor {
  const { handler } = options;
  if (typeof handler === 'string') return new ThreadExecutor(handler, options);
  return new InlineExecutor(typeof handler === 'function' ? { handle: handler } : handler, options);
}

export class RunningConsumer implements Consumer {
  readonly closed: Promise<void>;
  readonly pipeline: Pipeline;
  #state: ConsumerState = 'starting';
  #closing: Promise<void> | undefined = undefined;
  /** The first thing that made it fail. */
  #cause: KeylaneError | undefined = undefined;
  #settleClosed: { resolve: () => void; reject: (error: unknown) => void };
  /** Changes of the state nobody was told of yet. */
  readonly #untold: ConsumerEvents['state'][] = [];
  readonly #events: Events = new Events();
  readonly #options: ResolvedOptions;
  readonly #executor: Executor;
  /** Ends the start. */
  readonly #startAborter: AbortController = new AbortController();
  readonly #onAbort = (): void => {
    if (this.#state === 'starting') this.#startAborter.abort(this.#options.signal?.reason);
    else void this.close();
  };

  constructor(options: ResolvedOptions, surroundings: Surroundings) {
    this.#options = options;
    this.#executor = surroundings.executor;
    const { promise, ...settle } = withResolvers();
    this.closed = promise;
    this.#settleClosed = settle;
    this.pipeline = new Pipeline({
      ...surroundings,
      options,
      events: this.#events,
      onRebalancing: (underWay) => this.#onRebalancing(underWay),
      onFatal: (error) => {
        if (this.#state === 'starting') this.#startAborter.abort(error);
        else void this.#shutDown(options.drainTimeoutMs, error);
      },
    });
  }

  get state(): ConsumerState {
    return this.#state;
  }

  /** Starts everything, or rejects with what stood in the way and nothing left; called once, by `start`. */
  async open(): Promise<void> {
    const { signal, installSignalHandlers } = this.#options;
    const starting = this.#startAborter.signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    let amiss: readonly KafkaError[];
    try {
      amiss = await this.pipeline.start(starting);
      starting.throwIfAborted();
    } catch (error) {
      // Nobody but us has seen this consumer, so nobody can listen to its `closed`; and nothing was handed out.
      this.closed.catch(() => undefined);
      await this.#shutDown(undefined, asFatal(error));
      throw error;
    }
    if (installSignalHandlers) for (const name of END_SIGNALS) process.once(name, this.#onAbort);
    this.#transition('running');
    // After the caller had its chance to listen.
    setImmediate(() => {
      for (const error of amiss) this.#events.emit('warning', error);
    });
  }

  on<Name extends keyof ConsumerEvents>(name: Name, listener: Listener<Name>): () => void {
    return this.#events.on(name, listener);
  }

  snapshot(): ConsumerSnapshot {
    return takeSnapshot(this.#state, this.pipeline, this.#executor.snapshot());
  }

  pause(partitions?: readonly TopicPartition[]): void {
    if (this.#closing !== undefined) throw new ClosedError('pause()');
    this.pipeline.setPaused(true, partitions);
  }

  resume(partitions?: readonly TopicPartition[]): void {
    if (this.#closing !== undefined) throw new ClosedError('resume()');
    this.pipeline.setPaused(false, partitions);
  }

  close({ drainTimeoutMs = this.#options.drainTimeoutMs }: { readonly drainTimeoutMs?: number } = {}): Promise<void> {
    return this.#shutDown(drainTimeoutMs, undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes once, whoever asks first; `closed` rejects where there is a cause, be it one that comes meanwhile. */
  #shutDown(drainTimeoutMs: number | undefined, cause?: KeylaneError): Promise<void> {
    this.#cause ??= cause;
    if (this.#closing !== undefined) return this.#closing;
    const { promise: begun, resolve: begin } = withResolvers();
    // Before anybody is told: a listener may close as well.
    this.#closing = begun.then(() => this.#close(drainTimeoutMs));
    this.#transition('draining');
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    // Whoever sends a second signal does not want to wait.
    for (const name of END_SIGNALS) process.off(name, this.#onAbort);
    begin();
    return this.#closing;
  }

  async #close(drainTimeoutMs: number | undefined): Promise<void> {
    // After a fault of our own the state is not to be trusted: nothing more is committed.
    await this.pipeline.close(this.#cause instanceof InvariantError ? undefined : drainTimeoutMs);
    this.#transition(this.#cause === undefined ? 'closed' : 'failed');
    if (this.#cause === undefined) this.#settleClosed.resolve();
    else this.#settleClosed.reject(this.#cause);
  }

  #onRebalancing(underWay: boolean): void {
    if (this.#closing === undefined && this.#state !== 'starting')
      this.#transition(underWay ? 'rebalancing' : 'running');
  }

  /** A listener may cause the next change; all are told in order. */
  #transition(to: ConsumerState): void {
    const from = this.#state;
    assert(EDGES[from].includes(to), `the consumer went from ${from} to ${to}`);
    this.#state = to;
    if (this.#untold.push({ from, to }) > 1) return;
    for (let change = this.#untold[0]; change !== undefined; change = this.#untold[0]) {
      this.#events.emit('state', change);
      this.#untold.shift();
    }
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((onResolve, onReject) => {
    [resolve, reject] = [onResolve, onReject];
  });
  return { promise, resolve, reject };
}

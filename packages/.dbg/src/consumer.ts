/**
 * The public consumer: starting, its life, closing. Runs on the main thread.
 *
 *     starting ──► running ⇄ rebalancing
 *         │           │           │
 *         └───────────┴─► draining ◄┘ ──► closed | failed
 *
 * Invariant: a consumer that exists has started; `closed` settles exactly once, when everything is freed.
 */
import { asError, assert, ClosedError, InvariantError, KafkaError, type KeylaneError } from './errors.ts';
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
   * ends the threads and leaves the group. Never rejects; a second call awaits the first.
   */
  close(options?: { readonly drainTimeoutMs?: number }): Promise<void>;
}

/**
 * Starts a parallel consumer: checks the options, starts the handler threads, connects and joins the group.
 *
 * @throws ConfigurationError for wrong options or a handler module that does not load
 * @throws KafkaError where no broker answers within `startTimeoutMs`, or it refuses the client
 * @throws the signal's reason where it is aborted already
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
  try {
    await consumer.open();
  } catch (error) {
    // Nobody but us has seen this consumer, so nobody can listen to its `closed`.
    consumer.closed.catch(() => undefined);
    throw error;
  }
  return consumer;
}

/** Whether a record may have to be produced: into a dead-letter topic or a park topic. */
function mayProduce({ onError, onExhausted }: ResolvedOptions): boolean {
  return onError !== undefined || (onExhausted !== 'stop' && onExhausted !== 'skip');
}

function executorFor(options: ResolvedOptions): Executor {
  const { handler } = options;
  return typeof handler === 'function' ? new InlineExecutor(handler, options) : new ThreadExecutor(handler, options);
}

export class RunningConsumer implements Consumer {
  readonly closed: Promise<void>;
  readonly pipeline: Pipeline;
  #state: ConsumerState = 'starting';
  #closing: Promise<void> | undefined = undefined;
  #settleClosed: { resolve: () => void; reject: (error: KeylaneError) => void };
  readonly #events: Events = new Events();
  readonly #options: ResolvedOptions;
  readonly #executor: Executor;
  readonly #onAbort = (): void => void this.close();

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
      onFatal: (error) => void this.#shutDown(this.#options.drainTimeoutMs, error),
    });
  }

  get state(): ConsumerState {
    return this.#state;
  }

  /** Starts everything; called once, by `start`. */
  async open(): Promise<void> {
    const { signal } = this.#options;
    const amiss = await this.pipeline.start();
    // It may have failed meanwhile; then the caller learns why from us.
    if (this.#closing !== undefined) await this.closed;
    this.#transition('running');
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
    if (this.#options.installSignalHandlers) for (const name of END_SIGNALS) process.once(name, this.#onAbort);
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

  /** Closes once, whoever asks first; `closed` rejects where there is a cause. */
  #shutDown(drainTimeoutMs: number, cause: KeylaneError | undefined): Promise<void> {
    this.#closing ??= (async () => {
      this.#transition('draining');
      this.#options.signal?.removeEventListener('abort', this.#onAbort);
      // Whoever sends a second signal does not want to wait.
      for (const name of END_SIGNALS) process.off(name, this.#onAbort);
      let error = cause;
      try {
        // After a fault of our own the state is not to be trusted: nothing more is committed.
        await this.pipeline.close(cause instanceof InvariantError ? undefined : drainTimeoutMs);
      } catch (thrown) {
        error ??= new KafkaError('ERR_KAFKA', `closing failed: ${asError(thrown).message}`, {
          kafkaCode: -1,
          cause: thrown,
        });
      }
      this.#transition(error === undefined ? 'closed' : 'failed');
      if (error === undefined) this.#settleClosed.resolve();
      else this.#settleClosed.reject(error);
    })();
    return this.#closing;
  }

  #onRebalancing(underWay: boolean): void {
    if (this.#closing === undefined && this.#state !== 'starting')
      this.#transition(underWay ? 'rebalancing' : 'running');
  }

  #transition(to: ConsumerState): void {
    const from = this.#state;
    assert(EDGES[from].includes(to), `the consumer went from ${from} to ${to}`);
    this.#state = to;
    this.#events.emit('state', { from, to });
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: KeylaneError) => void } {
  let resolve!: () => void;
  let reject!: (error: KeylaneError) => void;
  const promise = new Promise<void>((onResolve, onReject) => {
    [resolve, reject] = [onResolve, onReject];
  });
  return { promise, resolve, reject };
}

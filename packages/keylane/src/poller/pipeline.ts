/**
 * Puts the stations together. The only file that says `new` to one; read from top to bottom it is the way of a record.
 *
 *     consume ─► poller ─► partition.register ─► lane ─► dispatcher ─► executor
 *     client ◄─ committer ◄─ partition.complete ◄─ settle ◄──────────────┘
 */

import type { KafkaError, KeylaneError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Executor, ExecutorListener } from '../executor/executor.ts';
import type { ResolvedOptions } from '../options.ts';
import { Assignment } from './assignment.ts';
import { Budget } from './budget.ts';
import type { Client, ClientListener, TopicPartition } from './client.ts';
import type { Clock } from './clock.ts';
import { Committer } from './committer.ts';
import { Dispatcher } from './dispatcher.ts';
import { type Guard, guardWith } from './guard.ts';
import { laneKeys } from './lane-key.ts';
import type { Partition } from './partition.ts';
import { Pauses } from './pauses.ts';
import { Poller } from './poller.ts';
import { Settle } from './settle.ts';

/** How long handlers' `close` may take once everything is drained, and when some hang anyway. */
const HANDLER_CLOSE_MS = 5_000;
const HUNG_HANDLER_CLOSE_MS = 500;
/** The client repeats itself many times a second while a broker is away; one warning of a kind in this time will do. */
const TELL_AGAIN_MS = 10_000;

export interface PipelineParts {
  readonly options: ResolvedOptions;
  readonly client: Client;
  readonly executor: Executor;
  readonly clock: Clock;
  /** In [0, 1); for the jitter of retries. */
  readonly random: () => number;
  readonly events: Events;
  readonly onRebalancing: (underWay: boolean) => void;
  readonly onFatal: (error: KeylaneError) => void;
}

export class Pipeline {
  readonly budget: Budget;
  readonly assignment: Assignment;
  readonly dispatcher: Dispatcher;
  readonly settle: Settle;
  readonly #parts: PipelineParts;
  readonly #guard: Guard;
  readonly #poller: Poller;
  readonly #pauses: Pauses;
  readonly #committer: Committer;
  /** When which error of the client, by its code, became a warning last. */
  readonly #toldAt: Map<number, number> = new Map();
  /** What the application paused: all that ever comes or nothing, and the partitions that are excepted from that. */
  readonly #userPaused: { all: boolean; readonly except: Set<string> } = { all: false, except: new Set() };

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    const { options, client, executor, random, events, onRebalancing, onFatal } = parts;
    const guard = guardWith(onFatal);
    this.#guard = guard;
    const clock: Clock = {
      now: () => parts.clock.now(),
      after: (delayMs, callback) => parts.clock.after(delayMs, guard(callback)),
    };
    this.budget = new Budget(options);
    this.assignment = new Assignment({
      options,
      client,
      clock,
      events,
      shared: {
        options,
        threads: executor.threads.length,
        laneKey: laneKeys(options),
        budget: this.budget,
        leases: executor.leases,
      },
      flush: (wanted) => this.#committer.flush(wanted),
      betweenPolls: (action) => this.#poller.betweenPolls(action),
      onOpened: (partitions) => this.#applyUserPauses(partitions),
      onRebalancing,
      onFatal,
    });
    this.#pauses = new Pauses(client, this.budget, () => this.assignment.open());
    this.dispatcher = new Dispatcher(executor.threads, options);
    const [assignment, dispatcher, budget, pauses] = [this.assignment, this.dispatcher, this.budget, this.#pauses];
    this.#poller = new Poller({
      guard,
      client,
      clock,
      budget,
      pauses,
      assignment,
      dispatcher,
      onError: (error) => this.#onError(error),
    });
    this.settle = new Settle({
      options,
      clock,
      random,
      events,
      dispatcher,
      onSettled: () => this.#onSettled(),
      onFatal,
    });
    this.#committer = new Committer({ options, client, clock, events, store: assignment });
  }

  /**
   * Starts the handlers, then the client, then the flow. Rejects, with everything freed again, where one of them
   * cannot start.
   */
  async start(): Promise<readonly string[]> {
    const { options, client, executor } = this.#parts;
    await executor.start(this.#executorListener());
    try {
      await client.connect(this.#clientListener(), options.startTimeoutMs);
      const missing = await client.subscribe(options.topics);
      this.#committer.start();
      this.#poller.start();
      return missing;
    } catch (error) {
      await executor.close(HANDLER_CLOSE_MS);
      await client.disconnect();
      throw error;
    }
  }

  /**
   * Close is a revoke of everything: stop the hand-out, await what runs, commit; then end the handlers, and leave the
   * group. With a `drainTimeoutMs` of undefined nothing is awaited or committed: the state is not to be trusted any
   * more.
   */
  async close(drainTimeoutMs: number | undefined): Promise<void> {
    const { client, executor } = this.#parts;
    this.assignment.closing();
    let drained = false;
    if (drainTimeoutMs !== undefined) {
      await this.assignment.settled();
      this.#pauses.close();
      drained = await this.assignment.drain(this.assignment.open(), drainTimeoutMs);
    }
    this.#committer.stop();
    this.assignment.closeAll();
    await executor.close(drained ? HANDLER_CLOSE_MS : HUNG_HANDLER_CLOSE_MS);
    await this.#poller.stop();
    await client.disconnect();
  }

  /** Pauses or resumes by the application's will; all partitions, present and future, where none are named. */
  setPaused(paused: boolean, partitions: readonly TopicPartition[] | undefined): void {
    const { except } = this.#userPaused;
    if (partitions === undefined) {
      this.#userPaused.all = paused;
      except.clear();
    }
    for (const partition of partitions ?? []) {
      if (paused === this.#userPaused.all) except.delete(nameOf(partition));
      else except.add(nameOf(partition));
    }
    this.#applyUserPauses(this.assignment.open());
    this.dispatcher.dispatch();
  }

  #applyUserPauses(partitions: readonly Partition[]): void {
    for (const partition of partitions) {
      partition.userPaused = this.#userPaused.all !== this.#userPaused.except.has(nameOf(partition));
      this.dispatcher.release(partition);
    }
    this.#pauses.apply(partitions);
  }

  #onSettled(): void {
    this.#pauses.onSettled();
    this.assignment.onSettled();
    this.#committer.onCompleted(this.settle.completed);
    this.#poller.poll();
  }

  #onError(error: KafkaError): void {
    const { clock, events, onFatal } = this.#parts;
    if (error.fatal) {
      onFatal(error);
      return;
    }
    const told = this.#toldAt.get(error.kafkaCode);
    if (told !== undefined && clock.now() - told < TELL_AGAIN_MS) return;
    this.#toldAt.set(error.kafkaCode, clock.now());
    events.emit('warning', error);
  }

  #executorListener(): ExecutorListener {
    const { settle } = this;
    return {
      onCompleted: this.#guard((lane, count) => settle.onCompleted(lane, count)),
      onFailed: this.#guard((lane, error, stage) => settle.onFailed(lane, error, stage)),
      onDropped: this.#guard((lane) => settle.onDropped(lane)),
      onReported: this.#guard(() => settle.onReported()),
      onThreadLost: this.#guard((error, lanes, suspects) => settle.onThreadLost(error, lanes, suspects)),
      onFatal: (error) => settle.onFatal(error),
    };
  }

  #clientListener(): ClientListener {
    const { assignment } = this;
    return {
      onRecordsAvailable: this.#guard(() => this.#poller.poll()),
      onAssigned: this.#guard((partitions) => assignment.onAssigned(partitions)),
      onRevoked: this.#guard((partitions, lost) => assignment.onRevoked(partitions, lost)),
      onCommitAnswered: this.#guard((answers, error) => this.#committer.onAnswered(answers, error)),
      onStatistics: this.#guard((partitions) => assignment.onStatistics(partitions)),
      onError: this.#guard((error) => this.#onError(error)),
    };
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

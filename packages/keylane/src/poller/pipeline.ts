/**
 * Puts the stations together. The only file that says `new` to one; read from top to bottom it is the way of a record.
 *
 *     consume ─► poller ─► partition.register ─► lane ─► dispatcher ─► executor
 *     client ◄─ committer ◄─ partition.complete ◄─ settle ◄──────────────┘
 */

import { FloodError, InvariantError, type KafkaError, type KeylaneError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Executor, ExecutorListener } from '../executor/executor.ts';
import type { ResolvedOptions } from '../options.ts';
import { Assignment } from './assignment.ts';
import { Breaker } from './breaker.ts';
import { Budget } from './budget.ts';
import { type Client, type ClientListener, partitionName, type TopicPartition } from './client.ts';
import type { Clock } from './clock.ts';
import { CloseSteps } from './close-steps.ts';
import { Committer } from './committer.ts';
import { Dispatcher } from './dispatcher.ts';
import { type Guard, guardWith } from './guard.ts';
import { LagLimits } from './lag-limits.ts';
import { laneKeys } from './lane-key.ts';
import { Leaving } from './leaving.ts';
import { missingDestinations, missingTopic } from './missing-topics.ts';
import { Outbox } from './outbox.ts';
import { Parking, type TopicReader } from './parking.ts';
import type { Partition } from './partition.ts';
import { Pauses } from './pauses.ts';
import { Poller } from './poller.ts';
import type { Producer } from './producer.ts';
import { Settle } from './settle.ts';

/**
 * What each step of a close may take at most, the drain aside. There are three that wait, the last commit
 * (`assignment.ts`) being the first, so a close takes at most 15 s beyond its drain.
 */
const STEP_MS = 5_000;
/** Of that: for handlers' `close` when nothing runs any more, or when some hang anyway; the rest is to end threads. */
const HANDLER_CLOSE_MS = 4_000;
const HUNG_HANDLER_CLOSE_MS = 500;
/** Of that: for the call of `consume` under way. It waits for no records; the rest is to leave the group. */
const LAST_POLL_MS = 1_000;
const PRODUCER_CLOSE_MS = 2_000;
/** The client repeats itself many times a second while a broker is away; one warning of a kind in this time will do. */
const TELL_AGAIN_MS = 10_000;

export interface PipelineParts {
  readonly options: ResolvedOptions;
  readonly client: Client;
  /** Absent where the options never produce anything. */
  readonly producer: Producer | undefined;
  /** Absent where nothing is ever parked. */
  readonly reader: TopicReader | undefined;
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
  readonly leaving: Leaving;
  readonly breaker: Breaker | undefined;
  readonly #parts: PipelineParts;
  readonly #guard: Guard;
  readonly #onFatal: (error: KeylaneError) => void;
  readonly #poller: Poller;
  readonly #pauses: Pauses;
  readonly #lagLimits: LagLimits;
  readonly #committer: Committer;
  readonly #outbox: Outbox;
  readonly #parking: Parking | undefined;
  /** The records behind failing keys are more than they should be, and that was said. */
  #isFlooded = false;
  /** When which error of the client, by what it says, became a warning last: most of them come without a code. */
  readonly #toldAt: Map<string, number> = new Map();
  /** What the application paused: all that ever comes or nothing, and the partitions that are excepted from that. */
  readonly #userPaused: { all: boolean; readonly except: Set<string> } = { all: false, except: new Set() };

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    const { options, client, executor, random, events } = parts;
    const onFatal = (error: KeylaneError) => {
      // After a fault of our own the state is not to be trusted: nothing is committed any more, also by a close that
      // is under way.
      if (error instanceof InvariantError) this.#committer.stop();
      parts.onFatal(error);
    };
    this.#onFatal = onFatal;
    const guard = guardWith(onFatal);
    this.#guard = guard;
    const clock = guarded(parts.clock, guard);
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
        partitionRecordsMax: () => partitionRecordsMax(options, this.assignment.size),
        budget: this.budget,
        leases: executor.leases,
      },
      flush: (wanted) => this.#committer.flush(wanted),
      betweenPolls: (action) => this.#poller.betweenPolls(action),
      onOpened: (partitions) => {
        this.#applyUserPauses(partitions);
        this.#parking?.load(partitions);
      },
      onRebalancing: (underWay) => this.#onRebalancing(underWay),
      onFatal,
    });
    this.#pauses = new Pauses(client, this.budget, () => this.assignment.open());
    const policy = options.breaker;
    this.breaker = policy && new Breaker({ policy, clock, events, dispatcher: () => this.dispatcher });
    this.dispatcher = new Dispatcher(executor.threads, options, (lane) => this.leaving.follow(lane), this.breaker);
    const [assignment, dispatcher, budget, pauses] = [this.assignment, this.dispatcher, this.budget, this.#pauses];
    const onError = (error: KafkaError) => this.#onError(error);
    this.#poller = new Poller({ guard, client, clock, budget, pauses, assignment, dispatcher, onError });
    this.#lagLimits = new LagLimits({ options, client, clock, budget, assignment, dispatcher });
    this.#outbox = new Outbox({ producer: parts.producer, clock, events, guard });
    this.leaving = new Leaving({
      options,
      clock,
      events,
      outbox: this.#outbox,
      onLeft: (lane, wasHandled) => this.settle.onLeft(lane, wasHandled),
      onSettled: () => this.settle.onReported(),
    });
    this.settle = new Settle({
      options,
      clock,
      random,
      events,
      dispatcher,
      leaving: this.leaving,
      breaker: this.breaker,
      onSettled: () => this.#onSettled(),
      onHalted: (partition) => pauses.apply([partition as Partition]),
      onFatal,
    });
    this.#committer = new Committer({ options, client, clock, events, store: assignment });
    this.#parking = this.#makeParking(clock);
  }

  #makeParking(clock: Clock): Parking | undefined {
    const { reader, options, events } = this.#parts;
    if (reader === undefined || options.park === undefined) return undefined;
    const onKnown = (partition: Partition) => {
      this.dispatcher.release(partition);
      this.dispatcher.dispatch();
    };
    return new Parking({ policy: options.park, reader, clock, events, guard: this.#guard, onKnown });
  }

  /**
   * Starts the handlers, then the clients, then the flow; resolves with what is amiss and yet no reason not to start.
   * Rejects where one of them cannot start, and as soon as the signal aborts; only `close` frees what was started by
   * then.
   */
  async start(signal: AbortSignal): Promise<readonly KafkaError[]> {
    const { options, client, producer, executor } = this.#parts;
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    await Promise.race([executor.start(this.#executorListener()), aborted]);
    await Promise.race([client.connect(this.#clientListener(), options.startTimeoutMs), aborted]);
    await Promise.race([producer?.connect(options.startTimeoutMs), aborted]);
    const missing = await Promise.race([client.subscribe(options.topics), aborted]);
    const missingToo = await Promise.race([missingDestinations(options, producer), aborted]);
    this.#committer.start();
    this.#poller.start();
    this.#lagLimits.start();
    return [...missing.map(missingTopic), ...missingToo];
  }

  /**
   * Close is a revoke of everything: stop the hand-out, await what runs, commit; then end the handlers, and leave the
   * group. With a `drainTimeoutMs` of undefined nothing is awaited or committed: nothing was handed out yet, or the
   * state is not to be trusted any more. Each step is made whatever became of the one before; what one throws goes to
   * `onFatal`.
   */
  async close(drainTimeoutMs: number | undefined): Promise<void> {
    const { client, producer, reader, executor, clock, events } = this.#parts;
    const steps = new CloseSteps(clock, (error) => events.emit('warning', error), this.#onFatal);
    this.assignment.closing();
    if (drainTimeoutMs !== undefined) await this.#drain(steps, drainTimeoutMs);
    const handlersRun = this.assignment.open().some(({ inFlight }) => inFlight > 0);
    await steps.run(() => this.breaker?.stop());
    await steps.run(() => this.#lagLimits.stop());
    await steps.run(() => this.#committer.stop());
    await steps.run(() => this.#outbox.stop());
    await steps.run(() => this.#parking?.stop());
    await steps.run(() => this.assignment.closeAll());
    const handlerCloseMs = handlersRun ? HUNG_HANDLER_CLOSE_MS : HANDLER_CLOSE_MS;
    await Promise.all([
      steps.runWithin(STEP_MS, 'the end of the handlers', () => executor.close(handlerCloseMs)),
      // Nothing of it waits for handlers any more; the client must not leave with one unanswered.
      steps.runWithin(STEP_MS, 'the answer to a rebalance', () => this.assignment.settled()),
    ]);
    await steps.runWithin(LAST_POLL_MS, 'the last poll', () => this.#poller.stop());
    const leaveMs = STEP_MS - LAST_POLL_MS;
    await Promise.all([
      steps.runWithin(leaveMs, 'leaving the group', () => client.disconnect()),
      // What is produced was awaited by the drain; what is not confirmed yet comes again.
      steps.runWithin(leaveMs, 'the end of the producer', () => producer?.disconnect(PRODUCER_CLOSE_MS)),
      steps.runWithin(leaveMs, 'the end of reading a park topic', () => reader?.close()),
    ]);
  }

  /** A rebalance that is under way drains as well, in the same time; past it, its drain ends with the partitions. */
  async #drain(steps: CloseSteps, drainTimeoutMs: number): Promise<void> {
    const { clock } = this.#parts;
    const until = clock.now() + drainTimeoutMs;
    await steps.runWithin(drainTimeoutMs, undefined, () => this.assignment.settled());
    await steps.run(() => this.#pauses.close());
    await steps.run(() => this.assignment.drain(this.assignment.open(), Math.max(0, until - clock.now())));
  }

  /** Pauses or resumes by the application's will; all partitions, present and future, where none are named. */
  setPaused(paused: boolean, partitions: readonly TopicPartition[] | undefined): void {
    this.#guard(() => this.#setPaused(paused, partitions))();
  }

  #setPaused(paused: boolean, partitions: readonly TopicPartition[] | undefined): void {
    const { except } = this.#userPaused;
    if (partitions === undefined) {
      this.#userPaused.all = paused;
      except.clear();
    }
    for (const partition of partitions ?? []) {
      if (paused === this.#userPaused.all) except.delete(partitionName(partition));
      else except.add(partitionName(partition));
    }
    const open = this.assignment.open();
    const named = new Set(partitions?.map(partitionName));
    if (!paused) for (const one of open) if (partitions === undefined || named.has(partitionName(one))) one.unhalt();
    this.#applyUserPauses(open);
    this.dispatcher.dispatch();
  }

  #applyUserPauses(partitions: readonly Partition[]): void {
    for (const partition of partitions) {
      partition.userPaused = this.#userPaused.all !== this.#userPaused.except.has(partitionName(partition));
      this.dispatcher.release(partition);
    }
    this.#pauses.apply(partitions);
  }

  #onRebalancing(underWay: boolean): void {
    this.#parts.onRebalancing(underWay);
    // A breaker's probe may have gone with its partition.
    if (!underWay) this.dispatcher.dispatch();
  }

  #onSettled(): void {
    this.#pauses.onSettled();
    this.assignment.onSettled();
    this.#committer.onCompleted(this.settle.completed);
    this.#poller.onSettled();
    this.#watchWaiting();
  }

  #watchWaiting(): void {
    const { events, options } = this.#parts;
    const { waitingRecordsMax } = options.retry;
    const { waiting } = this.budget;
    if (waiting <= waitingRecordsMax / 2) this.#isFlooded = false;
    if (waiting <= waitingRecordsMax || this.#isFlooded) return;
    this.#isFlooded = true;
    const what =
      `${waiting} records wait behind keys whose first record failed, more than retry.waitingRecordsMax = ` +
      `${waitingRecordsMax}: those past it count as buffered, so less is fetched. Mend what fails, or have it leave ` +
      'sooner (retry.attemptsMax, onExhausted)';
    events.emit('warning', new FloodError(what));
  }

  #onError(error: KafkaError): void {
    const { clock, events } = this.#parts;
    if (error.fatal) {
      this.#onFatal(error);
      return;
    }
    const told = this.#toldAt.get(error.message);
    if (told !== undefined && clock.now() - told < TELL_AGAIN_MS) return;
    this.#toldAt.set(error.message, clock.now());
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

/** A clock whose timers cannot leave the consumer half alive. */
function guarded(clock: Clock, guard: Guard): Clock {
  return {
    now: () => clock.now(),
    timeOfDay: () => clock.timeOfDay(),
    after: (delayMs, callback) => clock.after(delayMs, guard(callback)),
  };
}

/** What one of so many partitions may hold. */
function partitionRecordsMax(
  { bufferedRecordsMax, bufferedRecordsPerPartitionMax: given }: ResolvedOptions,
  partitions: number,
): number {
  if (given !== undefined) return given;
  // The only one leaves room for no other: the buffer's own limit holds it, and a pause would cost what was fetched.
  return partitions > 1 ? Math.max(1, Math.floor(bufferedRecordsMax / 2)) : Number.POSITIVE_INFINITY;
}

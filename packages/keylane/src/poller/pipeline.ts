/**
 * Puts the stations together. The only file that says `new` to one; read from top to bottom it is the way of a record.
 *
 *     consume ─► poller ─► partition.register ─► lane ─► dispatcher ─► executor
 *     client ◄─ committer ◄─ partition.complete ◄─ settle ◄──────────────┘
 */

import { FloodError, KafkaError, type KeylaneError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Executor, ExecutorListener } from '../executor/executor.ts';
import type { ResolvedOptions } from '../options.ts';
import { Assignment } from './assignment.ts';
import { Budget } from './budget.ts';
import type { Client, ClientListener, TopicPartition } from './client.ts';
import type { Clock } from './clock.ts';
import { Committer } from './committer.ts';
import { deadLetterTopicOf } from './dead-letter.ts';
import { Dispatcher } from './dispatcher.ts';
import { type Guard, guardWith } from './guard.ts';
import { laneKeys } from './lane-key.ts';
import { Leaving } from './leaving.ts';
import { Outbox } from './outbox.ts';
import { parkTopicOf } from './park.ts';
import { Parking, type TopicReader } from './parking.ts';
import type { Partition } from './partition.ts';
import { Pauses } from './pauses.ts';
import { Poller } from './poller.ts';
import type { Producer } from './producer.ts';
import { Settle } from './settle.ts';

/** How long handlers' `close` may take once everything is drained, and when some hang anyway. */
const HANDLER_CLOSE_MS = 5_000;
const HUNG_HANDLER_CLOSE_MS = 500;
/** How long what was produced may take to be confirmed, once nothing waits for it any more. */
const PRODUCER_CLOSE_MS = 5_000;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
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
  readonly #parts: PipelineParts;
  readonly #guard: Guard;
  readonly #poller: Poller;
  readonly #pauses: Pauses;
  readonly #committer: Committer;
  readonly #outbox: Outbox;
  readonly #parking: Parking | undefined;
  /** The records behind failing keys are more than they should be, and that was said. */
  #isFlooded = false;
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
      timeOfDay: () => parts.clock.timeOfDay(),
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
      onOpened: (partitions) => {
        this.#applyUserPauses(partitions);
        this.#parking?.load(partitions);
      },
      onRebalancing,
      onFatal,
    });
    this.#pauses = new Pauses(client, this.budget, () => this.assignment.open());
    this.dispatcher = new Dispatcher(executor.threads, options, (lane) => this.leaving.follow(lane));
    const [assignment, dispatcher, budget, pauses] = [this.assignment, this.dispatcher, this.budget, this.#pauses];
    const onError = (error: KafkaError) => this.#onError(error);
    this.#poller = new Poller({ guard, client, clock, budget, pauses, assignment, dispatcher, onError });
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
   * Starts the handlers, then the client, then the flow; resolves with what is amiss and yet no reason not to start.
   * Rejects, with everything freed again, where one of them cannot start.
   */
  async start(): Promise<readonly KafkaError[]> {
    const { options, client, producer, executor } = this.#parts;
    await executor.start(this.#executorListener());
    try {
      await client.connect(this.#clientListener(), options.startTimeoutMs);
      await producer?.connect(options.startTimeoutMs);
      const missing = await client.subscribe(options.topics);
      const amiss = [...missing.map(missingTopic), ...(await this.#missingDestinations())];
      this.#committer.start();
      this.#poller.start();
      return amiss;
    } catch (error) {
      await executor.close(HANDLER_CLOSE_MS);
      await client.disconnect();
      await producer?.disconnect(PRODUCER_CLOSE_MS);
      throw error;
    }
  }

  /** Where dead letters and parked records are to go, as far as that can be known without a record. */
  async #missingDestinations(): Promise<KafkaError[]> {
    const { producer, options } = this.#parts;
    const { deadLetter, onExhausted, park, topics } = options;
    if (producer === undefined) return [];
    const literal = topics.filter((topic) => typeof topic === 'string');
    const missing = async (kind: string, nameOf: (topic: string) => string | undefined): Promise<KafkaError[]> => {
      const known = [...new Set(literal.map(nameOf).filter((name) => name !== undefined))];
      const counts = await Promise.all(known.map((name) => producer.partitions(name)));
      return known.filter((_, index) => counts[index] === undefined).map((name) => missingDestination(kind, name));
    };
    return [
      ...(onExhausted === 'dead-letter' ? await missing('dead-letter', (t) => deadLetterTopicOf(deadLetter, t)) : []),
      ...(park === undefined ? [] : await missing('park', (topic) => parkTopicOf(park, topic))),
    ];
  }

  /**
   * Close is a revoke of everything: stop the hand-out, await what runs, commit; then end the handlers, and leave the
   * group. With a `drainTimeoutMs` of undefined nothing is awaited or committed: the state is not to be trusted any
   * more.
   */
  async close(drainTimeoutMs: number | undefined): Promise<void> {
    const { client, producer, reader, executor } = this.#parts;
    this.assignment.closing();
    let drained = false;
    if (drainTimeoutMs !== undefined) {
      await this.assignment.settled();
      this.#pauses.close();
      drained = await this.assignment.drain(this.assignment.open(), drainTimeoutMs);
    }
    this.#committer.stop();
    this.#outbox.stop();
    this.#parking?.stop();
    this.assignment.closeAll();
    await executor.close(drained ? HANDLER_CLOSE_MS : HUNG_HANDLER_CLOSE_MS);
    await this.#poller.stop();
    await client.disconnect();
    await producer?.disconnect(PRODUCER_CLOSE_MS);
    await reader?.close();
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
    const open = this.assignment.open();
    const named = new Set(partitions?.map(nameOf));
    if (!paused) for (const one of open) if (partitions === undefined || named.has(nameOf(one))) one.unhalt();
    this.#applyUserPauses(open);
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

function missingTopic(name: string): KafkaError {
  const what = `topic ${name} does not exist, or this client may not see it; it is consumed as soon as it does`;
  return new KafkaError('ERR_KAFKA', what, { kafkaCode: UNKNOWN_TOPIC_OR_PARTITION });
}

function missingDestination(kind: string, name: string): KafkaError {
  const what =
    `${kind} topic ${name} does not exist, or this client may not see it: where the brokers do not create it by ` +
    'themselves, what goes there is refused, and commits wait for it. Create it with as many partitions as its source';
  return new KafkaError('ERR_KAFKA', what, { kafkaCode: UNKNOWN_TOPIC_OR_PARTITION });
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

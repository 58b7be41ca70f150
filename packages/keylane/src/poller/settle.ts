/**
 * The one place that decides what an outcome means. Runs on the poller's thread, behind the executor.
 *
 * Invariant: a record is completed here and nowhere else, and a lane that landed is either enqueued again, waiting,
 * leaving, held or forgotten. Outcomes of partitions that are gone change nothing.
 */

import { type FailureStage, FloodError, HandlerError, type KeylaneError, type ThreadLostError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { ExecutorListener } from '../executor/executor.ts';
import type { ResolvedOptions } from '../options.ts';
import type { KafkaRecord } from '../wire/record.ts';
import type { Breaker } from './breaker.ts';
import { toKafkaRecord } from './client.ts';
import type { Clock } from './clock.ts';
import { traceIdOf } from './dead-letter.ts';
import type { Delivery } from './delivery.ts';
import type { Dispatcher } from './dispatcher.ts';
import { asFatal } from './guard.ts';
import type { Lane } from './lane.ts';
import type { Leaving } from './leaving.ts';
import { type Decision, type Disposal, decide, type FailurePolicy } from './verdict.ts';

/** So many of a record's failures are remembered. */
const ERRORS_MAX = 5;

export interface SettleParts {
  readonly options: FailurePolicy & Pick<ResolvedOptions, 'deadLetter'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: Events;
  readonly dispatcher: Dispatcher;
  readonly leaving: Leaving;
  readonly breaker?: Breaker | undefined;
  /** Outcomes came in: what waits for room or for a drain may go on. */
  readonly onSettled: () => void;
  /** A partition's hand-out stopped: too many of its records were exhausted. */
  readonly onHalted: (partition: Lane['partition']) => void;
  readonly onFatal: (error: KeylaneError) => void;
}

export class Settle implements ExecutorListener {
  /** Records completed by their handlers since the start. */
  completed = 0;
  /** Failures since then that were followed by another run. */
  retried = 0;
  readonly #parts: SettleParts;

  constructor(parts: SettleParts) {
    this.#parts = parts;
  }

  onCompleted(lane: Lane, count: number): void {
    this.completed += count;
    this.#parts.breaker?.onCompleted(lane, count);
    const upTo = lane.releasedUpTo;
    if (upTo !== undefined) {
      // It is complete once the park topic says so of its key: a restart in between runs it again.
      lane.land();
      this.#parts.leaving.release(lane, upTo);
      return;
    }
    for (let left = count; left > 0; left -= 1) lane.partition.complete(lane.shift());
    if (lane.inFlight === 0) this.#land(lane);
  }

  onFailed(lane: Lane, error: Error, stage: FailureStage): void {
    // Of a partition that drains or is gone, the record will be delivered again, here or elsewhere.
    if (lane.partition.state !== 'active') {
      this.#land(lane);
      return;
    }
    lane.land();
    const delivery = lane.head as Delivery;
    // What ended its thread may do so again, and must not take others with it; one that only threw is cleared.
    if (stage !== 'timeout') delivery.alone = stage === 'thread-lost';
    const { options, random, breaker } = this.#parts;
    const record = toKafkaRecord(delivery.record);
    const traceId = delivery.errors.at(-1)?.traceId ?? traceIdOf(record, random);
    const { topic, partition, offset } = record;
    const failure = new HandlerError({ topic, partition, offset, attempt: delivery.attempt, traceId }, error, stage);
    delivery.errors = [...delivery.errors, failure].slice(-ERRORS_MAX);
    try {
      if (breaker?.onFailed(lane, failure)) {
        this.#setAside(lane, failure, breaker);
        return;
      }
      const decision = decide(options, failure, { record, errors: delivery.errors }, random);
      if (decision.action === 'retry') this.#retryLater(lane, failure, decision);
      else this.#exhausted(lane, record, failure, decision.action);
    } catch (thrown) {
      // One of the application's functions is at fault.
      this.#parts.onFatal(asFatal(thrown));
    }
  }

  onDropped(lane: Lane): void {
    this.#land(lane);
  }

  onReported(): void {
    this.#parts.dispatcher.dispatch();
    this.#parts.onSettled();
  }

  onThreadLost(error: ThreadLostError, lanes: readonly Lane[], suspects: readonly Lane[]): void {
    this.#parts.events.emit('warning', error);
    const suspected = new Set(suspects);
    for (const lane of lanes) if (!suspected.has(lane)) this.#land(lane);
    const [only] = suspects;
    if (only !== undefined && suspects.length === 1) this.onFailed(only, error, 'thread-lost');
    else for (const lane of suspects) this.#suspect(lane);
    this.onReported();
  }

  /** Any of several records may have ended the thread; run alone, the one that did gives itself away. */
  #suspect(lane: Lane): void {
    (lane.head as Delivery).alone = true;
    this.#land(lane);
  }

  onFatal(error: KeylaneError): void {
    this.#parts.onFatal(error);
  }

  #retryLater(lane: Lane, error: HandlerError, { delayMs, isAttempt }: Extract<Decision, { action: 'retry' }>): void {
    const { clock, events } = this.#parts;
    this.retried += 1;
    if (isAttempt) (lane.head as Delivery).attempt += 1;
    events.emit('retry', { error, delayMs });
    lane.state = 'waiting';
    lane.partition.waiting.add(
      lane,
      clock.after(delayMs, () => this.#retry(lane)),
    );
  }

  /** What the handler depends on is down: the record is not to blame, and is not tried until that may be over. */
  #setAside(lane: Lane, error: HandlerError, breaker: Breaker): void {
    this.retried += 1;
    this.#parts.events.emit('retry', { error, delayMs: breaker.remainingMs });
    breaker.setAside(lane);
  }

  #retry(lane: Lane): void {
    lane.partition.waiting.end(lane);
    this.#parts.dispatcher.enqueue(lane);
    this.#parts.dispatcher.dispatch();
  }

  /** The record is not tried again. */
  #exhausted(lane: Lane, record: KafkaRecord, error: HandlerError, action: Disposal): void {
    const { dispatcher, leaving } = this.#parts;
    if (action === 'stop') this.#parts.onFatal(error);
    else if (this.#floods(lane)) dispatcher.enqueue(lane);
    else if (action === 'skip') leaving.skip(lane, error);
    else if (action === 'park') leaving.park(lane, record, error);
    else leaving.deadLetter(lane, record, error);
  }

  /** The head of a lane is done with, though its handler may never have completed it. */
  onLeft(lane: Lane): void {
    lane.partition.complete(lane.shift(), true);
    this.#land(lane);
  }

  /** Whether this one is one too many, or its partition stopped for that before: then it waits until that ends. */
  #floods({ partition }: Lane): boolean {
    const wasHalted = partition.halted;
    if (partition.exhaust()) return false;
    if (wasHalted) return true;
    const { events, options, onHalted } = this.#parts;
    const { shareMax, windowRecords, consecutiveMax } = options.deadLetter;
    const what =
      `more than deadLetter.consecutiveMax = ${consecutiveMax} records were exhausted one after the other, or more ` +
      `than shareMax = ${shareMax} of the last ${windowRecords}, so nothing more of it is handed out. Mend the cause, ` +
      'then go on with consumer.resume()';
    events.emit('warning', new FloodError(what, partition));
    events.emit('halted', { topic: partition.topic, partition: partition.partition });
    onHalted(partition);
    return true;
  }

  /** The segment is over: the lane goes on with its next record, or away. */
  #land(lane: Lane): void {
    lane.land();
    this.#parts.breaker?.onVoid(lane);
    if (lane.length === 0) lane.partition.forget(lane);
    else if (lane.partition.state === 'active') this.#parts.dispatcher.enqueue(lane);
  }
}

/**
 * The one place that decides what an outcome means. Runs on the poller's thread, behind the executor.
 *
 * Invariant: a record is completed here and nowhere else, and a lane that landed is either enqueued again, waiting,
 * held or forgotten. Outcomes of partitions that are gone change nothing.
 */

import { type FailureStage, HandlerError, type KeylaneError, type ThreadLostError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { ExecutorListener } from '../executor/executor.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Clock } from './clock.ts';
import type { Delivery } from './delivery.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Lane } from './lane.ts';
import { retryDelayMs } from './retry.ts';

export interface SettleParts {
  readonly options: Pick<ResolvedOptions, 'retry'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: Events;
  readonly dispatcher: Dispatcher;
  /** Outcomes came in: what waits for room or for a drain may go on. */
  readonly onSettled: () => void;
  readonly onFatal: (error: KeylaneError) => void;
}

export class Settle implements ExecutorListener {
  /** Records completed since the start. */
  completed = 0;
  readonly #parts: SettleParts;

  constructor(parts: SettleParts) {
    this.#parts = parts;
  }

  onCompleted(lane: Lane, count: number): void {
    for (let left = count; left > 0; left -= 1) lane.partition.complete(lane.shift());
    this.completed += count;
    if (lane.inFlight === 0) this.#land(lane);
  }

  onFailed(lane: Lane, error: Error, stage: FailureStage): void {
    const delivery = lane.head as Delivery;
    const { topic, partition } = lane.partition;
    const { offset } = delivery.record;
    const { attempt } = delivery;
    lane.land();
    // Of a partition that drains or is gone, the record will be delivered again, here or elsewhere.
    if (lane.partition.state !== 'active') return;
    const { options, clock, random, events } = this.#parts;
    const failure = new HandlerError({ topic, partition, offset, attempt }, error, stage);
    const isFinal = 'retryable' in error && error.retryable === false;
    const delayMs = isFinal ? undefined : retryDelayMs(options.retry, attempt, random);
    // What ended its thread may do so again, and must not take others with it; one that only threw is cleared.
    if (stage !== 'timeout') delivery.alone = stage === 'thread-lost';
    if (delayMs === undefined) {
      this.#parts.onFatal(failure);
      return;
    }
    delivery.attempt += 1;
    delivery.errors = [failure];
    events.emit('retry', { error: failure, delayMs });
    lane.state = 'waiting';
    lane.partition.waiting.set(
      lane,
      clock.after(delayMs, () => this.#retry(lane)),
    );
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

  /** The segment is over: the lane goes on with its next record, or away. */
  #land(lane: Lane): void {
    lane.land();
    if (lane.length === 0) lane.partition.forget(lane);
    else if (lane.partition.state === 'active') this.#parts.dispatcher.enqueue(lane);
  }

  #retry(lane: Lane): void {
    lane.partition.waiting.delete(lane);
    this.#parts.dispatcher.enqueue(lane);
    this.#parts.dispatcher.dispatch();
  }
}

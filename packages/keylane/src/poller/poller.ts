/**
 * Asks for room, consumes, registers, dispatches, again and again. Runs on the thread that owns the client, which
 * must be the process's main thread (docs/adr/0001).
 *
 * Invariant: it never stops calling `consume` for longer than {@link STALL_MS}, however full the buffer is, since
 * rebalances, the answers to commits and `max.poll.interval.ms` all depend on it. Only an action between two polls that
 * waits for the client may hold it up longer (`betweenPolls`; a seek has its own limit).
 */
import type { KafkaError } from '../errors.ts';
import type { Assignment } from './assignment.ts';
import type { Budget } from './budget.ts';
import type { Client, ClientRecord, PartitionOffset } from './client.ts';
import type { Clock, Timer } from './clock.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Guard } from './guard.ts';
import type { Partition } from './partition.ts';
import type { Pauses } from './pauses.ts';

/** The client says when there are records; this tick only serves what it does not announce. */
const TICK_MS = 100;
/**
 * Of one call, while handlers take long. A thousand records keep this thread from feeding others for 4 ms, for 10 where
 * nothing is compiled yet, and these have work for 2 (`thread-load.ts`).
 */
export const SHORT_POLL_RECORDS = 50;
/**
 * The buffer may be full this long before everything is paused, so that polling can go on without taking records in.
 */
const STALL_MS = 1_000;

export interface PollerParts {
  /** Makes a fault inside a callback fail the consumer. */
  readonly guard: Guard;
  readonly client: Pick<Client, 'consume'>;
  readonly clock: Clock;
  readonly budget: Budget;
  readonly pauses: Pauses;
  readonly assignment: Pick<Assignment, 'register' | 'onEnd'>;
  readonly dispatcher: Dispatcher;
  readonly onError: (error: KafkaError) => void;
}

export class Poller {
  #running = false;
  #underWay = false;
  /** What the call under way, or the last one, was asked for: fewer than that were all there were. */
  #asked = 0;
  /** Records were announced while a call was under way, so too few do not mean that there are no more. */
  #announced = false;
  /** There was no room to ask for any. */
  #lacksRoom = false;
  #fullSince: number | undefined = undefined;
  #ticker: Timer | undefined = undefined;
  #stopped: (() => void) | undefined = undefined;
  /** Who wants no call to begin, and who waits for the one under way to end. */
  #holds = 0;
  #between: (() => void)[] = [];
  readonly #parts: PollerParts;
  readonly #onConsumed: Parameters<Client['consume']>[1];

  constructor(parts: PollerParts) {
    this.#parts = parts;
    this.#onConsumed = parts.guard((error, records, ends) => this.#consumed(error, records, ends));
  }

  start(): void {
    this.#running = true;
    this.#tick();
  }

  /** Resolves once no call of `consume` is under way any more. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#ticker?.stop();
    if (this.#underWay) await new Promise<void>((resolve) => (this.#stopped = resolve));
  }

  /** There may be records: consumes them if there is room and no call is under way. */
  poll(): void {
    if (this.#underWay) this.#announced = true;
    else this.#ask(0);
  }

  /** Outcomes came in: there may be room. Asking for what was not announced would cost a call for nothing. */
  onSettled(): void {
    if (this.#lacksRoom && !this.#underWay) this.#ask(0);
  }

  /**
   * Does this while no call of `consume` is under way, with all that earlier calls brought taken in, and begins none
   * until it is done. Rejects as the action does.
   */
  async betweenPolls(action: () => void | Promise<void>): Promise<void> {
    this.#holds += 1;
    try {
      if (this.#underWay) await new Promise<void>((resolve) => this.#between.push(resolve));
      await action();
    } finally {
      this.#holds -= 1;
    }
    // Not where the action failed: what that threw must not be hidden by what this one may throw.
    this.poll();
  }

  #ask(expected: number): void {
    const { budget, dispatcher } = this.#parts;
    const room = budget.room(expected);
    this.#lacksRoom = room === 0;
    if (this.#lacksRoom) return;
    this.#fullSince = undefined;
    this.#consume(dispatcher.slow ? Math.min(room, SHORT_POLL_RECORDS) : room);
  }

  #tick(): void {
    const { clock, pauses } = this.#parts;
    this.#ticker = clock.after(TICK_MS, () => this.#tick());
    // Partitions that went away make room without any outcome that would say so.
    pauses.onSettled();
    this.poll();
    if (this.#underWay) return;
    // The buffer is full. Once it has been for long, everything is paused, and an ask for one record serves what waits.
    this.#fullSince ??= clock.now();
    if (clock.now() - this.#fullSince < STALL_MS) return;
    pauses.stall();
    this.#consume(1);
  }

  #consume(recordsMax: number): void {
    if (!this.#running || this.#holds > 0) return;
    this.#announced = false;
    this.#asked = recordsMax;
    this.#parts.client.consume(recordsMax, this.#onConsumed);
    // Only now: a call that throws is not under way, and nobody may wait for its end.
    this.#underWay = true;
  }

  #consumed(error: KafkaError | undefined, records: readonly ClientRecord[], ends: readonly PartitionOffset[]): void {
    this.#underWay = false;
    this.#stopped?.();
    if (error !== undefined) this.#parts.onError(error);
    // The next call goes out before this answer is worked through: the client fetches while we register.
    if (records.length >= this.#asked || this.#announced) this.#ask(records.length);
    try {
      this.#take(records, ends);
    } finally {
      for (const resolve of this.#between.splice(0)) resolve();
    }
  }

  #take(records: readonly ClientRecord[], ends: readonly PartitionOffset[]): void {
    const { assignment, dispatcher, pauses } = this.#parts;
    let last: Partition | undefined;
    for (const record of records) {
      const delivery = assignment.register(record);
      if (delivery === undefined) continue;
      const { lane } = delivery;
      if (lane.state === 'idle') dispatcher.enqueue(lane);
      // Records come partition by partition, and a pause is too late for those that are here.
      if (last !== undefined && last !== lane.partition) pauses.onRegistered(last);
      last = lane.partition as Partition;
    }
    if (last !== undefined) pauses.onRegistered(last);
    // The records of a call come before the ends it met: an end never lies below one of them.
    for (const end of ends) assignment.onEnd(end);
    if (records.length > 0) dispatcher.dispatch();
  }
}

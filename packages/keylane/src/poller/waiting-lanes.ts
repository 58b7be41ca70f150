/**
 * The lanes of one partition whose first record waits for its next attempt, and how many records are held up behind
 * those. Runs on the poller's thread.
 *
 * Invariant: the budget knows at any time how many records wait.
 */
import type { Budget } from './budget.ts';
import type { Timer } from './clock.ts';
import type { Lane } from './lane.ts';

export class WaitingLanes {
  /** In these lanes. */
  records = 0;
  readonly #timers: Map<Lane, Timer> = new Map();
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#timers.size;
  }

  has(lane: Lane): boolean {
    return this.#timers.has(lane);
  }

  lanes(): Lane[] {
    return [...this.#timers.keys()];
  }

  /** The lane's head runs again when this timer is over. */
  add(lane: Lane, timer: Timer): void {
    this.#timers.set(lane, timer);
    this.#count(lane.length);
  }

  /** Another record came for one of them. */
  grew(): void {
    this.#count(1);
  }

  /** Its time is over. */
  end(lane: Lane): void {
    if (this.#timers.delete(lane)) this.#count(-lane.length);
  }

  /** None of them runs again. */
  stop(): void {
    for (const timer of this.#timers.values()) timer.stop();
    this.#timers.clear();
    this.#count(-this.records);
  }

  #count(records: number): void {
    this.records += records;
    this.#budget.waiting += records;
  }
}

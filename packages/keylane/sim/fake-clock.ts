/**
 * Time that passes only when the simulator says so, one event after the other.
 */
import type { Clock, Timer } from '../src/poller/clock.ts';

interface Event {
  readonly at: number;
  /** Events of the same time happen in the order they were asked for. */
  readonly order: number;
  readonly run: () => void;
}

export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  /** Sorted, the next one last. */
  readonly #events: Event[] = [];

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    this.#order += 1;
    const event: Event = { at: this.#now + Math.max(0, delayMs), order: this.#order, run: callback };
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(event, this.#events[middle] as Event)) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
    return {
      stop: () => {
        const place = this.#events.indexOf(event);
        if (place !== -1) this.#events.splice(place, 1);
      },
    };
  }

  /** Lets the next event happen; false when there is none. */
  step(): boolean {
    const event = this.#events.pop();
    if (event === undefined) return false;
    this.#now = event.at;
    event.run();
    return true;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

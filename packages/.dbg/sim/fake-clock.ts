/**
 * Time that passes only when the simulator says so, one event after the other. A heap; an event that was stopped stays
 * in it until its time comes, and then does nothing.
 */
import type { Clock, Timer } from '../src/poller/clock.ts';

interface Event extends Timer {
  readonly at: number;
  /** Events of the same time happen in the order they were asked for. */
  readonly order: number;
  run: (() => void) | undefined;
}

const EPOCH = Date.UTC(2020, 0, 1);

export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  now(): number {
    return this.#now;
  }

  timeOfDay(): number {
    return EPOCH + this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    this.#order += 1;
    const event: Event = {
      at: this.#now + Math.max(0, delayMs),
      order: this.#order,
      run: callback,
      stop() {
        this.run = undefined;
      },
    };
    this.#push(event);
    return event;
  }

  /** Lets the next event happen; false when there is none. */
  step(): boolean {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      if (event.run === undefined) continue;
      this.#now = event.at;
      event.run();
      return true;
    }
    return false;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let place = heap.push(event) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[place] = heap[parent] as Event;
      place = parent;
    }
    heap[place] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let place = 0;
    for (let child = 1; child < heap.length; child = place * 2 + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[place] = heap[child] as Event;
      place = child;
    }
    heap[place] = last;
    return top;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

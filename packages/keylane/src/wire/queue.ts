/**
 * First in, first out, in an array that is gone round in. Used on the poller's thread and in handler threads.
 *
 * Invariant: it refers to nothing that it gave out. What is dead and still referred to is copied by the garbage
 * collector as if it lived, with all that hangs on it.
 */
const CAPACITY_MIN = 16;
/** An empty queue gives back what is more than this. */
const CAPACITY_KEPT = 4_096;

export class Queue<T extends object> {
  size = 0;
  /** Its length is a power of two. */
  #items: (T | undefined)[] = emptyItems(CAPACITY_MIN);
  #head = 0;

  /** The one that is next; `undefined` when there is none. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  /** The one that came last. */
  get last(): T | undefined {
    return this.#items[(this.#head + this.size - 1) & (this.#items.length - 1)];
  }

  push(item: T): void {
    if (this.size === this.#items.length) this.#grow();
    this.#items[(this.#head + this.size) & (this.#items.length - 1)] = item;
    this.size += 1;
  }

  shift(): T | undefined {
    const first = this.first;
    if (first === undefined) return undefined;
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.size -= 1;
    if (this.size === 0 && this.#items.length > CAPACITY_KEPT) this.#reset(CAPACITY_MIN);
    return first;
  }

  #grow(): void {
    const [items, head] = [this.#items, this.#head];
    this.#reset(items.length * 2);
    for (let place = 0; place < items.length; place += 1)
      this.#items[place] = items[(head + place) & (items.length - 1)];
  }

  #reset(capacity: number): void {
    this.#items = emptyItems(capacity);
    this.#head = 0;
  }
}

function emptyItems(count: number): undefined[] {
  return new Array<undefined>(count).fill(undefined);
}

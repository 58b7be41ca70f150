/**
 * A queue of a fixed size that allocates nothing.
 */
export class Ring<T> {
  #first = 0;
  length = 0;
  readonly #items: (T | undefined)[];

  constructor(size: number) {
    this.#items = new Array(size).fill(undefined);
  }

  push(item: T): void {
    if (this.length === this.#items.length) throw new Error(`more than ${this.length} items in a ring`);
    this.#items[(this.#first + this.length) % this.#items.length] = item;
    this.length += 1;
  }

  shift(): T | undefined {
    const item = this.#items[this.#first];
    if (this.length === 0) return undefined;
    this.#items[this.#first] = undefined;
    this.#first = (this.#first + 1) % this.#items.length;
    this.length -= 1;
    return item;
  }
}

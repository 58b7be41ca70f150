/**
 * A binary heap: the item with the lowest rank is the first. Each item knows its place, so one whose rank changed, or
 * that goes, need not be looked for.
 */
export interface Ranked {
  /** The lower the sooner. Whoever changes it says so with `moved`. */
  rank: number;
  /** Kept by the heap it is in. */
  place: number;
}

export class RankHeap<T extends Ranked> {
  readonly #items: T[] = [];

  /** In the heap's own order: only that the first has the lowest rank can be told of it. */
  get items(): readonly T[] {
    return this.#items;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    this.#up(item, this.#items.push(item) - 1);
  }

  remove(item: T): void {
    const last = this.#items.pop() as T;
    if (last === item) return;
    this.#put(last, item.place);
    this.moved(last);
  }

  /** The item's rank changed. */
  moved(item: T): void {
    this.#up(item, item.place);
    this.#down(item, item.place);
  }

  #up(item: T, from: number): void {
    const items = this.#items;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = items[parent] as T;
      if (above.rank <= item.rank) break;
      this.#put(above, place);
      place = parent;
    }
    this.#put(item, place);
  }

  #down(item: T, from: number): void {
    const items = this.#items;
    let place = from;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] as T).rank < (items[child] as T).rank) child += 1;
      const below = items[child] as T;
      if (item.rank <= below.rank) break;
      this.#put(below, place);
      place = child;
    }
    this.#put(item, place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }
}

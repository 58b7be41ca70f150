/**
 * Notices when a partition's records fail one after the other: a bad deploy must not drain a topic into its dead
 * letters. Pure; one for each partition in which a record was ever exhausted.
 */

/** How much may be exhausted of a partition's records before its hand-out stops. */
export interface FloodLimits {
  /** Share, from 0 to 1, of the last `windowRecords` settled records that may be exhausted. */
  readonly shareMax: number;
  readonly windowRecords: number;
  /** Records that may be exhausted one after the other, with none completing in between. */
  readonly consecutiveMax: number;
}

export class Flood {
  /** Exhausted records since one completed last. */
  consecutive = 0;
  /** Among the last `windowRecords` settled ones. */
  exhausted = 0;
  /** 1 where a record was exhausted; a ring. */
  readonly #window: Uint8Array;
  #settled = 0;
  readonly #limits: FloodLimits;

  constructor(limits: FloodLimits) {
    this.#limits = limits;
    this.#window = new Uint8Array(limits.windowRecords);
  }

  /** A record completed. */
  completed(): void {
    this.consecutive = 0;
    this.#note(0);
  }

  /** A record is exhausted; true where that is one too many. */
  isOver(): boolean {
    const { shareMax, windowRecords, consecutiveMax } = this.#limits;
    this.consecutive += 1;
    this.#note(1);
    if (this.consecutive > consecutiveMax) return true;
    return this.#settled >= windowRecords && this.exhausted > shareMax * windowRecords;
  }

  #note(exhausted: 0 | 1): void {
    const place = this.#settled % this.#window.length;
    this.exhausted += exhausted - (this.#window[place] as number);
    this.#window[place] = exhausted;
    this.#settled += 1;
  }
}

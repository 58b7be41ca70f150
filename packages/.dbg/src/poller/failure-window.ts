/**
 * How many runs of the last while failed. Pure; counts in tenths of its length, so that it costs the same however many
 * runs there are.
 */
const BUCKETS = 10;

export class FailureWindow {
  readonly #bucketMs: number;
  #buckets = emptyBuckets();

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS;
  }

  note(now: number, records: number, failures: number): void {
    const turn = Math.floor(now / this.#bucketMs);
    const bucket = this.#buckets[turn % BUCKETS] as Bucket;
    // What stands there is of an earlier round.
    if (bucket.turn !== turn) Object.assign(bucket, { turn, records: 0, failures: 0 });
    bucket.records += records;
    bucket.failures += failures;
  }

  totals(now: number): { readonly records: number; readonly failures: number } {
    const oldest = Math.floor(now / this.#bucketMs) - BUCKETS;
    let [records, failures] = [0, 0];
    for (const bucket of this.#buckets) {
      if (bucket.turn <= oldest) continue;
      records += bucket.records;
      failures += bucket.failures;
    }
    return { records, failures };
  }

  clear(): void {
    this.#buckets = emptyBuckets();
  }
}

interface Bucket {
  /** Which tenth of the window, counted from the clock's start. */
  turn: number;
  records: number;
  failures: number;
}

function emptyBuckets(): Bucket[] {
  return Array.from({ length: BUCKETS }, () => ({ turn: Number.NEGATIVE_INFINITY, records: 0, failures: 0 }));
}

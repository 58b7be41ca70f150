/**
 * What the soak and its small process tell each other.
 */

/** A line of the process, ten times a second. */
export interface SoakSample {
  readonly completed: number;
  readonly rssBytes: number;
  readonly bufferedBytes: number;
}

/** What the process may hold of records. */
export const SOAK_BUFFERED_BYTES_MAX: number = 8 * 2 ** 20;
/** Of its heap, and of its thread's. */
export const SOAK_HEAP_MIB: number = 64;

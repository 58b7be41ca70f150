/** One of the threads of bare-threads.ts. */
import { workerData } from 'node:worker_threads';
import { compute } from '../workload/handling.ts';

export interface BareThreadData {
  /** How many computations there are for all threads. */
  readonly records: number;
  /** Of one computation. */
  readonly rounds: number;
  /** One number that all threads share: computations that a thread has begun. */
  readonly taken: Int32Array;
  /** The same: those that have ended. */
  readonly ended: Int32Array;
}

const { records, rounds, taken, ended } = workerData as BareThreadData;
while (Atomics.add(taken, 0, 1) < records) {
  compute(rounds);
  Atomics.add(ended, 0, 1);
}

/**
 * How much memory the process has, looked at ten times a second.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const SAMPLE_EVERY_MS = 100;

/** In MiB: at one time, or the most of several. */
export interface Memory {
  /** Of the whole process. */
  readonly rssMiB: number;
  /** Of the main thread's heap, and of the buffers outside it. */
  readonly heapMiB: number;
  readonly externalMiB: number;
}

/** Samples for that long, or until `ended` resolves; at least one. */
export async function watchMemory(
  watchMs: number,
  ended: Promise<unknown>,
  onSample: () => void = () => undefined,
): Promise<Memory[]> {
  const samples: Memory[] = [];
  let isOver = false;
  const over = Promise.race([ended, sleep(watchMs)]).then(() => {
    isOver = true;
  });
  do {
    const { rss, heapUsed, external } = process.memoryUsage();
    samples.push({ rssMiB: mib(rss), heapMiB: mib(heapUsed), externalMiB: mib(external) });
    onSample();
    await Promise.race([over, sleep(SAMPLE_EVERY_MS)]);
  } while (!isOver);
  return samples;
}

export function peaksOf(samples: readonly Memory[]): Memory {
  const peak = (of: keyof Memory) => samples.reduce((most, sample) => Math.max(most, sample[of]), 0);
  return { rssMiB: peak('rssMiB'), heapMiB: peak('heapMiB'), externalMiB: peak('externalMiB') };
}

/** The last quarter's peak over the second's, of the whole process: above 1 it still grows. The first one fills. */
export function growthOf(samples: readonly Memory[]): number {
  const peakOfQuarter = (quarter: number) =>
    peaksOf(samples.slice((samples.length * (quarter - 1)) / 4, (samples.length * quarter) / 4)).rssMiB;
  return peakOfQuarter(4) / peakOfQuarter(2);
}

export const mib = (bytes: number): number => bytes / 2 ** 20;

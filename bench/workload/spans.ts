/**
 * The span of the offset map: from the offset that could be committed to the one that comes next, in records. Sampled
 * over a run; of several partitions the widest counts.
 */
import type { PartitionSnapshot } from 'keylane';
import { median } from './median.ts';

export class Spans {
  readonly #samples: number[] = [];

  look(partitions: readonly Pick<PartitionSnapshot, 'position' | 'committable'>[]): void {
    const spans = partitions.map(({ position, committable }) => (position ?? 0) - (committable ?? position ?? 0));
    this.#samples.push(Math.max(0, ...spans));
  }

  /** Its median and its maximum. */
  measured(): { readonly spanMedian: number; readonly spanMax: number } {
    return { spanMedian: median(this.#samples), spanMax: this.#samples.reduce((a, b) => Math.max(a, b), 0) };
  }
}

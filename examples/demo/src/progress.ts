/**
 * The live line of a run: a bar on a terminal, a line a second elsewhere.
 */
import cliProgress from 'cli-progress';
import type { ConsumerSnapshot } from 'keylane';

const LINE_EVERY_MS = 1_000;

export class ProgressLine {
  readonly #title: string;
  readonly #total: number;
  readonly #bar: cliProgress.SingleBar | undefined;
  #printedAt = performance.now();

  constructor(title: string, total: number) {
    this.#title = title.padStart(10);
    this.#total = total;
    if (!process.stderr.isTTY) return;
    const format = `${this.#title} {bar} {value}/{total}   {rate} records/s   lag {lag}   by thread {shares}`;
    this.#bar = new cliProgress.SingleBar(
      { format, stream: process.stderr, hideCursor: true, barsize: 24 },
      cliProgress.Presets.shades_classic,
    );
    this.#bar.start(total, 0, { rate: 0, lag: total, shares: '' });
  }

  /** @param start when the first record was handled; 0 while none was */
  show({ completed, threads, partitions }: ConsumerSnapshot, start: number): void {
    const now = performance.now();
    const rate = start === 0 ? 0 : Math.round((completed * 1_000) / Math.max(1, now - start));
    // Before the client's first statistics the consumer knows no end; the demo knows what it produced.
    const known = partitions.length > 0 && partitions.every(({ lag }) => lag !== null);
    const lag = known
      ? partitions.reduce((sum, partition) => sum + (partition.lag as number), 0)
      : this.#total - completed;
    const shares = threads
      .map((thread) => `${Math.round((100 * thread.completed) / Math.max(1, completed))} %`)
      .join(' · ');
    if (this.#bar !== undefined) this.#bar.update(completed, { rate, lag, shares });
    else if (now - this.#printedAt >= LINE_EVERY_MS || completed === this.#total) {
      this.#printedAt = now;
      const state = start === 0 ? 'joining the group' : `${rate} records/s   lag ${lag}   by thread ${shares}`;
      process.stderr.write(`${this.#title}   ${completed}/${this.#total}   ${state}\n`);
    }
  }

  end(): void {
    this.#bar?.stop();
  }
}

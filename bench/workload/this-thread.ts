/**
 * Handles records on this thread: what the peers without handler threads share.
 */
import { type Handling, handling } from './handling.ts';
import type { Job } from './job.ts';
import type { Measured, Meter } from './peer.ts';

export class ThisThread {
  /** Resolves when as many records as the topic has were handled. */
  readonly allHandled: Promise<void>;
  readonly #meter: Meter;
  readonly #handling: Handling;
  readonly #records: number;
  #resolve: () => void = () => undefined;
  #handled = 0;

  constructor({ records }: Job, { meter, data }: Pick<Measured, 'meter' | 'data'>) {
    this.#meter = meter;
    this.#handling = handling(data);
    this.#records = records;
    this.allHandled = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  handle(value: Buffer): void | Promise<void> {
    this.#meter.saw(this.#handled);
    const running = this.#handling(value);
    if (running === undefined) return this.#ended();
    return running.then(() => this.#ended());
  }

  #ended(): void {
    this.#handled += 1;
    if (this.#handled === this.#records) this.#resolve();
  }
}

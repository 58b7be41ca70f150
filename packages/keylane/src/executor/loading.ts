/**
 * Which threads of a pool are still loading modules, so that none is stopped meanwhile: Node ends the whole process
 * with `FATAL ERROR` where a thread is stopped while it links modules (docs/adr/0014). Runs on the poller's thread.
 */
import type { Worker } from 'node:worker_threads';

/** What it needs of a Piscina pool. */
export interface LoadingPool {
  readonly threads: readonly Worker[];
  on(event: 'workerCreate' | 'workerDestroy', listener: (worker: { readonly id: number }) => void): unknown;
}

export class Loading {
  readonly #pool: LoadingPool;
  readonly #known: WeakSet<Worker> = new WeakSet();
  readonly #loads: Set<Promise<void>> = new Set();

  constructor(pool: LoadingPool) {
    this.#pool = pool;
    // One that is lost is replaced in the same turn.
    pool.on('workerDestroy', () => queueMicrotask(() => this.#look()));
    // Told of the first threads at once, and there we know them already; of any other when it has loaded.
    pool.on('workerCreate', ({ id }) => {
      const worker = pool.threads.find(({ threadId }) => threadId === id);
      if (worker !== undefined) this.#known.add(worker);
    });
    this.#look();
  }

  /** Resolves when no thread is loading, those included that are started in the meantime. */
  async over(): Promise<void> {
    this.#look();
    while (this.#loads.size > 0) await Promise.all(this.#loads);
  }

  #look(): void {
    for (const worker of this.#pool.threads) {
      if (this.#known.has(worker)) continue;
      this.#known.add(worker);
      // The first message of a thread of Piscina's says that it has loaded what its tasks run.
      const load = new Promise<void>((resolve) => worker.once('message', resolve).once('exit', resolve));
      this.#loads.add(load);
      void load.then(() => this.#loads.delete(load));
    }
  }
}

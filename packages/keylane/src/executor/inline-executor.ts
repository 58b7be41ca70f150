/**
 * Runs a handler function on the poller's own event loop, under p-queue: for I/O-bound handlers that need the
 * application's own objects. The only importer of p-queue.
 */
import PQueue from 'p-queue';
import { asError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import { toKafkaRecord } from '../poller/client.ts';
import type { Delivery } from '../poller/delivery.ts';
import type { Lane } from '../poller/lane.ts';
import type { HandleFunction, HandlerContext } from '../worker/handler.ts';
import type { Executor, ExecutorListener, ExecutorThread, ThreadSnapshot } from './executor.ts';
import { ThreadLoad } from './thread-load.ts';

export class InlineExecutor implements Executor, ExecutorThread {
  readonly id = 0;
  readonly threads: readonly [InlineExecutor] = [this];
  readonly load: ThreadLoad;
  #completed = 0;
  #listener: ExecutorListener | undefined = undefined;
  #reportScheduled = false;
  readonly #handle: HandleFunction;
  readonly #queue: PQueue;

  constructor(handle: HandleFunction, { concurrencyPerThread }: Pick<ResolvedOptions, 'concurrencyPerThread'>) {
    this.#handle = handle;
    this.load = new ThreadLoad(concurrencyPerThread, 0);
    this.#queue = new PQueue({ concurrency: concurrencyPerThread });
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
  }

  send(lanes: readonly Lane[]): void {
    for (const lane of lanes) void this.#queue.add(() => this.#segment(lane));
  }

  snapshot(): ThreadSnapshot[] {
    return [{ id: 0, records: this.load.records, completed: this.#completed, restarts: 0 }];
  }

  async close(timeoutMs: number): Promise<void> {
    this.#queue.clear();
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.#queue.onIdle(), new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)))]);
    clearTimeout(timer);
  }

  /** Runs the records of a lane's segment one after the other, up to the first failure. */
  async #segment(lane: Lane): Promise<void> {
    const listener = this.#listener as ExecutorListener;
    for (let left = lane.inFlight; left > 0; left -= 1) {
      const { record, attempt } = lane.head as Delivery;
      const start = performance.now();
      try {
        await this.#handle(toKafkaRecord(record), { attempt, threadId: 0, state: undefined } satisfies HandlerContext);
      } catch (thrown) {
        this.#settled(left, true, performance.now() - start);
        listener.onFailed(lane, asError(thrown), 'handle');
        return;
      }
      this.#completed += 1;
      this.#settled(1, left === 1, performance.now() - start);
      listener.onCompleted(lane, 1);
    }
  }

  /** Frees what settled records took, and tells at the end of this turn that outcomes came in. */
  #settled(records: number, last: boolean, serviceMs: number): void {
    this.load.records -= records;
    if (last) this.load.lanes -= 1;
    this.load.observe(1, serviceMs, serviceMs, 0);
    if (this.#reportScheduled) return;
    this.#reportScheduled = true;
    setImmediate(() => {
      this.#reportScheduled = false;
      this.#listener?.onReported();
    });
  }
}

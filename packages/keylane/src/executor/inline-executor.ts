/**
 * Runs a handler on the poller's own event loop, under p-queue: for I/O-bound handlers that need the application's own
 * objects. The only importer of p-queue.
 *
 * Nothing can end a call: past its time and the grace its record has failed, and what the call does later changes
 * nothing here.
 */
import PQueue from 'p-queue';
import { asError, ConfigurationError, type FailureStage, hungError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import { toKafkaRecord } from '../poller/client.ts';
import { systemClock, within } from '../poller/clock.ts';
import type { Delivery } from '../poller/delivery.ts';
import type { Lane } from '../poller/lane.ts';
import { Leases } from '../wire/leases.ts';
import { Run, type RunSite, Runs } from '../wire/run.ts';
import { withFewCauses } from '../wire/wire-error.ts';
import { decoding, UndecodableError } from '../worker/decode.ts';
import type { AnyHandler, HandleFunction } from '../worker/handler.ts';
import type { Executor, ExecutorListener, ExecutorThread, ThreadSnapshot } from './executor.ts';
import { ThreadLoad } from './thread-load.ts';

export type InlineOptions = Pick<
  ResolvedOptions,
  'concurrencyPerThread' | 'handlerTimeoutMs' | 'handlerAbortGraceMs' | 'handlerData'
>;

/** A record that is with the handler. */
interface RunningCall {
  readonly delivery: Delivery;
  readonly startedAt: number;
  /** Ends the wait for the handler. */
  giveUp: ((error: Error) => void) | undefined;
  /** What it is given up with; set when it is first found out of its grace, used the next time the loop has turned. */
  hung: Error | undefined;
}

export class InlineExecutor implements Executor, ExecutorThread {
  readonly id = 0;
  readonly threads: readonly [InlineExecutor] = [this];
  readonly leases: Leases = new Leases();
  readonly load: ThreadLoad;
  #completed = 0;
  #listener: ExecutorListener | undefined = undefined;
  #reportScheduled = false;
  #handle: HandleFunction<unknown>;
  #site: RunSite<unknown>;
  readonly #handler: AnyHandler;
  readonly #options: InlineOptions;
  readonly #queue: PQueue;
  readonly #freeSlots: number[];
  readonly #calls: Map<unknown, RunningCall> = new Map();
  readonly #runs: Runs = new Runs((run, now) => this.#check(run, now));

  constructor(handler: AnyHandler, options: InlineOptions) {
    const { concurrencyPerThread, handlerTimeoutMs } = options;
    this.#handler = handler;
    this.#handle = handler.handle;
    this.#options = options;
    this.#site = { threadId: 0, state: undefined, leases: this.leases, handlerTimeoutMs };
    this.load = new ThreadLoad(concurrencyPerThread, 0);
    this.#queue = new PQueue({ concurrency: concurrencyPerThread });
    this.#freeSlots = Array.from({ length: concurrencyPerThread }, (_, slot) => slot);
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
    const { handlerData } = this.#options;
    try {
      this.#handle = decoding(this.#handler);
      this.#site = { ...this.#site, state: await this.#handler.open?.({ threadId: 0, handlerData }) };
    } catch (cause) {
      const problem = `the handler could not be opened: ${asError(cause).message}`;
      throw new ConfigurationError('ERR_HANDLER_LOAD', [problem], { cause });
    }
  }

  send(lanes: readonly Lane[]): void {
    for (const lane of lanes) void this.#queue.add(() => this.#segment(lane));
  }

  snapshot(): ThreadSnapshot[] {
    const now = performance.now();
    const running = [...this.#calls.values()].map(({ delivery, startedAt }) => {
      const { topic, partition } = delivery.lane.partition;
      const { attempt, record } = delivery;
      return { topic, partition, offset: record.offset, attempt, runningMs: now - startedAt };
    });
    return [{ id: 0, records: this.load.records, completed: this.#completed, restarts: 0, running }];
  }

  async close(timeoutMs: number): Promise<void> {
    this.#queue.clear();
    const end = this.#queue.onIdle().then(() => this.#handler.close?.({ state: this.#site.state }));
    await within(systemClock, timeoutMs, end);
  }

  /** Runs the records of a lane's segment one after the other, up to the first failure. */
  async #segment(lane: Lane): Promise<void> {
    const listener = this.#listener as ExecutorListener;
    const slot = this.#freeSlots.pop() as number;
    for (let left = lane.inFlight; left > 0; left -= 1) {
      const start = performance.now();
      if (!this.leases.holds(lane.partition.lease)) {
        this.#settled(left, true, 0);
        listener.onDropped(lane);
        break;
      }
      const failure = await this.#call(lane.head as Delivery, slot, start);
      if (failure !== undefined) {
        this.#settled(left, true, performance.now() - start);
        listener.onFailed(lane, failure.error, failure.stage);
        break;
      }
      this.#completed += 1;
      this.#settled(1, left === 1, performance.now() - start);
      listener.onCompleted(lane, 1);
    }
    this.#freeSlots.push(slot);
  }

  /** Runs the handler once; resolves with how it failed, where it did. */
  async #call(
    delivery: Delivery,
    slot: number,
    startedAt: number,
  ): Promise<{ error: Error; stage: FailureStage } | undefined> {
    const { attempt, lane } = delivery;
    // A handler may throw with it as the cause, each time anew: that chain would have no end.
    const previousError = delivery.previousError && withFewCauses(delivery.previousError);
    const record = toKafkaRecord(delivery.record);
    const run = new Run(this.#site, { record, attempt, previousError }, lane.partition.lease, startedAt);
    const call: RunningCall = { delivery, startedAt, giveUp: undefined, hung: undefined };
    this.#runs.begin(slot, run);
    this.#calls.set(run, call);
    try {
      const result = this.#handle(record, run);
      await new Promise<unknown>((resolve, reject) => {
        call.giveUp = reject;
        Promise.resolve(result).then(resolve, reject);
      });
      return undefined;
    } catch (thrown) {
      const stage = thrown instanceof UndecodableError ? 'deserialize' : 'handle';
      if (!run.isOver(performance.now())) return { error: asError(thrown), stage };
      return { error: thrown === call.hung ? (thrown as Error) : run.overtime(thrown), stage: 'timeout' };
    } finally {
      this.#runs.end(slot);
      this.#calls.delete(run);
    }
  }

  #check(run: Run, now: number): void {
    run.check(now);
    const call = this.#calls.get(run);
    if (call === undefined || !run.isOver(now, this.#options.handlerAbortGraceMs)) return;
    const { topic, partition } = call.delivery.lane.partition;
    const { offset } = call.delivery.record;
    if (call.hung !== undefined) call.giveUp?.(call.hung);
    call.hung ??= hungError({ topic, partition, offset }, this.#options);
  }

  /** Frees what settled records took, and tells at the end of this turn that outcomes came in. */
  #settled(records: number, last: boolean, serviceMs: number): void {
    this.load.records -= records;
    if (last) this.load.lanes -= 1;
    this.load.observe(1, serviceMs, 0);
    if (this.#reportScheduled) return;
    this.#reportScheduled = true;
    setImmediate(() => {
      this.#reportScheduled = false;
      this.#listener?.onReported();
    });
  }
}

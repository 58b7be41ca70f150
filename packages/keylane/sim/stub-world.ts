/**
 * A consumer on a client and threads that do what a test says: each of their calls may throw, reject or never answer.
 * One topic of one partition, which is assigned once the group is joined.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { type RunningConsumer, start } from '../src/consumer.ts';
import { KafkaError } from '../src/errors.ts';
import type { Executor, ExecutorListener, ExecutorThread } from '../src/executor/executor.ts';
import { ThreadLoad } from '../src/executor/thread-load.ts';
import { type ConsumerOptions, resolveOptions } from '../src/options.ts';
import type { Client, ClientListener, CommitAnswer, CommittedOffset, OnConsumed } from '../src/poller/client.ts';
import type { Clock } from '../src/poller/clock.ts';
import type { Lane } from '../src/poller/lane.ts';
import { Leases } from '../src/wire/leases.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeProcess } from './fake-process.ts';
import { recordOf } from './stations.ts';

/** What a call does instead of what it should: it throws, what it returns rejects, or no answer ever comes. */
export type Fault = 'throws' | 'rejects' | 'hangs';
export type Call = 'start' | 'send' | 'end' | Exclude<keyof Client, 'watermarks'>;

/** What every faulty call of this name throws or rejects with. */
export function faultOf(call: Call): KafkaError {
  return new KafkaError('ERR_KAFKA', `${call} failed`, { kafkaCode: -1 });
}

const AT = { topic: 't', partition: 0 };

/** Who notes the calls, and makes them fail. */
class Faults {
  readonly calls: string[] = [];
  readonly faults: Partial<Record<Call, Fault>> = {};

  /** Does it, unless it is to fail; `undefined` where its answer is never to come. */
  do<T>(call: Call, action: () => T): T | undefined {
    this.calls.push(call);
    if (this.faults[call] === 'throws') throw faultOf(call);
    return this.faults[call] === 'hangs' ? undefined : action();
  }

  async await<T>(call: Call, action: () => T): Promise<T> {
    const done = this.do(call, () => ({ result: action() }));
    if (this.faults[call] === 'rejects') throw faultOf(call);
    return done === undefined ? new Promise<T>(() => undefined) : done.result;
  }
}

class StubClient implements Client {
  listener: ClientListener | undefined = undefined;
  /** What the next call of `consume` brings. */
  offsets: number[] = [];
  #answers: CommitAnswer[] = [];
  readonly #faults: Faults;
  readonly #clock: Clock;

  constructor(faults: Faults, clock: Clock) {
    this.#faults = faults;
    this.#clock = clock;
  }

  connect(listener: ClientListener): Promise<void> {
    this.listener = listener;
    return this.#faults.await('connect', () => undefined);
  }

  subscribe(): Promise<readonly string[]> {
    return this.#faults.await('subscribe', () => {
      this.#clock.after(1, () => this.listener?.onAssigned([AT]));
      return [];
    });
  }

  consume(_recordsMax: number, done: OnConsumed): void {
    this.#faults.do('consume', () => {
      this.#clock.after(1, () => {
        const [answers, offsets] = [this.#answers.splice(0), this.offsets.splice(0)];
        if (answers.length > 0) this.listener?.onCommitAnswered(answers, undefined);
        const records = offsets.map((offset) => recordOf({ offset }));
        done(undefined, records, []);
      });
    });
  }

  committed(): Promise<readonly CommittedOffset[]> {
    return this.#faults.await('committed', () => []);
  }

  watermarks(): undefined {
    return undefined;
  }

  assign(): void {
    this.#faults.do('assign', () => undefined);
  }

  unassign(): void {
    this.#faults.do('unassign', () => undefined);
  }

  seek(): Promise<void> {
    return this.#faults.await('seek', () => undefined);
  }

  pause(): void {
    this.#faults.do('pause', () => undefined);
  }

  resume(): void {
    this.#faults.do('resume', () => undefined);
  }

  commit(offsets: readonly CommittedOffset[]): void {
    this.#faults.do('commit', () => {
      this.#answers.push(...offsets);
      this.#clock.after(1, () => this.listener?.onRecordsAvailable());
    });
  }

  disconnect(): Promise<void> {
    return this.#faults.await('disconnect', () => undefined);
  }
}

class StubExecutor implements Executor, ExecutorThread {
  readonly id = 0;
  readonly threads: readonly [StubExecutor] = [this];
  readonly leases: Leases = new Leases();
  readonly load: ThreadLoad = new ThreadLoad(1, 0);
  listener: ExecutorListener | undefined = undefined;
  readonly #faults: Faults;
  readonly #clock: Clock;

  constructor(faults: Faults, clock: Clock) {
    this.#faults = faults;
    this.#clock = clock;
  }

  start(listener: ExecutorListener): Promise<void> {
    this.listener = listener;
    return this.#faults.await('start', () => undefined);
  }

  send(lanes: readonly Lane[]): void {
    this.#faults.do('send', () => {
      this.#clock.after(1, () => {
        for (const lane of lanes) {
          const { inFlight } = lane;
          this.load.records -= inFlight;
          this.load.lanes -= 1;
          this.listener?.onCompleted(lane, inFlight);
        }
        this.listener?.onReported();
      });
    });
  }

  snapshot(): [] {
    return [];
  }

  close(): Promise<void> {
    return this.#faults.await('end', () => undefined);
  }
}

export class StubWorld extends Faults {
  readonly clock: FakeClock = new FakeClock();
  readonly client: StubClient;
  readonly executor: StubExecutor;
  readonly #process: FakeProcess = new FakeProcess(this.clock);

  constructor() {
    super();
    this.client = new StubClient(this, this.#process.inbox);
    this.executor = new StubExecutor(this, this.#process.inbox);
  }

  /** Timers of the consumer that are pending. */
  get pendingTimers(): number {
    return this.#process.pending;
  }

  start(options: Partial<ConsumerOptions> = {}): Promise<RunningConsumer> {
    const resolved = resolveOptions({
      kafka: { 'bootstrap.servers': 'stub', 'group.id': 'g' },
      topics: ['t'],
      handler: () => undefined,
      commitIntervalMs: 1_000_000,
      ...options,
    });
    const { client, executor } = this;
    const ports = { client, producer: undefined, reader: undefined, executor };
    return start(resolved, { ...ports, clock: this.#process.main, random: Math.random });
  }

  /** A consumer that runs and has its partition. */
  async running(options?: Partial<ConsumerOptions>): Promise<RunningConsumer> {
    const consumer = await this.start(options);
    await this.pass(() => consumer.state === 'running' && this.calls.includes('assign'));
    return consumer;
  }

  /** These offsets come, and are through the handler unless it hangs. */
  async consume(...offsets: number[]): Promise<void> {
    this.client.offsets.push(...offsets);
    this.client.listener?.onRecordsAvailable();
    await this.pass(() => this.calls.includes('send'));
    for (let step = 0; step < 5; step += 1) await this.#step();
  }

  /** Lets time pass until this holds. */
  async pass(holds: () => boolean, limitMs = 1_000_000): Promise<void> {
    const until = this.clock.now() + limitMs;
    while (!holds() && this.clock.now() <= until) await this.#step();
    if (!holds()) throw new Error(`in ${limitMs} ms never: ${holds}`);
  }

  /** Lets time pass until the promise settles; resolves with what it rejects with. */
  async outcome(promise: Promise<unknown>): Promise<unknown> {
    let settled: { with: unknown } | undefined;
    const settle = (value?: unknown) => {
      settled = { with: value };
    };
    promise.then(() => settle(), settle);
    await this.pass(() => settled !== undefined);
    return settled?.with;
  }

  async #step(): Promise<void> {
    await turn();
    this.clock.step();
    await turn();
  }
}

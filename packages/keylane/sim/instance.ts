/**
 * One instance of the application: a process with a real consumer in it, on a fake client and fake threads.
 */
import { type RunningConsumer, start } from '../src/consumer.ts';
import type { ResolvedOptions } from '../src/options.ts';
import { FakeClient } from './fake-client.ts';
import type { FakeClock } from './fake-clock.ts';
import type { FakeCluster } from './fake-cluster.ts';
import { FakeExecutor } from './fake-executor.ts';
import type { FakeGroup } from './fake-group.ts';
import { FakeProcess } from './fake-process.ts';
import { checkBooks, checkClosed, type Invariants } from './invariants.ts';
import type { Random } from './random.ts';
import { type Poison, Runs } from './runs.ts';
import type { Weather } from './weather.ts';

/** What all instances share. */
export interface World {
  readonly clock: FakeClock;
  readonly random: Random;
  readonly weather: Weather;
  readonly cluster: FakeCluster;
  readonly group: FakeGroup;
  readonly poison: Poison;
  readonly invariants: Invariants;
}

export class Instance {
  readonly client: FakeClient;
  readonly #process: FakeProcess;
  readonly #world: World;
  readonly #options: ResolvedOptions;
  readonly #runs: Runs;
  #consumer: RunningConsumer | undefined = undefined;
  #closing = false;

  constructor(options: ResolvedOptions, world: World) {
    const { clock, random, invariants } = world;
    this.#world = world;
    this.#options = options;
    const process = new FakeProcess(clock);
    this.#process = process;
    this.#runs = new Runs({ ...world, client: () => this.client });
    this.client = new FakeClient({
      ...world,
      inbox: process.inbox,
      network: clock,
      onAssigned: (at) => invariants.onAssigned(at),
      onGivenBack: (names) => this.#runs.disown(names),
      onViolation: (text) => invariants.violation(text),
    });
    const executor = new FakeExecutor(options.threads, options.concurrencyPerThread, {
      process,
      random,
      runs: this.#runs,
    });
    const surroundings = { client: this.client, executor, clock: process.main, random: random.next };
    void start(options, surroundings).then(
      (consumer) => this.#onStarted(consumer),
      (error: Error) => invariants.violation(`the start failed: ${error.stack}`),
    );
  }

  /** It takes part in the group, as far as it knows. */
  get alive(): boolean {
    return !this.#process.killed && !this.#closing;
  }

  get frozen(): boolean {
    return this.#process.frozen;
  }

  /** Nothing will ever happen in it again. */
  get gone(): boolean {
    const { killed } = this.#process;
    return killed || this.#consumer?.state === 'closed' || this.#consumer?.state === 'failed';
  }

  /** Its consumer, once it has started; `undefined` while it closes. */
  get consumer(): RunningConsumer | undefined {
    return this.#closing || this.#consumer?.state === 'draining' ? undefined : this.#consumer;
  }

  close(drainTimeoutMs: number | undefined): void {
    if (this.#consumer === undefined || this.#closing) return;
    this.#closing = true;
    void this.#consumer.close(drainTimeoutMs === undefined ? {} : { drainTimeoutMs });
  }

  /** As `kill -9` does it: none of its callbacks ever runs again, and the group learns it by its silence. */
  kill(): void {
    this.#process.killed = true;
    this.#runs.disown([...this.#world.cluster.partitions.keys()]);
    this.#world.clock.after(this.#world.weather.sessionMs, () => this.#expire());
  }

  /** Heartbeats come from another thread: they stop only where the whole process does. */
  freeze(whole: boolean, forMs: number): void {
    const { clock, weather } = this.#world;
    if (this.#process.frozen || this.#process.killed) return;
    this.#process.freeze(whole);
    // The main thread has longer, by `max.poll.interval.ms`.
    const silentMs = weather.sessionMs * (whole ? 1 : 2);
    if (silentMs < forMs) clock.after(silentMs, () => this.#expire());
    clock.after(forMs, () => this.#process.thaw());
  }

  /** Checks its books if anything happened in it; true while it is well. */
  check(): void {
    const consumer = this.#consumer;
    if (!this.#process.touched || consumer === undefined) return;
    this.#process.touched = false;
    const wrong = checkBooks(consumer, this.#options);
    if (wrong !== undefined) this.#world.invariants.violation(wrong);
  }

  #expire(): void {
    const { member } = this.client;
    if (member === undefined || member.fenced) return;
    this.#runs.disown(this.#world.group.remove(member));
    this.client.fenced();
  }

  #onStarted(consumer: RunningConsumer): void {
    const { invariants } = this.#world;
    this.#consumer = consumer;
    consumer.on('warning', () => undefined);
    consumer.closed.then(
      () => {
        const wrong = checkClosed(consumer, this.#process.pending);
        if (wrong !== undefined) invariants.violation(wrong);
      },
      (error: Error) => invariants.violation(`the consumer failed: ${error.stack}`),
    );
  }
}

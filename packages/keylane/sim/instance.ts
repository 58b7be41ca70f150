/**
 * One instance of the application: a process with a real consumer in it, on a fake client and fake threads.
 */
import { type RunningConsumer, start } from '../src/consumer.ts';
import { type HandlerError, OffsetError } from '../src/errors.ts';
import type { ThreadLoadView } from '../src/executor/executor.ts';
import type { ResolvedOptions } from '../src/options.ts';
import type { TopicPartition } from '../src/poller/client.ts';
import type { Lane } from '../src/poller/lane.ts';
import { BreakerWatch } from './breaker-watch.ts';
import { Failing } from './failing.ts';
import type { Failures } from './failures.ts';
import { FairShares } from './fair-shares.ts';
import { FakeClient } from './fake-client.ts';
import type { FakeClock } from './fake-clock.ts';
import { type FakeCluster, nameOf, placeOf } from './fake-cluster.ts';
import { FakeExecutor } from './fake-executor.ts';
import type { FakeGroup } from './fake-group.ts';
import { FakeProcess } from './fake-process.ts';
import { FakeProducer } from './fake-producer.ts';
import { FakeReader } from './fake-reader.ts';
import { checkBooks, checkClosed, type Invariants } from './invariants.ts';
import { LagWatch } from './lag-watch.ts';
import type { Random } from './random.ts';
import { type Outage, type Poison, Runs } from './runs.ts';
import type { Weather } from './weather.ts';

/** However full the buffer is, the client is asked for records: rebalances and answers wait for that. */
const SILENT_MAX_MS = 2_000;

/** What all instances share. */
export interface World {
  readonly clock: FakeClock;
  readonly random: Random;
  readonly weather: Weather;
  readonly cluster: FakeCluster;
  readonly group: FakeGroup;
  readonly poison: Poison;
  /** How records fail, where they do. */
  readonly failures: Failures | undefined;
  readonly outage: Outage;
  readonly invariants: Invariants;
}

export class Instance {
  readonly client: FakeClient;
  readonly #process: FakeProcess;
  readonly #world: World;
  readonly #options: ResolvedOptions;
  readonly #runs: Runs;
  readonly #failing: Failing | undefined;
  readonly #breakerWatch: BreakerWatch;
  readonly #fairShares: FairShares;
  readonly #lagWatch: LagWatch;
  readonly #executor: FakeExecutor;
  #consumer: RunningConsumer | undefined = undefined;
  #startFailed = false;
  #closing = false;
  /** The application said that this must stop the consumer; and that this must, while it closed: that may count. */
  #stop: HandlerError | undefined = undefined;
  #lateStop: HandlerError | undefined = undefined;
  #closingSince = 0;
  /** Until then a close waits for what runs. */
  #drainEnds = 0;
  /** When it said of which partition that its log is another one. */
  readonly #cutAt: Map<string, number> = new Map();
  /** By the application. */
  readonly #paused: Set<string> = new Set();

  constructor(options: ResolvedOptions, world: World) {
    const { clock, random, invariants } = world;
    this.#world = world;
    this.#options = options;
    const process = new FakeProcess(clock);
    this.#process = process;
    this.#runs = new Runs({
      ...world,
      client: () => this.client,
      onCompleted: (name) => this.#failing?.completed(name),
    });
    this.#failing = this.#failingIn(options, world);
    this.#breakerWatch = new BreakerWatch(this.#runs.completed);
    this.client = new FakeClient({
      ...world,
      inbox: process.inbox,
      network: clock,
      onAssigned: (at) => {
        invariants.onAssigned(at);
        this.#failing?.assigned(nameOf(at), clock.now());
      },
      onSought: (at) => this.#onSought(at),
      onReset: (at, offset) => invariants.onOffset('reset', at, offset),
      onGivenBack: (names, askedAt) => this.#onGivenBack(names, askedAt),
      onDisconnect: (askedAt) => this.#onDisconnect(askedAt),
      // Its process goes at last, and the group learns that by its silence.
      onHung: () => clock.after(world.weather.sessionMs, () => this.#expire()),
      onViolation: (text) => invariants.violation(text),
    });
    const executor = new FakeExecutor(options.threads, options.concurrencyPerThread, {
      process,
      random,
      runs: this.#runs,
      onSent: (lane) => this.#onSent(lane),
      onFrame: (frame, load) => this.#onFrame(frame, load),
      onClose: () => this.#onThreadsEnd(),
    });
    this.#executor = executor;
    this.#fairShares = new FairShares(executor.threads);
    this.#lagWatch = new LagWatch(this.client);
    const port = { client: this.client, ...this.#produces(), executor };
    const surroundings = { ...port, clock: process.main, random: random.next };
    void start(this.#failing?.options ?? options, surroundings).then(
      (consumer) => this.#onStarted(consumer),
      (error: Error) => this.#onStartFailed(error),
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
    return killed || this.#startFailed || this.#consumer?.state === 'closed' || this.#consumer?.state === 'failed';
  }

  /** Its consumer, once it has started; `undefined` while it closes. */
  get consumer(): RunningConsumer | undefined {
    return this.#closing ? undefined : this.#consumer;
  }

  /** Pauses these partitions, or all. */
  pause(names: readonly string[] | undefined): void {
    const { cluster } = this.#world;
    if (this.consumer === undefined) return;
    for (const name of names ?? cluster.partitions.keys()) this.#paused.add(name);
    this.consumer.pause(names?.map((name) => cluster.named(name)));
  }

  resume(): void {
    if (this.#paused.size === 0) return;
    this.#paused.clear();
    this.#failing?.anew(this.#world.cluster.partitions.keys());
    this.consumer?.resume();
  }

  /** One partition, whatever it was stopped for. */
  #resumeOne(at: TopicPartition): void {
    if (this.consumer === undefined) return;
    this.#paused.delete(nameOf(at));
    this.#failing?.anew([nameOf(at)]);
    this.consumer.resume([at]);
  }

  close(drainTimeoutMs: number = this.#options.drainTimeoutMs): void {
    if (this.#consumer === undefined || this.#closing) return;
    const { random, invariants } = this.#world;
    this.#onClosing(drainTimeoutMs);
    for (let calls = random.chance(0.2) ? 2 : 1; calls > 0; calls -= 1) {
      this.#consumer
        .close({ drainTimeoutMs })
        .catch((error: Error) => invariants.violation(`close rejected: ${error.stack}`));
    }
  }

  /** It closes, because it was told to or because it failed. */
  #onClosing(drainTimeoutMs: number): void {
    const now = this.#world.clock.now();
    this.#closing = true;
    this.#closingSince = now;
    this.#drainEnds = now + drainTimeoutMs;
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

  /** Checks its books if anything happened in it. */
  check(): void {
    const consumer = this.#consumer;
    if (!this.#process.touched || consumer === undefined) return;
    this.#process.touched = false;
    const { weather, clock, invariants } = this.#world;
    const wrong = checkBooks(consumer, this.#options) ?? this.#executor.kept() ?? this.#failing?.wrongIn(consumer);
    if (wrong !== undefined) invariants.violation(wrong);
    const limited = this.#lagWatch.check(consumer.pipeline, clock.now());
    if (limited !== undefined && weather.freezes === 0) invariants.violation(limited);
    const silentMs = clock.now() - this.client.askedForRecordsAt;
    if (this.client.connected && weather.freezes === 0 && silentMs > SILENT_MAX_MS)
      invariants.violation(`the client was not polled for ${silentMs} ms`);
  }

  #expire(): void {
    const { member } = this.client;
    if (member === undefined || member.fenced) return;
    this.#runs.disown(this.#world.group.remove(member));
    this.client.fenced();
  }

  /** What the group asked for is given back when all that ran is settled, or the time is up; and committed. */
  #onGivenBack(names: readonly string[], askedAt: number | undefined): void {
    const { clock, weather, invariants } = this.#world;
    const running = this.#runs.unsettled(names);
    const patience = (askedAt ?? 0) + this.#options.drainTimeoutMs;
    const until = this.#closing ? Math.min(patience, this.#drainEnds) : patience;
    if (askedAt !== undefined && running > 0 && clock.now() < until - 1)
      invariants.violation(`[${names}] were given back while ${running} record(s) were with a handler`);
    if (weather.calm) this.#checkCommitted(names);
    this.#runs.disown(names);
    this.#failing?.anew(names);
  }

  /** Before a partition is read again what runs of it is awaited, for as long as in a drain. */
  #onSought(at: TopicPartition): void {
    const { clock, invariants } = this.#world;
    const names = [nameOf(at)];
    const running = this.#runs.unsettled(names);
    const until = (this.#cutAt.get(nameOf(at)) ?? 0) + this.#options.drainTimeoutMs;
    if (running > 0 && clock.now() < until - 1)
      invariants.violation(`[${names}] was read again while ${running} record(s) were with a handler`);
    this.#runs.disown(names, true);
  }

  /** In calm weather nothing stands in the way of committing what is complete. */
  #checkCommitted(names: readonly string[]): void {
    const { cluster, invariants } = this.#world;
    for (const name of names) {
      const { committed, low, records } = cluster.named(name);
      const next = committed < low ? undefined : records[placeOf(records, committed)];
      if (next !== undefined && this.#runs.completed.has(next))
        invariants.violation(`${name} was given back with ${next.offset} completed and not committed`);
    }
  }

  /** A rebalance that was under way when the close began is answered before the client leaves. */
  #onDisconnect(askedAt: number | undefined): void {
    if (askedAt !== undefined && askedAt < this.#closingSince && this.client.faults.first === undefined)
      this.#world.invariants.violation('the client left the group with a rebalance unanswered');
  }

  #onSent(lane: Lane): void {
    const { invariants } = this.#world;
    const { partition } = lane;
    const wrong = this.#breakerWatch.onSent(lane);
    if (wrong !== undefined) invariants.violation(wrong);
    const name = nameOf(partition);
    if (partition.state !== 'active') invariants.violation(`${name} was handed out while it was ${partition.state}`);
    if (this.#failing?.isHalted(name)) invariants.violation(`${name} was handed out while it was halted`);
    if (this.#paused.has(name)) invariants.violation(`${name} was handed out while it was paused`);
  }

  #onFrame(frame: readonly Lane[], load: ThreadLoadView): void {
    const wrong = this.#consumer && this.#fairShares.onFrame(frame, load, this.#consumer.pipeline.assignment.open());
    if (wrong !== undefined) this.#world.invariants.violation(wrong);
  }

  #onThreadsEnd(): void {
    const { clock, invariants } = this.#world;
    const running = this.#runs.unsettled();
    if (running > 0 && clock.now() < this.#drainEnds - 1)
      invariants.violation(`the threads were ended while ${running} record(s) were with a handler`);
  }

  #onStarted(consumer: RunningConsumer): void {
    const { invariants } = this.#world;
    this.#consumer = consumer;
    consumer.on('warning', (warning) => {
      if (warning.code === 'ERR_COMMIT_BACK' && this.#world.weather.truncations === 0)
        invariants.violation(warning.message);
      if (warning instanceof OffsetError) this.#cutAt.set(nameOf(warning), this.#world.clock.now());
    });
    this.#failing?.listen(consumer);
    this.#breakerWatch.listen(consumer);
    consumer.on('state', ({ to }) => {
      if (to === 'draining' && !this.#closing) this.#onClosing(this.#options.drainTimeoutMs);
    });
    const onClosed = (error?: Error) => {
      const wrong = checkClosed(consumer, this.#process.pending) ?? this.#checkFailure(error);
      if (wrong !== undefined) invariants.violation(wrong);
    };
    consumer.closed.then(() => onClosed(), onClosed);
  }

  #onStartFailed(error: Error): void {
    const { pending } = this.#process;
    const left =
      pending > 0 || this.client.connected ? `after a start that failed ${pending} timers are pending` : undefined;
    const wrong = left ?? this.#checkFailure(error);
    if (wrong !== undefined) this.#world.invariants.violation(wrong);
    this.#startFailed = true;
  }

  /** It fails with what its client threw first or its application said, and with nothing else. */
  #checkFailure(error: Error | undefined): string | undefined {
    const causes: (Error | undefined)[] = [this.client.faults.first, this.#stop].filter((cause) => cause !== undefined);
    if (error === undefined ? causes.length === 0 : [...causes, this.#lateStop].includes(error)) return undefined;
    return error === undefined ? `it closed as if nothing was, but ${causes}` : `it failed: ${error.stack}`;
  }

  #failingIn(options: ResolvedOptions, { failures, random, clock, invariants }: World): Failing | undefined {
    if (failures === undefined) return undefined;
    return new Failing({
      ...{ failures, random, invariants, options },
      owns: (at) => this.#runs.owns(at),
      onStop: (error) => {
        if (this.#closing) this.#lateStop ??= error;
        else this.#stop = error;
      },
      // Somebody looks, some time later.
      onHalted: (at) => void clock.after(random.next() * random.pick([10, 200]), () => this.#resumeOne(at)),
    });
  }

  #produces() {
    const { failures, random, clock } = this.#world;
    if (failures === undefined || this.#failing === undefined) return { producer: undefined, reader: undefined };
    const { inbox } = this.#process;
    const { topics } = this.#failing;
    const producer = new FakeProducer({ topics, random, weather: failures.plan.producer, inbox, network: clock });
    const reader = new FakeReader({ topics: failures.topics, random, weather: failures.plan, inbox });
    return { producer, reader };
  }
}

/**
 * One protocol's run: records at a bounded rate, consumers that read them, the conductor's actions; then all is let
 * finish, and judged.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, connectCluster } from '@keylane/testing';
import type { KafkaBroker } from '../../../scripts/kafka.ts';
import { Random } from '../sim/random.ts';
import { type Action, actions, describeAction, INSTANCES_AT_FIRST } from './conductor.ts';
import { Fleet } from './fleet.ts';
import type { Guard } from './guard.ts';
import { judge, type Verdict } from './judge.ts';
import type { Entry, Happening } from './ledger.ts';

export const PROTOCOLS = ['eager', 'cooperative', 'consumer'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Also what the broker is told for the protocol where it decides. */
export const SESSION_MS = 6_000;
const PARTITIONS = 12;
const KEYS = 1_000;
const THREADS = 2;
const TICK_MS = 100;
const LOOK_MS = 500;
/** The share of the time in which records come and things happen; the rest is for finishing. */
const BUSY = 0.85;
/**
 * Every 40th record is slow: so slow that about three of them run at any time, whatever the rate. So there is always
 * something to interrupt, and something for the commits to wait for.
 */
const SLOW_AT_ONCE = 3;
const SLOW_EVERY = 40;
const SLOW_MS_MAX = 3_000;
/** So long without any progress, while nobody disturbs, is a stall. */
const STALL_MS = 120_000;

const MEMBERSHIP: Readonly<Record<Protocol, Readonly<Record<string, unknown>>>> = {
  eager: { 'partition.assignment.strategy': 'range', 'session.timeout.ms': SESSION_MS, 'heartbeat.interval.ms': 1_500 },
  cooperative: {
    'partition.assignment.strategy': 'cooperative-sticky',
    'session.timeout.ms': SESSION_MS,
    'heartbeat.interval.ms': 1_500,
  },
  consumer: { 'group.protocol': 'consumer' },
};

export interface RunOptions {
  readonly protocol: Protocol;
  readonly seed: number;
  readonly durationMs: number;
  readonly records: number;
  readonly broker: KafkaBroker;
  readonly guard: Guard;
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  readonly say: (line: string) => void;
}

export interface Progress {
  readonly protocol: Protocol;
  readonly done: number;
  readonly produced: number;
  readonly alive: number;
  readonly lastAction: string;
}

export type RunResult = Verdict & {
  readonly protocol: Protocol;
  readonly stalled: boolean;
  /** How often each action was done. */
  readonly deeds: Readonly<Record<string, number>>;
};

/** Runs it all; consumers and connections are gone when it settles. */
export async function runChaos(options: RunOptions): Promise<RunResult> {
  mkdirSync(options.directory, { recursive: true });
  await using cluster = await connectCluster(options.broker.bootstrapServers);
  const run = new ChaosRun(options, cluster);
  try {
    return await run.run();
  } finally {
    await run.destroy();
  }
}

class ChaosRun {
  readonly #options: RunOptions;
  readonly #cluster: Cluster;
  readonly #fleet: Fleet;
  readonly #base: bigint = process.hrtime.bigint();
  readonly #topic: string;
  readonly #entries: Entry[] = [];
  readonly #done: Set<string> = new Set();
  readonly #deeds: Record<string, number> = {};
  readonly #abort: AbortController = new AbortController();
  readonly #signal: AbortSignal;
  #produced = 0;
  #lastAction = 'none yet';
  #restarting: Promise<void> | undefined;

  constructor(options: RunOptions, cluster: Cluster) {
    const { protocol, broker, directory, guard, records, durationMs } = options;
    this.#options = options;
    this.#cluster = cluster;
    this.#topic = `chaos-${protocol}`;
    this.#signal = AbortSignal.any([options.signal, this.#abort.signal]);
    this.#fleet = new Fleet({
      directory,
      guard,
      base: this.#base,
      slowMs: Math.min(SLOW_MS_MAX, (SLOW_AT_ONCE * SLOW_EVERY * durationMs * BUSY) / records),
      note: (who, happening) => this.#note(who, happening),
      onHopeless: (error) => this.#abort.abort(error),
      options: {
        kafka: {
          'bootstrap.servers': broker.bootstrapServers,
          'group.id': this.#topic,
          'auto.offset.reset': 'earliest',
          'statistics.interval.ms': 1_000,
          ...MEMBERSHIP[protocol],
        },
        topics: [this.#topic],
        threads: THREADS,
        concurrencyPerThread: 4,
        commitIntervalMs: 500,
        drainTimeoutMs: 2_500,
        retry: { attemptsMax: 20, delayMs: 20 },
      },
    });
  }

  async run(): Promise<RunResult> {
    const { protocol, seed, durationMs, say } = this.#options;
    await this.#cluster.createTopic(this.#topic, PARTITIONS);
    for (let instance = 0; instance < INSTANCES_AT_FIRST; instance += 1) this.#fleet.start(instance);
    const watching = new AbortController();
    const watched = this.#watch(AbortSignal.any([watching.signal, this.#signal]));
    const conduct = { seed, durationMs: durationMs * BUSY, sessionMs: SESSION_MS, threads: THREADS };
    try {
      await Promise.all([this.#produce(conduct.durationMs), this.#act(actions(conduct))]);
      await this.#restarting;
      this.#fleet.thawAll();
      say(`${protocol}: all is produced; the consumers may finish`);
      const stalled = !(await this.#finished());
      if (stalled) say(`${protocol}: STALLED. Snapshots: ${JSON.stringify(await this.#fleet.snapshots())}`);
      await this.#fleet.close();
      this.#look();
      return { protocol, stalled, deeds: this.#deeds, ...judge(this.#entries) };
    } finally {
      watching.abort();
      await watched;
    }
  }

  async destroy(): Promise<void> {
    // One that fails because all is ending has nobody to tell.
    this.#abort.abort();
    await this.#restarting?.catch(() => undefined);
    await this.#fleet.destroy();
  }

  /** At a bounded rate; what the broker's absence delayed is caught up with. */
  async #produce(durationMs: number): Promise<void> {
    const { records, seed } = this.#options;
    const random = new Random(seed ^ 0x5eed);
    const start = performance.now();
    for (let sent = 0; sent < records; ) {
      const due = Math.min(records, Math.ceil(((performance.now() - start) / durationMs) * records));
      const numbers = Array.from({ length: due - sent }, (_, index) => sent + index);
      // Every tenth is of a few busy keys.
      const batch = numbers.map((number) => ({
        topic: this.#topic,
        key: `k${random.chance(0.1) ? random.int(0, 9) : random.int(0, KEYS - 1)}`,
        value: String(number),
      }));
      const produced = await this.#cluster.produce(batch);
      for (const { partition, offset, key, value } of produced) {
        this.#note('main', { kind: 'produced', partition, offset, number: Number(value), key: String(key) });
      }
      sent = due;
      this.#produced = sent;
      await sleep(TICK_MS, undefined, { signal: this.#signal });
    }
  }

  async #act(all: readonly Action[]): Promise<void> {
    const start = performance.now();
    for (const action of all) {
      await sleep(Math.max(0, start + action.atMs - performance.now()), undefined, { signal: this.#signal });
      let done = true;
      if (action.kind !== 'broker') done = this.#fleet.do(action);
      else if (this.#restarting === undefined) this.#restart(action);
      else done = false;
      this.#lastAction = `${describeAction(action)}${done ? '' : ' (not possible)'}`;
      if (done) this.#deeds[action.kind] = (this.#deeds[action.kind] ?? 0) + 1;
      this.#options.say(`${this.#options.protocol} ${(action.atMs / 1_000).toFixed(1)} s: ${this.#lastAction}`);
    }
  }

  #restart({ hard, forMs }: Action & { kind: 'broker' }): void {
    const { broker } = this.#options;
    this.#restarting = (async () => {
      this.#note('broker', { kind: 'broker', up: false });
      await broker.stop(hard ? 'SIGKILL' : 'SIGTERM');
      await sleep(forMs, undefined, { signal: this.#signal });
      await broker.start();
      this.#note('broker', { kind: 'broker', up: true });
      this.#restarting = undefined;
    })();
    this.#restarting.catch((error: unknown) => this.#abort.abort(error));
  }

  /** Whether all completed and is committed; false once nothing moves any more. */
  async #finished(): Promise<boolean> {
    let before = '';
    let movedAt = performance.now();
    for (;;) {
      const committed = await this.#cluster.committedOffsets(this.#topic, this.#topic);
      const ends = await this.#cluster.endOffsets(this.#topic);
      this.#note('broker', { kind: 'observed', offsets: [...committed.entries()].filter(([, at]) => at >= 0) });
      const all = this.#done.size === this.#produced;
      if (all && ends.every((end, partition) => end === 0 || committed[partition] === end)) return true;
      const now = `${this.#done.size} ${committed.join()}`;
      if (now !== before) movedAt = performance.now();
      else if (performance.now() - movedAt > STALL_MS) return false;
      before = now;
      await sleep(1_000, undefined, { signal: this.#signal });
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#look();
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #look(): void {
    for (const entry of this.#fleet.read()) {
      this.#entries.push(entry);
      if (entry.kind === 'end') this.#done.add(`${entry.partition}@${entry.offset}`);
    }
    this.#options.onProgress({
      protocol: this.#options.protocol,
      done: this.#done.size,
      produced: this.#produced,
      alive: this.#fleet.alive,
      lastAction: this.#lastAction,
    });
  }

  #note(who: string, happening: Happening): void {
    const entry = { ...happening, who, at: Number(process.hrtime.bigint() - this.#base) };
    this.#entries.push(entry);
    appendFileSync(join(this.#options.directory, 'main.ledger'), `${JSON.stringify(entry)}\n`);
  }
}

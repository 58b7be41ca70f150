/**
 * One run of the whole line from one seed: a group of real consumers on a fake cluster, clock and threads, in the
 * weather of that seed, with every promise and every counter checked after each step.
 */
import type { LogEntry } from '../../testing/src/guarantees.ts';
import { type ResolvedOptions, resolveOptions } from '../src/options.ts';
import { RECORD_OVERHEAD_BYTES } from '../src/poller/budget.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeCluster, type FakePartition } from './fake-cluster.ts';
import { FakeGroup } from './fake-group.ts';
import { Instance, type World } from './instance.ts';
import { Invariants } from './invariants.ts';
import { Random } from './random.ts';
import type { Outage, Poison } from './runs.ts';
import { type Weather, weatherOf } from './weather.ts';

/** What a run came to. */
export interface SimulationResult {
  readonly seed: number;
  /** Empty where every promise held. */
  readonly violations: readonly string[];
  readonly log: readonly LogEntry[];
  readonly steps: number;
}

const STEPS_MAX = 200_000;
/** Promise reactions that may follow one event before the next one happens. */
const REACTIONS = 24;

export async function simulate(seed: number): Promise<SimulationResult> {
  const simulation = new Simulation(seed);
  const { invariants } = simulation;
  try {
    await simulation.run();
  } catch (error) {
    invariants.violation(`threw ${(error as Error).stack}`);
  }
  return { seed, violations: invariants.violations, log: invariants.log, steps: simulation.steps };
}

class Simulation {
  readonly invariants: Invariants;
  steps = 0;
  readonly #random: Random;
  readonly #weather: Weather;
  readonly #options: ResolvedOptions;
  readonly #clock: FakeClock = new FakeClock();
  readonly #cluster: FakeCluster;
  readonly #group: FakeGroup;
  readonly #poison: Poison = new Map();
  readonly #outage: Outage = { endsAt: 0 };
  /** Those that may still do something. */
  #instances: Instance[] = [];

  constructor(seed: number) {
    const random = new Random(seed);
    const weather = weatherOf(random);
    this.#random = random;
    this.#weather = weather;
    this.#options = resolveOptions(optionsOf(random, weather));
    this.#cluster = new FakeCluster({ a: random.int(1, 4), b: random.int(1, 3) });
    this.invariants = new Invariants(this.#options.ordering, weather.calm);
    this.#group = new FakeGroup({
      random,
      cluster: this.#cluster,
      protocol: weather.protocol,
      stickiness: weather.stickiness,
      emptyLists: weather.emptyLists,
      strictGenerations: !weather.calm,
      soon: (callback) => this.#clock.after(random.next() * 20, callback),
      onViolation: (text) => this.invariants.violation(text),
      onCommitted: (offset) => this.invariants.onCommitted(offset),
    });
  }

  async run(): Promise<void> {
    const random = this.#random;
    const keys = random.pick([1, 3, 20, 1_000]);
    const keyless = random.pick([0, 0, 0.3]);
    this.#join();
    let left = random.int(1, 300);
    while (left > 0 && this.#fine) {
      const count = Math.min(left, random.int(1, 40));
      for (let record = 0; record < count; record += 1) this.#produce(keys, keyless);
      left -= count;
      await this.#steps(random.int(0, 100));
      this.#meddle();
      this.#misfortunes();
    }
    await this.#until(() => this.#allCommitted(), 'everything is completed and committed');
    await this.#until(() => this.#allClosed(), 'every consumer is closed');
    if (this.#fine && this.#group.members.size > 0) this.invariants.violation('after the close the group has members');
    this.invariants.finish();
  }

  get #fine(): boolean {
    return this.invariants.violations.length === 0;
  }

  #alive(): Instance[] {
    return this.#instances.filter(({ alive }) => alive);
  }

  #join(): void {
    const world: World = {
      clock: this.#clock,
      random: this.#random,
      weather: this.#weather,
      cluster: this.#cluster,
      group: this.#group,
      poison: this.#poison,
      outage: this.#outage,
      invariants: this.invariants,
    };
    this.#instances.push(new Instance(this.#options, world));
  }

  #produce(keys: number, keyless: number): void {
    const [random, weather] = [this.#random, this.#weather];
    const at = random.pick([...this.#cluster.partitions.values()]);
    const key = random.chance(keyless) ? null : Buffer.from(`k${random.int(0, keys - 1)}`);
    const hole = random.chance(weather.holes) ? random.int(1, 1_000) : 0;
    const markers = random.chance(weather.markers) ? random.int(1, 2) : 0;
    const record = this.#cluster.append(at, key, hole, markers);
    if (random.chance(weather.poison)) this.#poison.set(record, random.int(1, 3));
    this.invariants.onRecord('produced', record);
    for (const { client } of this.#instances) if (client.assigned.has(at.name)) client.wake();
  }

  /** Pauses and resumes now and then, as an application would. */
  #meddle(): void {
    const random = this.#random;
    for (const instance of this.#alive()) {
      const some = () => [...this.#cluster.partitions.keys()].filter(() => random.chance(0.5));
      if (random.chance(0.1)) instance.pause(random.chance(0.5) ? undefined : some());
      if (random.chance(0.2)) instance.resume();
    }
  }

  #misfortunes(): void {
    const [random, weather] = [this.#random, this.#weather];
    const alive = this.#alive();
    const victim = alive.length === 0 ? undefined : random.pick(alive);
    if (alive.length < weather.membersMax && random.chance(weather.joins)) this.#join();
    if (random.chance(weather.closes)) {
      // One leaves, or all do, as for a new version.
      const leavers = random.chance(0.3) ? alive : alive.filter((instance) => instance === victim);
      for (const instance of leavers) instance.close(this.#drainTimeoutMs());
      if (random.chance(0.5)) this.#group.disturb();
    }
    if (random.chance(weather.kills)) victim?.kill();
    if (random.chance(weather.freezes)) victim?.freeze(random.chance(0.5), random.next() * weather.sessionMs * 4);
    if (random.chance(weather.disturbances)) this.#group.disturb();
    if (random.chance(weather.outages)) this.#outage.endsAt = this.#clock.now() + random.next() * weather.outageMaxMs;
    const at = random.pick([...this.#cluster.partitions.values()]);
    if (random.chance(weather.deletions)) this.#delete(at);
    if (random.chance(weather.truncations)) this.#truncate(at);
  }

  /** By retention, wherever the group stands. */
  #delete(at: FakePartition): void {
    const low = this.#random.int(at.low, at.end);
    this.#cluster.delete(at, low);
    this.invariants.onOffset('deleted', at, low);
  }

  /** Another leader has not all records; some of those it lacks may be completed and committed. */
  #truncate(at: FakePartition): void {
    const near = this.#random.chance(0.3) ? at.end : Math.max(at.low, Math.min(at.committed, at.end));
    const end = this.#random.int(Math.max(at.low, near - 20), Math.min(at.end, near + 20));
    this.#cluster.truncate(at, end);
    this.invariants.onOffset('truncated', at, end);
  }

  #drainTimeoutMs(): number | undefined {
    return this.#weather.calm ? undefined : this.#random.pick([0, 50, 200, 1_000, undefined]);
  }

  #allCommitted(): boolean {
    if (this.#alive().length === 0) this.#join();
    // A pause that nobody takes back would be a wait without end.
    for (const instance of this.#alive()) instance.resume();
    const places = [...this.#cluster.partitions.values()];
    const committed = places.every(({ records, committed: offset, end }) => records.length === 0 || offset >= end);
    // Who does not know the last leader may have committed what is not there any more.
    return committed && this.invariants.allCompleted;
  }

  #allClosed(): boolean {
    for (const instance of this.#alive()) instance.close(this.#drainTimeoutMs());
    return this.#instances.every(({ gone }) => gone) && this.#group.members.size === 0;
  }

  async #until(done: () => boolean, what: string): Promise<void> {
    while (this.#fine && !done()) {
      // A consumer that was just started has not asked for any time yet.
      if (!(await this.#step()) && !(await this.#step()))
        this.invariants.violation(`stuck: nothing is left to happen, and not yet ${what}`);
      if (this.steps > STEPS_MAX) this.invariants.violation(`after ${STEPS_MAX} steps not yet ${what}`);
    }
  }

  async #steps(count: number): Promise<void> {
    for (let step = 0; step < count && this.#fine; step += 1) await this.#step();
  }

  async #step(): Promise<boolean> {
    this.steps += 1;
    const happened = this.#clock.step();
    for (let reaction = 0; reaction < REACTIONS; reaction += 1) await undefined;
    for (const instance of this.#instances) instance.check();
    if (this.#instances.some(({ gone }) => gone)) this.#instances = this.#instances.filter(({ gone }) => !gone);
    return happened;
  }
}

function optionsOf(random: Random, weather: Weather) {
  const bufferedRecordsMax = random.pick([1, 5, 50, 500]);
  // Whoever waits a minute for an answer should not commit every few milliseconds meanwhile.
  const patient = weather.answerLost > 0 || weather.answerLate > 0;
  return {
    kafka: { 'bootstrap.servers': 'fake', 'group.id': 'sim' },
    topics: ['a', 'b'],
    handler: () => undefined,
    ordering: random.pick(['key', 'key', 'key', 'partition', 'unordered'] as const),
    nullKeys: random.pick(['unordered', 'partition'] as const),
    threads: random.int(1, 4),
    concurrencyPerThread: random.pick([1, 2, 16]),
    affinity: random.pick(['preferred', 'strict'] as const),
    bufferedRecordsMax,
    bufferedRecordsPerPartitionMax: random.int(1, bufferedRecordsMax),
    bufferedBytesMax: random.pick([RECORD_OVERHEAD_BYTES, 5_000, 10_000_000]),
    recordsPerPollMax: random.pick([1, 7, 100]),
    commitIntervalMs: patient ? 1_000 : random.pick([5, 50, 500]),
    commitRecordsMax: random.pick([1, 20, 1_000]),
    ...(random.chance(0.4) && { breaker: breakerOf(random) }),
    drainTimeoutMs: weather.calm ? 1_000_000 : random.pick([0, 50, 20_000, 20_000]),
    retry: {
      attemptsMax: 1_000_000,
      delayMs: random.pick([0, 10, 100]),
      delayMaxMs: 200,
      waitingRecordsMax: random.pick([0, 1, bufferedRecordsMax]),
    },
  };
}

function breakerOf(random: Random) {
  return {
    failureShareMax: random.pick([0, 0.1, 0.5, 0.9]),
    windowMs: random.pick([10, 100, 10_000]),
    recordsMin: random.pick([1, 5, 20]),
    openMs: random.pick([1, 20, 200]),
    openMsMax: random.pick([200, 1_000]),
  };
}

/**
 * One run of the whole line from one seed: a group of real consumers on a fake cluster, clock and threads, in the
 * weather of that seed, with every promise and every counter checked after each step.
 */
import type { LogEntry } from '../../testing/src/guarantees.ts';
import { type ResolvedOptions, resolveOptions } from '../src/options.ts';
import { RECORD_OVERHEAD_BYTES } from '../src/poller/budget.ts';
import type { ClientRecord } from '../src/poller/client.ts';
import { type FailurePlan, Failures, failurePlanOf, milderFor } from './failures.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeCluster, type FakePartition, nameOf } from './fake-cluster.ts';
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
  readonly #failures: Failures | undefined;
  readonly #outage: Outage = { endsAt: 0 };
  /** Those that may still do something. */
  #instances: Instance[] = [];

  constructor(seed: number) {
    const random = new Random(seed);
    const anyWeather = weatherOf(random);
    const plan = failurePlanOf(random, anyWeather);
    const weather = { ...anyWeather, ...milderFor(plan) };
    this.#random = random;
    this.#weather = weather;
    this.#options = resolveOptions(optionsOf(random, weather, plan));
    this.#cluster = new FakeCluster({ a: random.int(1, 4), b: random.int(1, 3) });
    this.invariants = new Invariants(this.#options.ordering, weather.calm);
    this.#failures =
      plan &&
      new Failures(plan, this.#options, random, {
        cluster: this.#cluster,
        onReplayed: (copy) => this.#onProduced(copy),
        onViolation: (text) => this.invariants.violation(text),
      });
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
    let left = random.int(1, this.#failures === undefined ? 300 : 150);
    while (left > 0 && this.#fine) {
      const count = Math.min(left, random.int(1, 40));
      for (let record = 0; record < count; record += 1) this.#produce(keys, keyless);
      left -= count;
      await this.#steps(random.int(0, 100));
      this.#meddle();
      this.#misfortunes();
      this.#failures?.meddle(false);
    }
    await this.#mend();
    await this.#until(() => this.#allCommitted(), 'everything is completed and committed');
    await this.#until(() => this.#allClosed(), 'every consumer is closed');
    if (this.#fine && this.#group.members.size > 0) this.invariants.violation('after the close the group has members');
    if (this.#fine && this.#failures !== undefined) {
      this.#failures.accounts.finish(this.#weather.calm);
      this.#failures.replayer.finish();
    }
    this.invariants.finish();
  }

  /** Whatever fails for good does not hold up the rest; then its cause is mended. */
  async #mend(): Promise<void> {
    const failures = this.#failures;
    if (failures === undefined) return;
    failures.meddle(true);
    const { accounts } = failures;
    await this.#until(
      () => this.#allRunning() && accounts.allEnded(({ record }) => failures.isStubborn(record.key)),
      'everything but what is stubborn or parked has ended',
    );
    failures.mended = true;
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
      failures: this.#failures,
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
    const value = random.chance(0.1) ? null : Buffer.from(`${at.end}`);
    const headers = random.chance(0.3) ? [{ h: Buffer.from('1') }, { h: Buffer.of(0xff, at.end & 0xff) }] : undefined;
    const record = this.#cluster.append(
      at,
      headers === undefined ? { key, value } : { key, value, headers },
      hole,
      markers,
    );
    if (random.chance(weather.poison)) this.#poison.set(record, random.int(1, 3));
    this.#failures?.produced(record);
    this.#onProduced(record);
  }

  #onProduced(record: ClientRecord): void {
    this.invariants.onRecord('produced', record);
    for (const { client } of this.#instances) if (client.assigned.has(nameOf(record))) client.wake();
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
    this.#failures?.accounts.deleted({ ...at, offset: low });
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

  /** Somebody is there, and nothing is paused: a pause that nobody takes back would be a wait without end. */
  #allRunning(): boolean {
    if (this.#alive().length === 0) this.#join();
    for (const instance of this.#alive()) instance.resume();
    return true;
  }

  #allCommitted(): boolean {
    this.#allRunning();
    if (this.#failures !== undefined && this.#failures.replayer.replay(Infinity) > 0) return false;
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

/** Left out now and then: what it is then depends on how many partitions there are. */
function perPartitionMaxOf(random: Random, bufferedRecordsMax: number) {
  const bufferedRecordsPerPartitionMax = random.int(1, bufferedRecordsMax);
  return bufferedRecordsPerPartitionMax % 2 === 0 ? {} : { bufferedRecordsPerPartitionMax };
}

function optionsOf(random: Random, weather: Weather, plan: FailurePlan | undefined) {
  // Who does not want to be held up by a key needs room for all that waits behind it.
  const bufferedRecordsMax = plan?.stubborn ? 500 : random.pick([1, 5, 50, 500]);
  // Whoever waits a minute for an answer should not commit every few milliseconds meanwhile.
  const { refused = 0 } = plan?.producer ?? {};
  // What fails for good keeps a breaker open for good, and then nothing is ever exhausted.
  const endless = plan !== undefined && (plan.stubborn || plan.doomed > 0);
  const patient = weather.answerLost > 0 || weather.answerLate > 0 || refused > 0;
  return {
    kafka: { 'bootstrap.servers': 'fake', 'group.id': 'sim' },
    topics: ['a', 'b'],
    handler: () => undefined,
    ordering: plan?.stubborn ? ('key' as const) : random.pick(['key', 'key', 'key', 'partition', 'unordered'] as const),
    nullKeys: random.pick(['unordered', 'partition'] as const),
    threads: random.int(1, 4),
    concurrencyPerThread: random.pick([1, 2, 16]),
    affinity: random.pick(['preferred', 'strict'] as const),
    bufferedRecordsMax,
    ...(plan?.stubborn
      ? { bufferedRecordsPerPartitionMax: bufferedRecordsMax }
      : perPartitionMaxOf(random, bufferedRecordsMax)),
    bufferedBytesMax: plan?.stubborn ? 10_000_000 : random.pick([RECORD_OVERHEAD_BYTES, 5_000, 10_000_000]),
    recordsPerPollMax: random.pick([1, 7, 100]),
    commitIntervalMs: patient ? 1_000 : random.pick([5, 50, 500]),
    commitRecordsMax: random.pick([1, 20, 1_000]),
    ...(!endless && random.chance(0.4) && { breaker: breakerOf(random) }),
    drainTimeoutMs: weather.calm ? 1_000_000 : random.pick([0, 50, 20_000, 20_000]),
    retry: {
      attemptsMax: plan?.attemptsMax ?? 1_000_000,
      delayMs: random.pick([0, 10, 100]),
      delayMaxMs: 200,
      waitingRecordsMax: plan?.stubborn ? bufferedRecordsMax : random.pick([0, 1, bufferedRecordsMax]),
    },
    ...plan?.options,
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

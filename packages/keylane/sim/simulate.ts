/**
 * One run of the whole line from one seed: the real pipeline on a fake cluster, clock and executor, with the
 * guarantees and the books checked after every step.
 */
import { CommitNeverAhead, type Guarantee, guaranteesFor, type LogEntry } from '../../testing/src/guarantees.ts';
import { type RunningConsumer, start } from '../src/consumer.ts';
import { type ConsumerOptions, resolveOptions } from '../src/options.ts';
import { RECORD_OVERHEAD_BYTES } from '../src/poller/budget.ts';
import type { ClientRecord, TopicPartition } from '../src/poller/client.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeClient, FakeCluster } from './fake-cluster.ts';
import { FakeExecutor, type FakeHandler } from './fake-executor.ts';
import { Random } from './random.ts';

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
  let violations: string[];
  try {
    violations = await simulation.run();
  } catch (error) {
    violations = [`threw ${(error as Error).stack}`];
  }
  return { seed, violations, log: simulation.log, steps: simulation.steps };
}

class Simulation {
  readonly log: LogEntry[] = [];
  steps = 0;
  readonly #random: Random;
  readonly #clock: FakeClock = new FakeClock();
  readonly #options: ConsumerOptions;
  readonly #cluster: FakeCluster;
  readonly #guarantees: readonly Guarantee[];
  readonly #toProduce: number;
  readonly #failRate: number;
  readonly #durationMaxMs: number;
  readonly #violations: string[] = [];
  #client: FakeClient | undefined = undefined;
  #consumer: RunningConsumer | undefined = undefined;
  #produced = 0;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    const ordering = random.pick(['key', 'key', 'key', 'partition', 'unordered'] as const);
    const bufferedRecordsMax = random.pick([1, 5, 50, 500]);
    this.#options = {
      kafka: { 'bootstrap.servers': 'fake', 'group.id': 'sim' },
      topics: ['a', 'b'],
      handler: () => undefined,
      ordering,
      nullKeys: random.pick(['unordered', 'partition'] as const),
      threads: random.int(1, 4),
      concurrencyPerThread: random.pick([1, 2, 16]),
      affinity: random.pick(['preferred', 'strict'] as const),
      bufferedRecordsMax,
      bufferedRecordsPerPartitionMax: random.int(1, bufferedRecordsMax),
      bufferedBytesMax: random.pick([RECORD_OVERHEAD_BYTES, 5_000, 10_000_000]),
      recordsPerPollMax: random.pick([1, 7, 100]),
      commitIntervalMs: random.pick([5, 50, 500]),
      commitRecordsMax: random.pick([1, 20, 1_000]),
      retry: { attemptsMax: 1_000, delayMs: random.pick([0, 10, 100]), delayMaxMs: 200 },
    };
    this.#cluster = new FakeCluster({ a: random.int(1, 4), b: random.int(1, 3) });
    this.#guarantees = guaranteesFor(ordering);
    this.#toProduce = random.int(1, 300);
    this.#failRate = random.pick([0, 0, 0.05, 0.4]);
    this.#durationMaxMs = random.pick([0, 2, 30]);
  }

  async run(): Promise<string[]> {
    const random = this.#random;
    const keys = random.pick([1, 3, 20, 1_000]);
    const keyless = random.pick([0, 0, 0.3]);
    const holes = random.pick([0, 0.2]);
    const restarts = random.int(0, 2);
    for (let life = 0; life <= restarts; life += 1) {
      await this.#start();
      const goal = life === restarts ? this.#toProduce : random.int(0, this.#toProduce);
      while (this.#produced < goal && this.#violations.length === 0) {
        this.#produce(random.int(1, 40), keys, keyless, holes);
        await this.#steps(random.int(0, 60));
        this.#meddle();
      }
      if (life === restarts) await this.#until(() => this.#allCommitted(), 'everything is completed and committed');
      await this.#close();
    }
    return [...this.#violations, ...this.#guarantees.flatMap((guarantee) => guarantee.violations())];
  }

  async #start(): Promise<void> {
    const { threads = 1, concurrencyPerThread = 1 } = this.#options;
    const [clock, random] = [this.#clock, this.#random];
    const executor = new FakeExecutor(threads, concurrencyPerThread, { clock, random, handler: this.#handler() });
    const weather = { commitFails: random.pick([0, 0, 0.3]) };
    this.#client = new FakeClient(this.#cluster, clock, random, weather);
    this.#consumer = await start(resolveOptions(this.#options), {
      client: this.#client,
      executor,
      clock,
      random: random.next,
    });
    this.#consumer.closed.catch((error: Error) => this.#violations.push(`the consumer failed: ${error.stack}`));
    this.#consumer.on('warning', () => undefined);
    this.#consumer.on('assigned', ({ partitions }) => {
      for (const partition of partitions) this.#note({ kind: 'assigned', ...partition });
    });
    this.#consumer.on('committed', ({ offsets }) => {
      for (const { topic, partition, offset } of offsets) this.#note({ kind: 'committed', topic, partition, offset });
    });
  }

  /** Closes and checks that the books are balanced. */
  async #close(): Promise<void> {
    const consumer = this.#consumer as RunningConsumer;
    if (this.#random.chance(0.3)) consumer.resume();
    void consumer.close({ drainTimeoutMs: this.#random.pick([1_000, 1_000_000]) });
    await this.#until(() => consumer.state === 'closed' || consumer.state === 'failed', 'the consumer is closed');
    const { budget, assignment } = consumer.pipeline;
    if (budget.records !== 0 || budget.bytes !== 0) {
      this.#violations.push(`after the close ${budget.records} records and ${budget.bytes} bytes are still counted`);
    }
    if (assignment.open().length !== 0) this.#violations.push('after the close partitions are still open');
  }

  #handler(): FakeHandler {
    const [random, durationMaxMs, failRate] = [this.#random, this.#durationMaxMs, this.#failRate];
    return {
      onStarted: (record) => this.#note({ kind: 'started', ...entryOf(record) }),
      onEnded: (record) => {
        const kind = random.chance(failRate) ? 'failed' : 'completed';
        this.#note({ kind, ...entryOf(record) });
        return kind;
      },
      durationMs: () => random.next() * durationMaxMs,
    };
  }

  #produce(count: number, keys: number, keyless: number, holes: number): void {
    const partitions = [...this.#cluster.partitions.values()];
    for (let left = count; left > 0; left -= 1) {
      const { topic, partition } = this.#random.pick(partitions);
      const key = this.#random.chance(keyless) ? null : Buffer.from(`k${this.#random.int(0, keys - 1)}`);
      const hole = this.#random.chance(holes) ? this.#random.int(1, 1_000) : 0;
      this.#note({ kind: 'produced', ...entryOf(this.#cluster.append({ topic, partition }, key, hole)) });
      this.#produced += 1;
    }
    this.#client?.wake();
  }

  /** Pauses and resumes now and then, as an application would. */
  #meddle(): void {
    const consumer = this.#consumer as RunningConsumer;
    if (this.#random.chance(0.1)) consumer.pause(this.#random.chance(0.5) ? undefined : this.#somePartitions());
    if (this.#random.chance(0.2)) consumer.resume();
  }

  #somePartitions(): TopicPartition[] {
    return [...this.#cluster.partitions.values()].filter(() => this.#random.chance(0.5));
  }

  #allCommitted(): boolean {
    // A pause that nobody takes back would be a wait without end.
    this.#consumer?.resume();
    return [...this.#cluster.partitions.values()].every(
      ({ records, committed }) => records.length === 0 || committed === (records.at(-1) as ClientRecord).offset + 1,
    );
  }

  async #until(done: () => boolean, what: string): Promise<void> {
    while (!done()) {
      if (this.#violations.length > 0) return;
      if (!(await this.#step())) {
        this.#violations.push(`stuck: nothing is left to happen, and not yet ${what}`);
        return;
      }
      if (this.steps > STEPS_MAX) {
        this.#violations.push(`after ${STEPS_MAX} steps not yet ${what}`);
        return;
      }
    }
  }

  async #steps(count: number): Promise<void> {
    for (let step = 0; step < count; step += 1) await this.#step();
  }

  async #step(): Promise<boolean> {
    this.steps += 1;
    const happened = this.#clock.step();
    for (let reaction = 0; reaction < REACTIONS; reaction += 1) await undefined;
    this.#checkBooks();
    return happened;
  }

  /** What is counted must be what is there, and within its limits. */
  #checkBooks(): void {
    const { budget, assignment } = (this.#consumer as RunningConsumer).pipeline;
    let records = 0;
    let bytes = 0;
    for (const partition of assignment.open()) {
      records += partition.bufferedRecords;
      bytes += partition.bufferedBytes;
      if (partition.tracker.incomplete !== partition.bufferedRecords) {
        this.#violations.push(`${partition.tracker.incomplete} tracked, ${partition.bufferedRecords} buffered`);
      }
    }
    if (records !== budget.records || bytes !== budget.bytes) {
      this.#violations.push(
        `the budget counts ${budget.records} records and ${budget.bytes} bytes of ${records} and ${bytes}`,
      );
    }
    const { bufferedRecordsMax = 0, bufferedBytesMax = 0, recordsPerPollMax = 0 } = this.#options;
    // One fetch may overshoot, and while everything is paused each ask may bring one record that was on its way.
    const overshoot = Math.max(recordsPerPollMax, 1) + 8;
    if (records > bufferedRecordsMax + overshoot)
      this.#violations.push(`${records} records held of ${bufferedRecordsMax}`);
    if (bytes > bufferedBytesMax + overshoot * (RECORD_OVERHEAD_BYTES + 20)) {
      this.#violations.push(`${bytes} bytes held of ${bufferedBytesMax}`);
    }
  }

  #note(entry: LogEntry): void {
    this.log.push(entry);
    for (const guarantee of this.#guarantees) guarantee.on(entry);
    const ahead = this.#guarantees.find((guarantee) => guarantee instanceof CommitNeverAhead)?.violations() ?? [];
    if (ahead.length > 0 && this.#violations.length === 0) this.#violations.push(...ahead);
  }
}

function entryOf({ topic, partition, offset, key }: ClientRecord) {
  return { topic, partition, offset, key: key === null ? null : String(key) };
}

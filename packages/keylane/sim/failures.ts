/**
 * How records fail in a seed, what the application says to that, and where such records go: what all instances share.
 */
import type { ConsumerOptions, ResolvedOptions } from '../src/options.ts';
import type { ClientRecord } from '../src/poller/client.ts';
import { defaultParkTopic } from '../src/poller/park.ts';
import type { Disposal } from '../src/poller/verdict.ts';
import { Accounts } from './accounts.ts';
import type { FakeCluster } from './fake-cluster.ts';
import { ProducedTopics, type ProducerWeather } from './fake-producer.ts';
import type { Random } from './random.ts';
import { Replayer } from './replayer.ts';
import type { Run } from './runs.ts';
import type { Weather } from './weather.ts';

/** What `onError` may say; `policy` is to say nothing. */
export type Answer = Disposal | 'retry' | 'later' | 'policy';

/** What a seed's records and its application are like. Probabilities are between 0 and 1. */
export interface FailurePlan {
  /** What the application picks its answers from. */
  readonly answers: readonly Answer[];
  readonly onExhausted: readonly Disposal[];
  /** A single answer is given as text, not by a function. */
  readonly asText: boolean;
  readonly options: Pick<ConsumerOptions, 'deadLetter' | 'park'>;
  readonly attemptsMax: number;
  /** All records of one key fail and shall run later, until everything else is done with. */
  readonly stubborn: boolean;
  /** A record fails until the application is mended; so many times; or cannot be decoded until then. */
  readonly doomed: number;
  readonly failsAtFirst: number;
  readonly undecodable: number;
  /** How often the application may say `stop`. */
  readonly stops: number;
  readonly producer: ProducerWeather;
  /** Park topics cannot be read; or it takes long. */
  readonly readFails: number;
  readonly readSlow: number;
}

/** The key whose records are stubborn. */
const STUBBORN = 'k0';

export function failurePlanOf(random: Random, { fails }: Weather): FailurePlan | undefined {
  if (random.chance(0.5)) return undefined;
  const some = (probability: number, often = 3) => (random.int(1, often) === 1 ? probability : 0);
  const parks = random.chance(0.6);
  const disposals: Disposal[] = random.pick([
    parks ? ['park'] : ['dead-letter'],
    ['dead-letter'],
    ['skip'],
    parks ? ['dead-letter', 'park', 'skip'] : ['dead-letter', 'skip'],
  ]);
  const attemptsMax = random.pick([1, 1, 2, 3, 5, 1_000]);
  const verdicts: Answer[] = random.pick([[], ['retry'], ['later', 'retry'], ['later', ...disposals]]);
  return {
    answers: ['policy', 'policy', ...verdicts],
    onExhausted: disposals,
    asText: random.chance(0.5),
    attemptsMax,
    options: {
      deadLetter: {
        headers: random.pick(['spring', 'connect', 'both'] as const),
        consecutiveMax: random.pick([1, 3, 50, 1_000]),
        shareMax: random.pick([0.1, 0.5, 1]),
        windowRecords: random.pick([5, 200]),
      },
      ...(parks && { park: {} }),
    },
    stubborn: random.chance(0.1),
    doomed: attemptsMax > 5 ? 0 : random.pick([0, 0.05, 0.05, 0.3, 0.9]),
    failsAtFirst: fails > 0 ? 0 : some(0.2),
    undecodable: some(0.05),
    stops: random.pick([0, 0, 0, 1]),
    producer: {
      refused: some(random.pick([0.05, 0.3])),
      away: some(0.1),
      awayMaxMs: random.pick([50, 2_000]),
      unanswered: 0,
      unknown: some(0.2),
    },
    readFails: some(0.4),
    readSlow: some(0.2),
  };
}

/** The weather of a seed without what its plan does not allow for. */
export function milderFor(plan: FailurePlan | undefined): Partial<Weather> {
  if (plan === undefined) return {};
  // What is gone from a log can neither be parked nor come back; and where consumers fail all the time, what follows a
  // parked key follows it again and again.
  const parks = plan.options.park !== undefined;
  return { truncations: 0, ...(parks && { deletions: 0, clientThrows: 0 }) };
}

/** One that the handler does not complete, and how often it still does not. */
interface Decree {
  readonly ends: 'failed' | 'undecodable';
  times: number;
}

export class Failures {
  readonly plan: FailurePlan;
  readonly accounts: Accounts;
  readonly topics: ProducedTopics;
  readonly replayer: Replayer;
  stops: number;
  /** Nothing fails any more, but for what no application can help. */
  mended = false;
  readonly #decrees: Map<ClientRecord, Decree> = new Map();
  readonly #random: Random;
  /** Topics that somebody has yet to create, and their partitions. */
  readonly #missing: Map<string, number> = new Map();

  constructor(
    plan: FailurePlan,
    options: ResolvedOptions,
    random: Random,
    parts: {
      readonly cluster: FakeCluster;
      readonly onReplayed: (copy: ClientRecord) => void;
      readonly onViolation: (text: string) => void;
    },
  ) {
    this.plan = plan;
    this.stops = plan.stops;
    this.#random = random;
    this.accounts = new Accounts(options, parts.onViolation);
    const exists: Record<string, number> = {};
    for (const [topic, count] of parts.cluster.topics) {
      for (const name of [`${topic}-dlt`, defaultParkTopic(topic)]) {
        const partitions = random.chance(0.7) ? count : random.int(1, count);
        if (random.chance(0.15)) this.#missing.set(name, partitions);
        else exists[name] = partitions;
      }
    }
    this.topics = new ProducedTopics(exists);
    this.replayer = new Replayer({ ...parts, topics: this.topics, accounts: this.accounts });
  }

  produced(record: ClientRecord): void {
    const { plan } = this;
    this.accounts.produced(record);
    const random = this.#random;
    if (random.chance(plan.undecodable)) this.#decrees.set(record, { ends: 'undecodable', times: Infinity });
    else if (random.chance(plan.doomed)) this.#decrees.set(record, { ends: 'failed', times: Infinity });
    else if (random.chance(plan.failsAtFirst)) this.#decrees.set(record, { ends: 'failed', times: random.int(1, 4) });
  }

  /** Fails, and shall run later. */
  isStubborn(key: Buffer | null): boolean {
    return this.plan.stubborn && !this.mended && key?.toString() === STUBBORN;
  }

  /** How a run of this record must end, where that is fixed. */
  endOf(record: ClientRecord): Run['ends'] | undefined {
    if (this.mended) return 'completed';
    if (this.isStubborn(record.key)) return 'failed';
    const decree = this.#decrees.get(this.accounts.of(record).record);
    if (decree === undefined || decree.times === 0) return undefined;
    decree.times -= 1;
    return decree.ends;
  }

  /** Somebody creates what was missing, or at some time; parked records are produced again. */
  meddle(always: boolean): void {
    const random = this.#random;
    for (const [topic, partitions] of this.#missing) {
      if (!always && !random.chance(0.1)) continue;
      this.topics.create(topic, partitions);
      this.#missing.delete(topic);
    }
    if (!always && random.chance(0.1)) this.replayer.replay(random.int(1, 30));
  }
}

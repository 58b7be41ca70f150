/**
 * What a scenario works with: topics of records, peers as processes, and variants measured in turns.
 */
import type { Cluster } from '@keylane/testing';
import type { Job, PeerResult } from '../workload/job.ts';
import { median } from '../workload/median.ts';
import { type BenchRecord, writeRecord } from '../workload/record.ts';
import { calibrate } from './calibrate.ts';
import type { Progress } from './progress.ts';
import { type RunOptions, runPeer } from './run-peer.ts';

/** Numbers by name that one run of a variant came to; `null` for what could not be measured. */
export type Measures = Readonly<Record<string, number | null>>;

/** One way of doing it. */
export interface Variant {
  readonly name: string;
  run(): Promise<Measures>;
}

/** What all runs of a variant came to. */
export interface Row {
  readonly name: string;
  readonly runs: number;
  /** Medians; counts of what must not happen (`lost`, `duplicated`, `outOfOrder`) are added up instead. */
  readonly values: Measures;
  /** The least and the most of each. */
  readonly spread: Readonly<Record<string, readonly [least: number, most: number]>>;
}

/** A number that a scenario is to reach, and what it is compared with. */
export interface Target {
  /** The name of a ratio. */
  readonly ratio: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** Whether missing it fails the run. Default false. */
  readonly required?: true;
}

export interface Column {
  /** Of the row's values. */
  readonly key: string;
  readonly title: string;
  /** Digits behind the point. Default 0. */
  readonly digits?: number;
}

/** What to draw of the rows: bars of a value, in groups where there are several. */
export interface Chart {
  readonly title: string;
  /** What the axis says, with its unit. */
  readonly axis: string;
  /** Values to draw beside each other for each row. */
  readonly series: readonly { readonly key: string; readonly name: string }[];
  /** Rows to draw; default: all. */
  readonly rows?: readonly string[];
  /** Where the values differ by orders of magnitude. */
  readonly logarithmic?: boolean;
  /** Which values are better: the page then says where a peer beats Keylane. Default: nothing is said of that. */
  readonly better?: 'more' | 'less';
}

/** What a scenario found. */
export interface Findings {
  readonly rows: readonly Row[];
  readonly columns: readonly Column[];
  /** Name to number; those of `targets` among them. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly targets: readonly Target[];
  readonly chart: Chart;
  /** What a reader must know to believe it: what was left out, and why. */
  readonly notes: readonly string[];
  /** Rows that promise to lose nothing and to keep order: where their counts say otherwise, the run has failed. */
  readonly promises: readonly string[];
}

export interface Scenario {
  readonly title: string;
  /** Whether it needs a broker. Default true. */
  readonly broker?: false;
  /** Runs of each variant in a quick run, for one that takes long. Default 3. */
  readonly quickRuns?: number;
  run(bench: Bench): Promise<Findings>;
}

/** The broker that a scenario measures with. */
export interface Place {
  readonly servers: string;
  readonly cluster: Cluster;
  readonly real: boolean;
}

export type Size = 'quick' | 'full';

/** A topic of records, produced. */
export interface Topic {
  readonly topic: string;
  readonly partitions: number;
  readonly records: number;
  readonly keys: number;
}

export interface TopicSpec {
  readonly partitions: number;
  readonly records: number;
  /** Bytes of a value. */
  readonly bytes: number;
  /** The key of each record, from 0 on, none left out below the largest. */
  readonly key: (index: number) => number;
  /** How long its handler takes, in microseconds. Default 0. */
  readonly workUs?: (index: number) => number;
  /** Where the record goes. Default: by its key. */
  readonly partition?: (index: number) => number;
}

/** Counts of what must not happen, where a row promises that. */
export const CORRECTNESS: readonly string[] = ['lost', 'duplicated', 'outOfOrder'];

/** What is added up over the runs; of all else the median counts. */
const COUNTED: readonly string[] = [...CORRECTNESS, 'peerFaults'];
const CHUNK_RECORDS = 50_000;

export class Bench {
  /** Rounds of `compute` (workload/handling.ts) that take a millisecond here. */
  readonly roundsPerMs: number = calibrate();
  readonly size: Size;
  readonly runs: number;
  /** How many records, where the command line says so: scenario soak. */
  readonly records: number | undefined;
  /** Whether peers in Java may run. */
  readonly java: boolean;
  /** Numbers of handler threads to measure, where someone asked for some. */
  readonly threads: readonly number[] | undefined;
  readonly progress: Progress;
  readonly #place: Place | undefined;
  #topics = 0;

  /** @param parts without a `place` for scenarios that need no broker */
  constructor({
    place,
    ...parts
  }: Pick<Bench, 'size' | 'runs' | 'records' | 'java' | 'threads' | 'progress'> & { place: Place | undefined }) {
    ({
      size: this.size,
      runs: this.runs,
      records: this.records,
      java: this.java,
      threads: this.threads,
      progress: this.progress,
    } = parts);
    this.#place = place;
  }

  get servers(): string {
    return this.#broker.servers;
  }

  get cluster(): Cluster {
    return this.#broker.cluster;
  }

  /** Real brokers keep everything; the embedded one has limits. */
  get real(): boolean {
    return this.#broker.real;
  }

  get #broker(): Place {
    if (this.#place === undefined) throw new Error('a scenario with broker: false asked for a broker');
    return this.#place;
  }

  /** One of two values: what a quick run takes, or what a full one does. */
  sized<T>(quick: T, full: T): T {
    return this.size === 'quick' ? quick : full;
  }

  /** A topic without records. */
  async emptyTopic(partitions: number): Promise<string> {
    this.#topics += 1;
    const topic = `bench-${process.pid}-${this.#topics}`;
    if (this.real) await this.cluster.createTopic(topic, partitions);
    return topic;
  }

  /** Produces a topic of records. */
  async topic({ partitions, records, bytes, key, workUs = () => 0, partition }: TopicSpec): Promise<Topic> {
    const topic = await this.emptyTopic(partitions);
    const sequences: number[] = [];
    const recordAt = (index: number) => {
      const number = key(index);
      const sequence = sequences[number] ?? 0;
      sequences[number] = sequence + 1;
      const record: BenchRecord = { index, key: number, sequence, workUs: workUs(index), dueMs: 0 };
      const at = partition === undefined ? {} : { partition: partition(index) };
      return { topic, key: `key-${number}`, value: writeRecord(record, bytes), ...at };
    };
    for (let from = 0; from < records; from += CHUNK_RECORDS) {
      const to = Math.min(records, from + CHUNK_RECORDS);
      await this.cluster.produce(
        (function* () {
          for (let index = from; index < to; index += 1) yield recordAt(index);
        })(),
      );
      this.progress.say(`producing: ${to} of ${records} records`);
    }
    return { topic, partitions, records, keys: sequences.length };
  }

  /** A job for a peer on this topic, with a group of its own. */
  job({ topic, partitions, records, keys }: Topic, more: Partial<Job> = {}): Job {
    return {
      servers: this.servers,
      topic,
      group: `bench-${crypto.randomUUID()}`,
      records,
      warmUpRecords: 0,
      keys,
      partitions,
      ordering: 'key',
      threads: 1,
      concurrency: 16,
      work: 'none',
      roundsPerMs: this.roundsPerMs,
      times: false,
      ...more,
    };
  }

  /** Runs a peer of `bench/peers` to its end. */
  peer(name: string, job: Job, options?: RunOptions): Promise<PeerResult> {
    return runPeer(name, job, options);
  }

  /** Runs all variants in turn, again and again, and adds up what came of each. */
  async inTurns(variants: readonly Variant[], runs: number = this.runs): Promise<Row[]> {
    const measured = variants.map((): Measures[] => []);
    for (let run = 1; run <= runs; run += 1) {
      for (const [index, { name, run: measure }] of variants.entries()) {
        this.progress.step(
          `run ${run} of ${runs}: ${name}`,
          (run - 1) * variants.length + index,
          runs * variants.length,
        );
        (measured[index] as Measures[]).push(await measure());
      }
    }
    return variants.map(({ name }, index) => rowOf(name, measured[index] as Measures[]));
  }
}

/** What most tables say of a peer's run. */
export function measuresOf(result: PeerResult): Measures {
  const { rate, seconds, lost, duplicated, outOfOrder, cpuUsPerRecord, mainUsPerRecord, rssMaxMiB } = result;
  return { rate, seconds, lost, duplicated, outOfOrder, cpuUsPerRecord, mainUsPerRecord, rssMaxMiB };
}

/** Of the row of that name. */
export function valueIn(rows: readonly Row[], name: string, key: string): number {
  return rows.find((row) => row.name === name)?.values[key] ?? Number.NaN;
}

/** What some runs of a variant came to. */
export function rowOf(name: string, runs: readonly Measures[]): Row {
  const keys = Object.keys(runs[0] ?? {});
  const numbers = (key: string) =>
    runs.map((run) => run[key]).filter((value): value is number => typeof value === 'number');
  const values = keys.map((key) => {
    const all = numbers(key);
    if (all.length < runs.length) return [key, null] as const;
    return [key, COUNTED.includes(key) ? all.reduce((sum, value) => sum + value, 0) : median(all)] as const;
  });
  const spread = keys.map((key) => [key, [Math.min(...numbers(key)), Math.max(...numbers(key))]] as const);
  return { name, runs: runs.length, values: Object.fromEntries(values), spread: Object.fromEntries(spread) };
}

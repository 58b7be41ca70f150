/**
 * What all peers in Node share: takes the job, measures, prints the result, ends the process.
 */
import { readFileSync } from 'node:fs';
import type { HandlingData } from './handling.ts';
import { type Job, type Latency, type PeerResult, READY_LINE } from './job.ts';
import { type Counts, Ledger } from './ledger.ts';

/** How often those look that are not told when the last record is handled. */
export const LOOK_EVERY_MS = 2;

/**
 * The clock. It runs from the first record that came to when the last one is handled, or to the end of the window. CPU
 * is counted from when the warm-up is over: what a client fetched ahead by then would flatter its rate, but not that.
 */
export class Meter {
  /** Resolves at the end of the job's window; never where there is none. */
  readonly windowOver: Promise<undefined>;
  #startWindow: () => void = () => undefined;
  #startedAt: number | undefined = undefined;
  /** Records handled when CPU began to count. */
  #before = 0;
  #cpu: NodeJS.CpuUsage | undefined = undefined;
  #mainUs: number | undefined = undefined;
  readonly #job: Job;

  constructor(job: Job) {
    this.#job = job;
    this.windowOver = new Promise((resolve) => {
      if (job.window === undefined) return;
      const { ms } = job.window;
      this.#startWindow = () => setTimeout(resolve, ms, undefined);
    });
  }

  /** Whether the warm-up is over. */
  get countsCpu(): boolean {
    return this.#cpu !== undefined;
  }

  /** Told again and again, from the first record that came on, how many have been handled. */
  saw(completed: number): void {
    if (this.#startedAt === undefined) {
      this.#startedAt = performance.now();
      this.#startWindow();
    }
    if (this.#cpu !== undefined || completed < this.#job.warmUpRecords) return;
    this.#before = completed;
    this.#cpu = process.cpuUsage();
    this.#mainUs = mainThreadUs();
  }

  /**
   * @param inWindow the records that count, where there is a window
   * @param othersCpuUs CPU of other processes
   */
  stop(
    inWindow?: number,
    othersCpuUs = 0,
  ): Pick<PeerResult, 'seconds' | 'rate' | 'cpuUsPerRecord' | 'mainUsPerRecord'> {
    const seconds = (performance.now() - (this.#startedAt ?? Number.NaN)) / 1_000;
    const records = inWindow ?? this.#job.records;
    const warm = inWindow ?? this.#job.records - this.#before;
    const { user, system } = process.cpuUsage(this.#cpu);
    const mainUs = mainThreadUs();
    return {
      seconds,
      rate: records / seconds,
      cpuUsPerRecord: (user + system + othersCpuUs) / warm,
      mainUsPerRecord: mainUs === undefined || this.#mainUs === undefined ? null : (mainUs - this.#mainUs) / warm,
    };
  }
}

export interface Measured {
  readonly meter: Meter;
  readonly ledger: Ledger;
  /** For the threads that handle, or for `handling` on this one. */
  readonly data: HandlingData;
}

/** What a peer answers. */
export interface PeerAnswer {
  /** Where its handlers did not write this process's ledger. A function is called once the clock has stopped. */
  readonly counts?: Counts | (() => Promise<Counts>);
  /** What other processes took for it since CPU counts, to be added to what this one took. */
  readonly others?: { readonly cpuUs: number; readonly rssMaxMiB: number };
  readonly more?: Readonly<Record<string, number>>;
}

/**
 * Runs a peer: `run` consumes until `job.records` have been handled, and tells `meter` how many so far. It
 * resolves as soon as the last one is handled: then the clock stops, and the process ends as it is.
 */
export async function peer(run: (job: Job, measured: Measured) => Promise<PeerAnswer | undefined>): Promise<void> {
  const job = JSON.parse(process.argv.at(-1) as string) as Job;
  const ledger = new Ledger(job);
  const meter = new Meter(job);
  const data = { work: job.work, roundsPerMs: job.roundsPerMs, ledger: ledger.memory };
  const answer = await Promise.race([run(job, { meter, ledger, data }), meter.windowOver]);
  const measured = meter.stop(job.window && ledger.completedBelow(job.window.countedRecords), answer?.others?.cpuUs);
  const counts = typeof answer?.counts === 'function' ? await answer.counts() : answer?.counts;
  const result: PeerResult = {
    ...measured,
    ...(counts ?? ledger.counts()),
    rssMaxMiB: process.resourceUsage().maxRSS / 1_024 + (answer?.others?.rssMaxMiB ?? 0),
    ...(job.times && timesOf(ledger, job)),
    ...(answer?.more !== undefined && { more: answer.more }),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

/** Tells whoever started this peer that partitions are assigned to it, so that it may produce. */
export function sayReady(): void {
  process.stdout.write(`${READY_LINE}\n`);
}

/** At least the first tenth of the records warms up: its latency says more of the compiler than of the peer. */
const WARM_UP = 0.1;

/** The first record whose latency counts. */
export function firstMeasured({ records, warmUpRecords }: Pick<Job, 'records' | 'warmUpRecords'>): number {
  return Math.max(warmUpRecords, Math.ceil(records * WARM_UP));
}

function timesOf(ledger: Ledger, job: Job): Partial<PeerResult> {
  const { records, keys } = job;
  const from = firstMeasured(job);
  let workMs = 0;
  const perKey = new Float64Array(keys);
  const firstBegan = new Float64Array(keys).fill(Infinity);
  const lastEnded = new Float64Array(keys);
  const hot: number[] = [];
  const cold: number[] = [];
  for (let index = 0; index < records; index += 1) {
    const { key, due, began, ended } = ledger.timesOf(index);
    if (ended === 0) continue;
    workMs += ended - began;
    (perKey[key] as number) += ended - began;
    firstBegan[key] = Math.min(firstBegan[key] as number, began);
    lastEnded[key] = Math.max(lastEnded[key] as number, ended);
    if (due > 0 && index >= from) (key === 0 ? hot : cold).push(ended - due);
  }
  const longestKeyMs = perKey.reduce((a, b) => Math.max(a, b), 0);
  const longest = perKey.indexOf(longestKeyMs);
  const longestKeySpanMs = (lastEnded[longest] as number) - (firstBegan[longest] as number);
  const common = { runningMax: ledger.runningMax, workMs, longestKeyMs, longestKeySpanMs };
  if (hot.length + cold.length === 0) return common;
  return { ...common, latency: latencyOf([...hot, ...cold]), hotLatency: latencyOf(hot), coldLatency: latencyOf(cold) };
}

export function latencyOf(values: ArrayLike<number>): Latency {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
  return { records: sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), most: at(1) };
}

/** CPU of the main thread so far, in microseconds; `undefined` where the system does not say (all but Linux). */
function mainThreadUs(): number | undefined {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000;
  } catch {
    return undefined;
  }
}

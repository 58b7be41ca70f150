/**
 * What threads give: handlers that compute on 1, 2 … of them, beside one event loop, processes, and bare threads
 * without Kafka; and handlers that wait, with as many in flight as were asked for.
 */
import { availableParallelism } from 'node:os';
import { median } from '../../workload/median.ts';
import {
  type Bench,
  type Column,
  type Findings,
  measuresOf,
  type Row,
  type Scenario,
  type Topic,
  type Variant,
  valueIn,
} from '../bench.ts';

/** As many as topics of the embedded broker have. */
const PARTITIONS = 4;
const KEYS = 1_000;
const RECORD_BYTES = 100;
const COMPUTE_MS = [0.1, 1, 10];
const WAIT_MS = [1, 5, 50];
const CONCURRENCY_PER_THREAD = 16;
const PROCESSES = 2;
const ONE_LOOP = 'one event loop (KafkaJS-style eachMessage)';
const PROCESS_PER_PARTITION = `process per partition, ${PROCESSES} processes`;
/** Of the records, before CPU counts: until handlers are compiled and all threads have work. */
const WARM_UP_SHARE = 0.1;

export const threads: Scenario = {
  title: 'handlers that compute or wait, by number of threads',
  async run(bench: Bench): Promise<Findings> {
    const counts = [...new Set([1, 2, ...(bench.threads ?? bench.sized([], powersOfTwo(2 * availableParallelism())))])];
    counts.sort((a, b) => a - b);
    const variants: Variant[] = [];
    for (const ms of COMPUTE_MS) variants.push(...(await computing(bench, ms, counts)));
    for (const ms of WAIT_MS) variants.push(...(await waiting(bench, ms, counts)));
    const rows = besideBareThreads(await bench.inTurns(variants), counts);
    return {
      rows,
      columns: COLUMNS,
      ratios: ratiosOf(rows, counts),
      targets: [
        { ratio: 'twoThreadsOverOne', atLeast: 1.9 },
        { ratio: 'inFlightReached', atLeast: 1 },
      ],
      chart: {
        title: 'A handler that computes for 1 ms',
        axis: 'records/s',
        better: 'more',
        series: [{ key: 'rate', name: 'records/s' }],
        rows: rows.map(({ name }) => name).filter((name) => name.startsWith(computeName(1, ''))),
      },
      notes: [
        'A computation is a fixed amount of work, so that threads which share a CPU do not look faster than they are.',
        'The ideal of handlers that compute is the rate of as many bare threads, which handle no records: what the machine ' +
          'itself gives beside all else it does.',
        'The ideal of handlers that wait comes from how long they really took, since timers overshoot.',
        'twoThreadsOverOne is the median of the sizes of 1 ms and more.',
      ],
      promises: rows.map(({ name }) => name).filter((name) => name.includes('Keylane')),
    };
  },
};

const COLUMNS: readonly Column[] = [
  { key: 'lost', title: 'lost' },
  { key: 'duplicated', title: 'duplicated' },
  { key: 'outOfOrder', title: 'out of order' },
  { key: 'rate', title: 'records/s' },
  { key: 'ofIdeal', title: 'of the ideal', digits: 3 },
  { key: 'runningMax', title: 'most in flight' },
  { key: 'inFlightAsked', title: 'asked for' },
  { key: 'cpuUsPerRecord', title: 'CPU, µs/record', digits: 1 },
];

const computeName = (ms: number, way: string): string => `computes ${ms} ms: ${way}`;
const waitName = (ms: number, way: string): string => `waits ${ms} ms: ${way}`;
const bareName = (count: number): string => `bare ${threadsOf(count)}, no Kafka`;
const keylaneName = (count: number): string => `Keylane, ${threadsOf(count)}`;
const threadsOf = (count: number): string => `${count} ${count === 1 ? 'thread' : 'threads'}`;

async function computing(bench: Bench, ms: number, counts: readonly number[]): Promise<Variant[]> {
  const topic = await topicOf(bench, ms, Math.round(bench.sized(1_000, 16_000) / ms));
  const variant = (way: string, peer: string, parallel: number): Variant => ({
    name: computeName(ms, way),
    run: async () => {
      const result = await bench.peer(
        peer,
        bench.job(topic, {
          work: 'compute',
          workUs: ms * 1_000,
          threads: parallel,
          concurrency: CONCURRENCY_PER_THREAD * parallel,
          warmUpRecords: topic.records * WARM_UP_SHARE,
        }),
      );
      return { ...measuresOf(result), inFlightAsked: null, runningMax: null };
    },
  });
  return [
    ...counts.map((count) => variant(bareName(count), 'bare-threads', count)),
    ...counts.map((count) => variant(keylaneName(count), 'keylane', count)),
    variant(ONE_LOOP, 'confluent-each-message', 1),
    variant(PROCESS_PER_PARTITION, 'process-per-partition', PROCESSES),
  ];
}

async function waiting(bench: Bench, ms: number, counts: readonly number[]): Promise<Variant[]> {
  const topic = await topicOf(bench, ms, Math.round(bench.sized(20_000, 150_000) / ms));
  return counts.map((count) => {
    const asked = CONCURRENCY_PER_THREAD * count;
    return {
      name: waitName(ms, keylaneName(count)),
      run: async () => {
        const job = bench.job(topic, { work: 'wait', threads: count, concurrency: asked, times: true });
        const result = await bench.peer('keylane', job);
        const ideal = (asked * result.completed * 1_000) / (result.workMs ?? Number.NaN);
        return {
          ...measuresOf(result),
          ofIdeal: result.rate / ideal,
          inFlightAsked: asked,
          runningMax: result.runningMax ?? null,
        };
      },
    };
  });
}

/** @param ms how long each handler takes */
function topicOf(bench: Bench, ms: number, records: number): Promise<Topic> {
  return bench.topic({
    partitions: PARTITIONS,
    records,
    bytes: RECORD_BYTES,
    key: (index) => index % KEYS,
    // In turn, not by the key's hash: processes and event loops get equal shares.
    partition: (index) => index % PARTITIONS,
    workUs: () => ms * 1_000,
  });
}

/** Adds to the rows of handlers that compute what they reach of as many bare threads. */
function besideBareThreads(rows: readonly Row[], counts: readonly number[]): Row[] {
  const parallel = new Map<string, { readonly ms: number; readonly count: number }>();
  for (const ms of COMPUTE_MS) {
    for (const count of counts) {
      parallel.set(computeName(ms, bareName(count)), { ms, count });
      parallel.set(computeName(ms, keylaneName(count)), { ms, count });
    }
    parallel.set(computeName(ms, ONE_LOOP), { ms, count: 1 });
    parallel.set(computeName(ms, PROCESS_PER_PARTITION), { ms, count: PROCESSES });
  }
  return rows.map((row) => {
    const of = parallel.get(row.name);
    if (of === undefined) return row;
    const ideal = valueIn(rows, computeName(of.ms, bareName(of.count)), 'rate');
    return { ...row, values: { ...row.values, ofIdeal: (row.values['rate'] ?? Number.NaN) / ideal } };
  });
}

function ratiosOf(rows: readonly Row[], counts: readonly number[]): Record<string, number> {
  const rate = (ms: number, way: string) => valueIn(rows, computeName(ms, way), 'rate');
  const twoOverOne = (ms: number, way: (count: number) => string) => rate(ms, way(2)) / rate(ms, way(1));
  const large = COMPUTE_MS.filter((ms) => ms >= 1);
  const inFlight = WAIT_MS.flatMap((ms) =>
    counts.map((count) => {
      const name = waitName(ms, keylaneName(count));
      return valueIn(rows, name, 'runningMax') / valueIn(rows, name, 'inFlightAsked');
    }),
  );
  return {
    twoThreadsOverOne: median(large.map((ms) => twoOverOne(ms, keylaneName))),
    ...Object.fromEntries(COMPUTE_MS.map((ms) => [`twoThreadsOverOne_${ms}ms`, twoOverOne(ms, keylaneName)])),
    bareTwoThreadsOverOne: median(large.map((ms) => twoOverOne(ms, bareName))),
    ...Object.fromEntries(COMPUTE_MS.map((ms) => [`bareTwoThreadsOverOne_${ms}ms`, twoOverOne(ms, bareName)])),
    inFlightReached: Math.min(...inFlight),
  };
}

/** 1, 2, 4 … up to `most`. */
function powersOfTwo(most: number): number[] {
  const powers: number[] = [];
  for (let power = 1; power <= most; power *= 2) powers.push(power);
  return powers;
}

/**
 * The table of Parallel Consumer's README: 10,000 records of one partition, handlers that wait for a random time, 100
 * of them in flight, and each ordering. What is held against the clock is the ideal of that very run: since timers
 * overshoot, it comes from how long the handlers really took.
 */
import type { Job, PeerResult } from '../../workload/job.ts';
import { randomFrom } from '../../workload/random.ts';
import { type Bench, type Findings, type Row, type Scenario, type Topic, type Variant, valueIn } from '../bench.ts';
import { whyNoJavaPeer } from '../java-peer.ts';

const RECORDS = 10_000;
/** Of a quick run, where few handlers run at once. */
const SLOW_ROW_RECORDS_QUICK = 1_000;
const SLOW_ROW_KEYS_MAX = 5;
const CONCURRENCY = 100;
const THREADS = 2;
const WORK_MS_MAX = 5;
const SEED = 1;
/** How far above its ideal a run may be: a tenth, and what it takes to start. */
const OVER_IDEAL_SHARE = 1.1;
const OVER_IDEAL_SECONDS = 0.05;

interface Setting {
  readonly row: string;
  /** What its ratio is called. */
  readonly ratio: string;
  readonly ordering: Job['ordering'];
  readonly keys: number;
}

const byKeys = (keys: number): Setting => ({
  row: keys === 1 ? 'key order, 1 key' : `key order, ${keys.toLocaleString('en')} keys`,
  ratio: `key${keys}OverIdeal`,
  ordering: 'key',
  keys,
});

/** All of a partition is one key where the partition is the order: so the ledger sees every record out of order. */
const SETTINGS: readonly Setting[] = [
  { row: 'partition order', ratio: 'partitionOverIdeal', ordering: 'partition', keys: 1 },
  ...[1, 2, 5, 10, 20, 50, 100, 1_000, 10_000].map(byKeys),
  { row: 'unordered', ratio: 'unorderedOverIdeal', ordering: 'unordered', keys: RECORDS },
];

export const ordering: Scenario = {
  title: 'handlers that wait 0 to 5 ms, 100 in flight, 1 partition',
  quickRuns: 1,
  async run(bench: Bench): Promise<Findings> {
    const noJava = await whyNoJavaPeer(bench);
    const variants: Variant[] = [];
    for (const setting of SETTINGS) variants.push(variantOf(setting, bench, await topicOf(setting, bench), !noJava));
    const rows = await bench.inTurns(variants);
    return {
      rows,
      columns: [
        { key: 'lost', title: 'lost' },
        { key: 'duplicated', title: 'duplicated' },
        { key: 'outOfOrder', title: 'out of order' },
        { key: 'seconds', title: 'Keylane, s', digits: 2 },
        { key: 'ideal', title: 'its ideal, s', digits: 2 },
        { key: 'overIdeal', title: 'over ideal', digits: 2 },
        { key: 'peerFaults', title: 'Parallel Consumer: lost, duplicated or out of order' },
        { key: 'peerSeconds', title: 'Parallel Consumer, s', digits: 2 },
        { key: 'peerIdeal', title: 'its ideal, s', digits: 2 },
      ],
      ratios: {
        ...Object.fromEntries(SETTINGS.map(({ row, ratio }) => [ratio, valueIn(rows, row, 'overIdeal')])),
        worstOverIdeal: Math.max(...rows.map(({ values }) => values['overLimit'] ?? Number.NaN)),
        ...(noJava === undefined && { worstVsParallelConsumer: Math.min(...rows.map(vsParallelConsumer)) }),
      },
      targets: [
        { ratio: 'worstOverIdeal', atMost: 1 },
        ...(noJava === undefined ? [{ ratio: 'worstVsParallelConsumer', atLeast: 1 }] : []),
      ],
      chart: {
        title: 'Handlers that wait 0 to 5 ms, 100 in flight, 1 partition',
        axis: 'seconds',
        better: 'less',
        logarithmic: true,
        series: [
          { key: 'seconds', name: 'Keylane' },
          ...(noJava === undefined ? [{ key: 'peerSeconds', name: 'Parallel Consumer' }] : []),
        ],
      },
      notes: [
        'Keys take turns: record n has key n % keys. Keylane runs 2 threads of 50 handlers, Parallel Consumer 100 threads.',
        'Handlers wait whole milliseconds, which Node and Java keep differently: each has the ideal of its own waits.',
        'The ideal is the work of the key with the most, or all work / 100, whichever is longer, as measured in that run.',
        `worstOverIdeal: the most of seconds / (${OVER_IDEAL_SHARE} × ideal + ${OVER_IDEAL_SECONDS} s).`,
        ...(bench.size === 'quick'
          ? [
              `The rows with up to ${SLOW_ROW_KEYS_MAX} keys: ${SLOW_ROW_RECORDS_QUICK} records; the others: ${RECORDS}, as all are with --full.`,
            ]
          : []),
        ...(noJava === undefined ? [] : [`Left out: Parallel Consumer (Java) ${noJava}.`]),
      ],
      promises: SETTINGS.map(({ row }) => row),
    };
  },
};

function topicOf({ keys }: Setting, bench: Bench): Promise<Topic> {
  const random = randomFrom(SEED);
  return bench.topic({
    partitions: 1,
    records: keys <= SLOW_ROW_KEYS_MAX ? bench.sized(SLOW_ROW_RECORDS_QUICK, RECORDS) : RECORDS,
    bytes: 100,
    key: (index) => index % keys,
    // Whole milliseconds: of fractions a timer of Node's would wait less than Java's does, which is no merit.
    workUs: () => Math.floor(random() * (WORK_MS_MAX + 1)) * 1_000,
  });
}

function variantOf({ row, ordering }: Setting, bench: Bench, topic: Topic, java: boolean): Variant {
  const more: Partial<Job> = { ordering, threads: THREADS, concurrency: CONCURRENCY, work: 'wait', times: true };
  return {
    name: row,
    run: async () => {
      const own = await bench.peer('keylane', bench.job(topic, more));
      const peer = java ? await bench.peer('parallel-consumer', bench.job(topic, more)) : undefined;
      const ideal = idealSeconds(own);
      return {
        lost: own.lost,
        duplicated: own.duplicated,
        outOfOrder: own.outOfOrder,
        seconds: own.seconds,
        ideal,
        overIdeal: own.seconds / ideal,
        overLimit: own.seconds / (OVER_IDEAL_SHARE * ideal + OVER_IDEAL_SECONDS),
        peerFaults: peer === undefined ? null : peer.lost + peer.duplicated + peer.outOfOrder,
        peerSeconds: peer === undefined ? null : peer.seconds,
        peerIdeal: peer === undefined ? null : idealSeconds(peer),
      };
    },
  };
}

/** How long it would take if no handler ever waited for anything but its own key and its slot. */
function idealSeconds({ workMs = Number.NaN, longestKeyMs = Number.NaN }: PeerResult): number {
  return Math.max(longestKeyMs, workMs / CONCURRENCY) / 1_000;
}

function vsParallelConsumer({ values: { peerSeconds, seconds } }: Row): number {
  return (peerSeconds ?? Number.NaN) / (seconds ?? Number.NaN);
}

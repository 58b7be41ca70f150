/**
 * A few keys have much of the traffic. 2 ms handlers that wait, so that what limits is the order within the hot key or
 * the number of handlers in flight, not the CPU. 100-byte records, 8 partitions, 1,000 keys; key 0 is the hot one.
 *
 * First a backlog of each mix, against the ideal: the longest key's own work, or all work over the handlers in flight,
 * whichever is longer, from the durations that the handlers themselves measured. Then the same records again, in the
 * same order, produced at 90 and 97 % of the rate of that ideal, once with the oldest ready lane first and once with
 * ready lanes in rotation: two builds that differ in that alone.
 *
 * With 32 in flight the hot key is the only limit: slots are free, whoever is ready runs at once, and which lane goes
 * first hardly matters. It does where slots are scarce as well, so two mixes are there again with fewer in flight.
 */
import type { PeerResult } from '../../workload/job.ts';
import { hottestShare, type KeySpec, keysFrom } from '../../workload/keys.ts';
import {
  type Bench,
  type Column,
  type Findings,
  type Measures,
  measuresOf,
  type Row,
  type Scenario,
  type Variant,
  valueIn,
} from '../bench.ts';
import { busyNotes } from '../busy-machine.ts';
import { buildRotation } from '../rotation-build.ts';
import { latenessNotes, underLoad, WARM_UP_NOTE } from '../under-load.ts';

const WORK_US = 2_000;
const COMMON = { partitions: 8, bytes: 100, workUs: WORK_US };
const KEYS = { keys: 1_000, seed: 1 };
/** Shares of capacity, in percent. */
const LOADS = [90, 97] as const;
const ORDERS = [{ name: 'oldest first' }, { name: 'rotation', build: 'rotation' }] as const;

interface Mix {
  readonly name: string;
  readonly keys: KeySpec;
  /** Handlers in flight in all. */
  readonly inFlight: number;
}

type Order = (typeof ORDERS)[number];

const ZIPF_10: KeySpec = { ...KEYS, kind: 'zipf', exponent: 1 };
const hot = (share: number): KeySpec => ({ ...KEYS, kind: 'one-hot', share });

const HOT_8: Mix = { name: 'one key 8 %', keys: hot(0.08), inFlight: 32 };
/** The mix of docs/adr/0003: slots are the limit, and the hot key is near to being one. */
const HOT_8_SCARCE: Mix = { name: 'one key 8 %, 10 in flight', keys: hot(0.08), inFlight: 10 };
const MIXES: readonly Mix[] = [
  { name: 'Zipf 1.0', keys: ZIPF_10, inFlight: 32 },
  { name: 'Zipf 1.2', keys: { ...KEYS, kind: 'zipf', exponent: 1.2 }, inFlight: 32 },
  HOT_8,
  { name: 'one key 23 %', keys: hot(0.23), inFlight: 32 },
  { name: 'one key 90 %', keys: hot(0.9), inFlight: 32 },
  HOT_8_SCARCE,
  { name: 'Zipf 1.0, 7 in flight', keys: ZIPF_10, inFlight: 7 },
];
/** Mixes that are also produced at a load in a quick run; a full one does all. */
const QUICK_LOADS: readonly Mix[] = [HOT_8, HOT_8_SCARCE];

const backlogRow = ({ name }: Mix) => `${name}, backlog`;
const loadRow = ({ name }: Mix, percent: number, order: Order) => `${name}, ${percent} %, ${order.name}`;

const COLUMNS: readonly Column[] = [
  { key: 'lost', title: 'lost' },
  { key: 'duplicated', title: 'dupl.' },
  { key: 'outOfOrder', title: 'out of order' },
  { key: 'rate', title: 'records/s' },
  { key: 'overIdeal', title: 'time / ideal', digits: 3 },
  { key: 'hotOverItsWork', title: 'hot key / its work', digits: 3 },
  { key: 'workMs', title: 'handler, ms', digits: 2 },
  { key: 'hotP50', title: 'hot p50, ms', digits: 1 },
  { key: 'hotP99', title: 'hot p99, ms', digits: 1 },
  { key: 'coldP50', title: 'cold p50, ms', digits: 1 },
  { key: 'coldP99', title: 'cold p99, ms', digits: 1 },
  { key: 'spanMedian', title: 'span, median' },
  { key: 'spanMax', title: 'span, most' },
];

export const hotKey: Scenario = {
  title: 'a few keys have much of the traffic',
  async run(bench: Bench): Promise<Findings> {
    const busy = busyNotes();
    await buildRotation();
    const backlogs: Variant[] = [];
    for (const mix of MIXES) backlogs.push(await backlog(bench, mix));
    const backlogRows = await bench.inTurns(backlogs);
    const loaded = bench.sized(QUICK_LOADS, MIXES);
    const loads = await bench.inTurns(
      loaded.flatMap((mix) => {
        const capacity = valueIn(backlogRows, backlogRow(mix), 'idealRate');
        return LOADS.flatMap((percent) => ORDERS.map((order) => underShare(bench, mix, percent, order, capacity)));
      }),
    );
    const rows = [...backlogRows, ...loads];
    return {
      rows,
      columns: COLUMNS,
      ratios: ratiosOf(backlogRows, loads),
      targets: [{ ratio: 'worstOverIdeal', atMost: 1.1 }],
      chart: {
        title: 'Latency where a key is hot',
        axis: 'p99, ms',
        series: [
          { key: 'hotP99', name: 'hot key' },
          { key: 'coldP99', name: 'other keys' },
        ],
        rows: loads.map(({ name }) => name),
        logarithmic: true,
      },
      notes: [
        'Ratios of oldest first over rotation are of one key with 8 % and 10 in flight; SlotsFree: with 32 in flight.',
        'Hot key / its work: from its first handler to its last, over what those took. Where that is near 1 and ' +
          'time / ideal is not, it began late: a backlog comes one partition after another, and oldest first runs what ' +
          'came before the first record of the hot key before that.',
        'Load is a share of the ideal rate. Where hot key / its work is above 1.03, 97 % is more than Keylane can do, ' +
          'and latency grows for as long as the run takes.',
        WARM_UP_NOTE,
        ...(loaded.length < MIXES.length
          ? [`Only ${loaded.map(({ name }) => `"${name}"`).join(' and ')} produced at a load; all with --full.`]
          : []),
        ...busy,
        ...latenessNotes(loads),
      ],
      promises: rows.filter(({ name }) => !name.endsWith('rotation')).map(({ name }) => name),
    };
  },
};

function ratiosOf(backlogs: readonly Row[], loads: readonly Row[]): Record<string, number> {
  const worst = (key: string) => Math.max(...MIXES.map((mix) => valueIn(backlogs, backlogRow(mix), key)));
  const [oldest, rotation] = ORDERS;
  const compared = (mix: Mix, suffix: string) =>
    Object.fromEntries(
      LOADS.flatMap((percent) => {
        const oldestOverRotation = (key: string) =>
          valueIn(loads, loadRow(mix, percent, oldest), key) / valueIn(loads, loadRow(mix, percent, rotation), key);
        return [
          [`hotP99OldestOverRotationAt${percent}${suffix}`, oldestOverRotation('hotP99')],
          [`coldP99OldestOverRotationAt${percent}${suffix}`, oldestOverRotation('coldP99')],
          [`spanOldestOverRotationAt${percent}${suffix}`, oldestOverRotation('spanMax')],
        ];
      }),
    );
  return {
    worstHotKeyOverItsWork: worst('hotOverItsWork'),
    worstOverIdeal: worst('overIdeal'),
    ...compared(HOT_8_SCARCE, ''),
    ...compared(HOT_8, 'SlotsFree'),
  };
}

/** So many records that the ideal takes about as long as a run is to take. */
function recordsOf(bench: Bench, { keys, inFlight }: Mix): number {
  const seconds = bench.sized(3, 15);
  return Math.round((seconds * 1_000_000) / WORK_US / Math.max(hottestShare(keys), 1 / inFlight));
}

async function backlog(bench: Bench, mix: Mix): Promise<Variant> {
  const records = recordsOf(bench, mix);
  const drawKey = keysFrom(mix.keys);
  const topic = await bench.topic({ ...COMMON, records, key: () => drawKey(), workUs: () => WORK_US });
  return {
    name: backlogRow(mix),
    run: async () => {
      const job = bench.job(topic, { work: 'wait', concurrency: mix.inFlight, times: true });
      const result = await bench.peer('keylane', job);
      const idealSeconds = idealSecondsOf(result, mix.inFlight);
      return {
        ...commonOf(result),
        idealRate: records / idealSeconds,
        overIdeal: result.seconds / idealSeconds,
        hotOverItsWork: (result.longestKeySpanMs ?? Number.NaN) / (result.longestKeyMs ?? Number.NaN),
      };
    },
  };
}

function underShare(bench: Bench, mix: Mix, percent: number, order: Order, capacity: number): Variant {
  const records = recordsOf(bench, mix);
  return {
    name: loadRow(mix, percent, order),
    run: async (): Promise<Measures> => {
      const { result, producerLateMs } = await underLoad(
        bench,
        'keylane',
        { ...COMMON, records, recordsPerSecond: (capacity * percent) / 100, keys: mix.keys },
        { work: 'wait', concurrency: mix.inFlight, ...('build' in order && { build: order.build }) },
      );
      const { hotLatency, coldLatency } = result;
      return {
        ...commonOf(result),
        hotP50: hotLatency?.p50 ?? null,
        hotP99: hotLatency?.p99 ?? null,
        coldP50: coldLatency?.p50 ?? null,
        coldP99: coldLatency?.p99 ?? null,
        producerLateMs,
      };
    },
  };
}

function commonOf(result: PeerResult): Measures {
  const { workMs = Number.NaN, more = {} } = result;
  const { spanMedian = null, spanMax = null } = more;
  return { ...measuresOf(result), workMs: workMs / result.completed, spanMedian, spanMax };
}

function idealSecondsOf({ workMs = Number.NaN, longestKeyMs = Number.NaN }: PeerResult, inFlight: number): number {
  return Math.max(longestKeyMs, workMs / inFlight) / 1_000;
}

/**
 * The poller alone, without a broker and without threads: what a record costs and how much memory it takes as
 * partitions, live keys and slots grow. A key is live while a record of it is held.
 */
import type { ScaleResult, ScaleTask, Through } from '../../peers/scale.ts';
import { mib } from '../../workload/memory.ts';
import type { Bench, Findings, Measures, Row, Scenario, Variant } from '../bench.ts';
import { runProgram } from '../run-peer.ts';

type Shape = Omit<ScaleTask, 'through'>;

interface Point {
  readonly name: string;
  readonly shape: Shape;
  /** Whether a bare map of as many keys is measured beside it. */
  readonly withMap?: true;
}

const PARTITIONS = [100, 1_000, 10_000];
/** The second is Keylane's default for what it holds. */
const LIVE_KEYS = [1_000, 10_000, 100_000, 1_000_000];
/** In all, of two threads. */
const SLOTS = [16, 1_000, 16_000];
const THREADS = [1, 62, 1_000];

const BYTES_PER_MIB = 2 ** 20;

/** Handlers that do next to nothing, so that frames and reports are large: the poller is all there is to wait for. */
const FAST = { threads: 2, slots: 16, handlerMs: 0.01, reportRecords: 100 } as const;
/**
 * V8 would place the objects of the records among the old ones from the start, where many live long; those that the
 * client makes, in native code, it never does.
 */
const NODE_OPTIONS = ['--no-allocation-site-pretenuring'];
/** Handlers that wait, so that every slot is taken; more are ready than there are slots. */
const SLOW = { partitions: 100, keys: 64_000, heldRecords: 32_000, handlerMs: 50, reportRecords: 16 } as const;

export const scale: Scenario = {
  title: 'the poller alone, as partitions, live keys and slots grow',
  broker: false,
  quickRuns: 1,
  async run(bench: Bench): Promise<Findings> {
    const records = bench.sized(300_000, 2_000_000);
    const [partitions, keys, slots, threads] = [
      PARTITIONS.map((count) => partitionsPoint(count, records)),
      LIVE_KEYS.map((count) => keysPoint(count, records)),
      SLOTS.map((count) => slotsPoint(count, records)),
      THREADS.map((count) => threadsPoint(count, records)),
    ];
    const points = [...partitions, ...keys, ...slots, ...threads];
    const rows = await bench.inTurns(points.map(variant));
    const growth = (of: readonly Point[], key: string) => value(rows, of.at(-1), key) / value(rows, of[0], key);
    const bytesPerUnit = (of: readonly Point[], counts: readonly number[]) =>
      ((value(rows, of.at(-1), 'memoryMiB') - value(rows, of[0], 'memoryMiB')) * BYTES_PER_MIB) /
      ((counts.at(-1) as number) - (counts[0] as number));
    return {
      rows,
      columns: [
        { key: 'nsPerRecord', title: 'poller, ns/record' },
        { key: 'recordsNs', title: 'the records alone, ns' },
        { key: 'mapNs', title: 'a bare map, ns' },
        { key: 'memoryMiB', title: 'poller, MiB', digits: 1 },
        { key: 'liveKeys', title: 'live keys' },
        { key: 'inFlight', title: 'in flight' },
      ],
      ratios: {
        partitionsCostGrowth: growth(partitions, 'nsPerRecord'),
        keysCostGrowth: growth(keys, 'nsPerRecord'),
        bareMapCostGrowth: growth(keys, 'mapNs'),
        slotsCostGrowth: growth(slots, 'nsPerRecord'),
        threadsCostGrowth: growth(threads, 'nsPerRecord'),
        bytesPerPartition: bytesPerUnit(partitions, PARTITIONS),
        bytesPerLiveKey: bytesPerUnit(keys, LIVE_KEYS),
      },
      targets: [
        { ratio: 'partitionsCostGrowth', atMost: 1.3 },
        { ratio: 'keysCostGrowth', atMost: 1.3 },
      ],
      chart: {
        title: 'What the poller costs as things grow',
        axis: 'CPU, ns/record',
        series: [
          { key: 'nsPerRecord', name: 'poller' },
          { key: 'mapNs', name: 'a bare map' },
        ],
      },
      notes: [
        'The poller is the whole pipeline of the built package, on the real clock and with its commits, between a ' +
          'client that always has records and threads that complete at once what they are given. Each number is CPU ' +
          'of a process of its own, garbage collection included, less that of another process that makes and holds ' +
          'the same records in a plain queue ("the records alone"); memory likewise.',
        'Threads, frames and the client are not in it; nor are keys with more than one record at a time. Records ' +
          'come in runs of ten of one partition.',
        'A bare map: to look up, insert and delete the key of every record, as text, in one Map<string, object> of as ' +
          'many live keys. Its growth is what the machine takes alone: what it touches is in no cache any more, and ' +
          'every object lives long enough to be copied by the garbage collector.',
        'Growth is the last row of a kind over the first. Slots are of two threads; threads have 16 slots each.',
      ],
      promises: [],
    };
  },
};

function partitionsPoint(partitions: number, records: number): Point {
  const shape = { ...FAST, partitions, keys: 200_000, heldRecords: 10_000, records };
  return { name: named(partitions, 'partitions'), shape };
}

/** At least every live key is measured once. */
function keysPoint(live: number, records: number): Point {
  const shape = { ...FAST, partitions: 100, keys: 2 * live, heldRecords: live, records: Math.max(records, live) };
  return { name: named(live, 'live keys'), shape, withMap: true };
}

function slotsPoint(slots: number, records: number): Point {
  return { name: named(slots, 'slots'), shape: { ...SLOW, threads: 2, slots: slots / 2, records } };
}

function threadsPoint(threads: number, records: number): Point {
  return {
    name: named(threads, threads === 1 ? 'thread' : 'threads'),
    shape: { ...SLOW, threads, slots: 16, records },
  };
}

function named(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}`;
}

function variant({ name, shape, withMap }: Point): Variant {
  return { name, run: () => measure(shape, withMap === true) };
}

async function measure(shape: Shape, withMap: boolean): Promise<Measures> {
  const through = (what: Through) =>
    runProgram<ScaleResult>('scale', { ...shape, through: what } satisfies ScaleTask, { nodeOptions: NODE_OPTIONS });
  const poller = await through('pipeline');
  const records = await through('queue');
  const map = withMap ? await through('map') : undefined;
  return {
    nsPerRecord: poller.nsPerRecord - records.nsPerRecord,
    recordsNs: records.nsPerRecord,
    mapNs: map === undefined ? null : map.nsPerRecord - records.nsPerRecord,
    memoryMiB: mib(poller.bytes - records.bytes),
    liveKeys: poller.liveKeys,
    inFlight: poller.inFlight,
  };
}

function value(rows: readonly Row[], point: Point | undefined, key: string): number {
  return rows.find(({ name }) => name === point?.name)?.values[key] ?? Number.NaN;
}

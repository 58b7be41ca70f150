/**
 * The offset tracker and the offset map alone, without a broker: what it takes to know which offset may be committed,
 * and how much room it takes to say what above it is complete.
 */
import type { MapResult, MapTask, WindowResult, WindowTask } from '../../peers/tracker.ts';
import { type OffsetPattern, offsetPatterns, PATTERN_OFFSETS } from '../../workload/offset-patterns.ts';
import type { Bench, Findings, Row, Scenario, Variant } from '../bench.ts';
import { codecSizes, whyNoJavaPeer } from '../java-peer.ts';
import { runProgram } from '../run-peer.ts';

/** Outstanding offsets: 1 is in order. */
const WINDOWS = [1, 1_000, 10_000];
const MAP_REPEATS = 500;

export const tracker: Scenario = {
  title: 'register and complete offsets; write and read offset maps',
  broker: false,
  async run(bench: Bench): Promise<Findings> {
    const patterns = offsetPatterns();
    const offsets = bench.sized(2_000_000, 10_000_000);
    const noJava = await whyNoJavaPeer(bench);
    const theirs = noJava === undefined ? await codecSizes(patterns) : undefined;
    const windows = WINDOWS.map((window) => windowVariant(window, offsets));
    const maps = patterns.map((pattern) => mapVariant(pattern, theirs?.[pattern.name]?.characters ?? null));
    const rows = await bench.inTurns([...windows, ...maps]);
    const [windowRows, mapRows] = [rows.slice(0, windows.length), rows.slice(windows.length)];
    return {
      rows,
      columns: [
        { key: 'millionsPerSecond', title: 'M/s of CPU', digits: 1 },
        { key: 'spanMax', title: 'span' },
        { key: 'gatherMs', title: 'gather, ms', digits: 3 },
        { key: 'encodeMs', title: 'encode, ms', digits: 3 },
        { key: 'decodeMs', title: 'decode, ms', digits: 3 },
        { key: 'characters', title: 'characters' },
        { key: 'bytes', title: 'bytes' },
        { key: 'parallelConsumerCharacters', title: 'Parallel Consumer, characters and bytes' },
      ],
      ratios: {
        registerCompleteMillionsPerSecond: Math.min(...valuesOf(windowRows, 'millionsPerSecond')),
        encodeMs: Math.max(...valuesOf(mapRows, 'encodeMs')),
        decodeMs: Math.max(...valuesOf(mapRows, 'decodeMs')),
        commitMs: Math.max(...mapRows.map(({ values }) => (values['gatherMs'] ?? 0) + (values['encodeMs'] ?? 0))),
        ...(theirs !== undefined && {
          charactersVsParallelConsumer: worstShare(mapRows, 'characters'),
          bytesVsParallelConsumer: worstShare(mapRows, 'bytes'),
        }),
      },
      targets: [
        { ratio: 'registerCompleteMillionsPerSecond', atLeast: 10 },
        { ratio: 'encodeMs', atMost: 0.5 },
        { ratio: 'decodeMs', atMost: 0.5 },
      ],
      chart: {
        title: `Offset maps of ${PATTERN_OFFSETS} offsets`,
        axis: "characters of the commit's metadata",
        better: 'less',
        series: [
          { key: 'characters', name: 'Keylane' },
          ...(theirs === undefined ? [] : [{ key: 'parallelConsumerCharacters', name: 'Parallel Consumer' }]),
        ],
        rows: patterns.map(nameOfMap),
      },
      notes: [
        'Each row of each run is a process of its own. To register an offset and complete it counts as one; the ' +
          'committable offset is asked for every 1,000. Out of order, the offsets of a window complete in a random ' +
          'order while those of the next are registered. The ratio is that of the slowest row.',
        `A map is of ${PATTERN_OFFSETS} offsets; its times are medians of ${MAP_REPEATS} in each process. What a ` +
          'commit takes is to gather and to encode (commitMs, the worst). The broker counts characters (4,096 by ' +
          'default), the network carries bytes.',
        theirs === undefined
          ? `Left out: the codec of Parallel Consumer (Java) ${noJava}.`
          : "Parallel Consumer's is the smallest of its encodings in base 64, as it puts it into the metadata: a " +
            `character is a byte there. ${encodingsOf(theirs)} The ratios are those of the worst row.`,
      ],
      promises: [],
    };
  },
};

function windowVariant(window: number, offsets: number): Variant {
  const outstanding = window.toLocaleString('en');
  return {
    name: window === 1 ? 'in order' : `out of order, windows of ${outstanding}`,
    run: async () => ({ ...(await runProgram<WindowResult>('tracker', windowTask(offsets, window))) }),
  };
}

const windowTask = (offsets: number, window: number): WindowTask => ({ kind: 'window', offsets, window });

function mapVariant(pattern: OffsetPattern, parallelConsumerCharacters: number | null): Variant {
  const task: MapTask = { kind: 'map', pattern: pattern.name, repeats: MAP_REPEATS };
  return {
    name: nameOfMap(pattern),
    run: async () => ({ ...(await runProgram<MapResult>('tracker', task)), parallelConsumerCharacters }),
  };
}

function nameOfMap({ name }: OffsetPattern): string {
  return `map: ${name}`;
}

function valuesOf(rows: readonly Row[], key: string): number[] {
  return rows.map(({ values }) => values[key] ?? Number.NaN);
}

/** The most that a map of ours takes of theirs. */
function worstShare(rows: readonly Row[], key: 'characters' | 'bytes'): number {
  return Math.max(
    ...rows.map(({ values }) => (values[key] ?? Number.NaN) / (values['parallelConsumerCharacters'] ?? Number.NaN)),
  );
}

function encodingsOf(sizes: Readonly<Record<string, { readonly encoding: string }>>): string {
  const list = Object.entries(sizes).map(([name, { encoding }]) => `${name}: ${encoding}`);
  return `${list.join('; ')}.`;
}

/**
 * From when a record was due to be sent to when its handler, which does nothing, had ended: at 20, 50 and 80 % of what
 * this machine sustains. 100-byte records, 8 partitions, 10,000 keys by Zipf's law.
 *
 * Capacity comes first, in the same run: a producer process sends as fast as it can while the peer consumes, and the
 * rate is that of all records from the first that came to the last that was handled. Broker, producer and consumer
 * share the machine, and all of their work for all of these records was done in that time: so this is what they can
 * sustain together. A rate measured on a backlog alone would leave the producer's part of the CPU out.
 */
import type { KeySpec } from '../../workload/keys.ts';
import {
  type Bench,
  type Findings,
  type Measures,
  measuresOf,
  type Scenario,
  type Variant,
  valueIn,
} from '../bench.ts';
import { busyNotes } from '../busy-machine.ts';
import { latenessNotes, underLoad, WARM_UP_NOTE } from '../under-load.ts';

const KEYS: KeySpec = { kind: 'zipf', keys: 10_000, exponent: 1, seed: 1 };
const COMMON = { partitions: 8, bytes: 100, keys: KEYS };
/** Shares of capacity, in percent. */
const LOADS = [20, 50, 80] as const;

const KEYLANE = { name: 'Keylane, 1 thread', peer: 'keylane' };
const EACH_MESSAGE = { name: 'eachMessage loop', peer: 'confluent-each-message' };
const WAYS = [KEYLANE, EACH_MESSAGE];
/** What is left for whoever handles records: only its loads are measured, at Keylane's rates. */
const RAW = { name: 'raw client, flowing, no commits', peer: 'raw-flowing' };

type Way = typeof KEYLANE;

const capacityRow = ({ name }: Way) => `${name}, capacity`;
const loadRow = ({ name }: Way, percent: number) => `${name}, ${percent} %`;

export const latency: Scenario = {
  title: 'produce to done, at 20, 50 and 80 % of capacity',
  async run(bench: Bench): Promise<Findings> {
    const busy = busyNotes();
    const capacities = await bench.inTurns(WAYS.map((way) => capacityOf(bench, way)));
    const capacity = (way: Way) => valueIn(capacities, capacityRow(way), 'rate');
    // The same records a second are the fairer comparison; a loop that cannot keep up with them has no latency.
    const isSame = capacity(EACH_MESSAGE) >= capacity(KEYLANE);
    const base = (way: Way) => (isSame || way === RAW ? capacity(KEYLANE) : capacity(way));
    const loads = await bench.inTurns(
      LOADS.flatMap((percent) =>
        [...WAYS, RAW].map((way) => underShare(bench, way, percent, (base(way) * percent) / 100)),
      ),
    );
    const p99 = (percent: number, way = KEYLANE) => valueIn(loads, loadRow(way, percent), 'p99');
    const overRaw = (percent: number) => p99(percent) / p99(percent, RAW);
    return {
      rows: [...capacities, ...loads],
      columns: [
        { key: 'lost', title: 'lost' },
        { key: 'duplicated', title: 'duplicated' },
        { key: 'outOfOrder', title: 'out of order' },
        { key: 'rate', title: 'records/s' },
        { key: 'p50', title: 'p50, ms', digits: 1 },
        { key: 'p99', title: 'p99, ms', digits: 1 },
        { key: 'p999', title: 'p99.9, ms', digits: 1 },
        { key: 'most', title: 'most, ms', digits: 1 },
        { key: 'producerLateMs', title: 'producer late, p99 ms', digits: 1 },
      ],
      ratios: {
        p99At20: p99(20),
        p99At50: p99(50),
        p99At80: p99(80),
        p99At20OverRawClient: overRaw(20),
        p99At50OverRawClient: overRaw(50),
        p99At80OverRawClient: overRaw(80),
        capacityVsEachMessage: capacity(KEYLANE) / capacity(EACH_MESSAGE),
      },
      targets: [
        { ratio: 'p99At50', atMost: 10 },
        { ratio: 'p99At80', atMost: 25 },
      ],
      chart: {
        title: 'Produce to done',
        axis: 'ms',
        better: 'less',
        series: [
          { key: 'p50', name: 'p50' },
          { key: 'p99', name: 'p99' },
          { key: 'p999', name: 'p99.9' },
        ],
        rows: loads.map(({ name }) => name),
        logarithmic: true,
      },
      notes: [
        'Capacity is measured with the producer and the broker on the same machine; loads are shares of it.',
        isSame
          ? "Both are at the same rates: shares of Keylane's capacity, which the eachMessage loop reaches as well."
          : "The eachMessage loop does not reach Keylane's capacity: its loads are shares of its own, fewer records/s.",
        "The raw client has Keylane's rates: what its latency comes to is the producer's, the broker's and the client's.",
        WARM_UP_NOTE,
        ...busy,
        ...latenessNotes(loads),
      ],
      promises: WAYS.flatMap((way) => [capacityRow(way), ...LOADS.map((percent) => loadRow(way, percent))]),
    };
  },
};

function capacityOf(bench: Bench, way: Way): Variant {
  const records = bench.sized(300_000, 1_000_000);
  return {
    name: capacityRow(way),
    run: async () => {
      const { result } = await underLoad(bench, way.peer, { ...COMMON, records, recordsPerSecond: null }, {});
      return measuresOf(result);
    },
  };
}

function underShare(bench: Bench, way: Way, percent: number, recordsPerSecond: number): Variant {
  const seconds = bench.sized(5, 20);
  return {
    name: loadRow(way, percent),
    run: async (): Promise<Measures> => {
      const records = Math.round(recordsPerSecond * seconds);
      const { result, latency, producerLateMs } = await underLoad(
        bench,
        way.peer,
        { ...COMMON, records, recordsPerSecond },
        {},
      );
      const { p50, p99, p999, most } = latency;
      return { ...measuresOf(result), p50, p99, p999, most, producerLateMs };
    },
  };
}

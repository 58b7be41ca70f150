/**
 * Whether a slow partition starves a fast one beside it: records a second of the fast one, alone and beside the slow
 * one, over a fixed time. Both have more records than that time suffices for.
 */
import type { Job } from '../../workload/job.ts';
import {
  type Bench,
  type Findings,
  type Measures,
  type Scenario,
  type Topic,
  type Variant,
  valueIn,
} from '../bench.ts';

const FAST_MS = 5;
const SLOW_MS = 500;
const CONCURRENCY = 16;
/** More than any way handles in the time. */
const FAST_RECORDS_PER_SECOND = (CONCURRENCY * 1_000) / FAST_MS;
/** A backlog that fills every buffer which the partitions share. */
const SLOW_RECORDS = 20_000;
const RECORD_BYTES = 100;
/** Of each partition: together as many as there are places for handlers. */
const FEW_KEYS = CONCURRENCY / 2;
/** Of each partition: the slow one alone could take every place. */
const MANY_KEYS = 100;

const PARTITION = 'Keylane, partition order';
const KEY = `Keylane, key order, ${FEW_KEYS} keys a partition`;
const KEY_MANY = `Keylane, key order, ${MANY_KEYS} keys a partition`;
const EACH_MESSAGE = 'KafkaJS-style eachMessage, 2 partitions at once';

export const starvation: Scenario = {
  title: `a partition with a handler of ${FAST_MS} ms beside one of ${SLOW_MS} ms`,
  async run(bench: Bench): Promise<Findings> {
    const windowMs = bench.sized(5_000, 20_000);
    const few = await topicsOf(bench, windowMs, FEW_KEYS);
    const many = await topicsOf(bench, windowMs, MANY_KEYS);
    const variant = (name: string, peer: string, topics: Topics, more: Partial<Job>): Variant => ({
      name,
      run: () => measure(bench, peer, topics, { concurrency: CONCURRENCY, ...more }, windowMs),
    });
    const rows = await bench.inTurns([
      variant(PARTITION, 'keylane', few, { ordering: 'partition' }),
      variant(KEY, 'keylane', few, { ordering: 'key' }),
      variant(KEY_MANY, 'keylane', many, { ordering: 'key' }),
      variant(EACH_MESSAGE, 'confluent-each-message', few, { concurrency: 2 }),
    ]);
    const slowOfPossible = (name: string) => valueIn(rows, name, 'slowHandled') / (windowMs / SLOW_MS);
    const besideOverAlone = (name: string) => valueIn(rows, name, 'besideRate') / valueIn(rows, name, 'aloneRate');
    return {
      rows,
      columns: [
        { key: 'duplicated', title: 'duplicated' },
        { key: 'outOfOrder', title: 'out of order' },
        { key: 'aloneRate', title: 'fast one alone, records/s' },
        { key: 'besideRate', title: 'beside the slow one, records/s' },
        { key: 'slowHandled', title: 'slow records handled' },
      ],
      ratios: {
        fastBesideSlow: Math.min(besideOverAlone(PARTITION), besideOverAlone(KEY)),
        fastBesideSlowPartitionOrder: besideOverAlone(PARTITION),
        fastBesideSlowKeyOrder: besideOverAlone(KEY),
        fastBesideSlowManyKeys: besideOverAlone(KEY_MANY),
        fastBesideSlowEachMessage: besideOverAlone(EACH_MESSAGE),
        slowBesideFastPartitionOrder: slowOfPossible(PARTITION),
        slowBesideFastEachMessage: slowOfPossible(EACH_MESSAGE),
      },
      targets: [{ ratio: 'fastBesideSlow', atLeast: 0.95 }],
      chart: {
        title: 'The fast partition, alone and beside a slow one',
        axis: 'records/s',
        better: 'more',
        series: [
          { key: 'aloneRate', name: 'alone' },
          { key: 'besideRate', name: 'beside the slow one' },
        ],
        logarithmic: true,
      },
      notes: [
        `Measured for ${windowMs / 1_000} s from the first record on. Lost records cannot be told of a run that ends before ` +
          'its records do; one that was left out shows as out of order.',
        'eachMessage works off what was fetched of one partition before it takes up the other: which of the two it starves ' +
          'is chance, so look at the slow records as well.',
        `With ${FEW_KEYS} keys a partition, both have a place for each of their keys. With ${MANY_KEYS}, the slow one could ` +
          `take all ${CONCURRENCY} places: what the fast one then gets is how fairly they are shared.`,
      ],
      promises: [PARTITION, KEY, KEY_MANY],
    };
  },
};

/** Two topics of two partitions: one with the fast partition filled, one with both. Fast records come first. */
interface Topics {
  readonly alone: Topic;
  readonly beside: Topic;
  readonly fastRecords: number;
}

async function topicsOf(bench: Bench, windowMs: number, keys: number): Promise<Topics> {
  const fastRecords = (FAST_RECORDS_PER_SECOND * windowMs) / 1_000;
  const isFast = (index: number) => index < fastRecords;
  const topic = (records: number) =>
    bench.topic({
      partitions: 2,
      records,
      bytes: RECORD_BYTES,
      key: (index) => (isFast(index) ? 0 : keys) + (index % keys),
      partition: (index) => (isFast(index) ? 0 : 1),
      workUs: (index) => (isFast(index) ? FAST_MS : SLOW_MS) * 1_000,
    });
  return { alone: await topic(fastRecords), beside: await topic(fastRecords + SLOW_RECORDS), fastRecords };
}

async function measure(
  bench: Bench,
  peer: string,
  { alone, beside, fastRecords }: Topics,
  more: Partial<Job>,
  windowMs: number,
): Promise<Measures> {
  const window = { ms: windowMs, countedRecords: fastRecords };
  const run = (topic: Topic) => bench.peer(peer, bench.job(topic, { work: 'wait', window, ...more }));
  const [withoutSlow, withSlow] = [await run(alone), await run(beside)];
  return {
    duplicated: withoutSlow.duplicated + withSlow.duplicated,
    outOfOrder: withoutSlow.outOfOrder + withSlow.outOfOrder,
    aloneRate: withoutSlow.rate,
    besideRate: withSlow.rate,
    slowHandled: withSlow.completed - Math.round(withSlow.rate * withSlow.seconds),
  };
}

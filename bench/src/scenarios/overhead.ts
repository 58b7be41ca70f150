/**
 * What each way costs when the handler does nothing: 100-byte records, 8 partitions, 10,000 keys.
 */
import { FETCH_DEFAULTS } from '../../../packages/keylane/src/poller/confluent-client.ts';
import type { Job } from '../../workload/job.ts';
import {
  type Bench,
  type Column,
  type Findings,
  measuresOf,
  type Row,
  type Scenario,
  type Target,
  type Topic,
  type Variant,
  valueIn,
} from '../bench.ts';
import { whyNoJavaPeer } from '../java-peer.ts';
import { WITH_JEMALLOC, whyNoJemalloc } from '../jemalloc.ts';
import { whyNoNewerNode } from '../newer-node.ts';
import type { RunOptions } from '../run-peer.ts';

const RAW = 'raw client, consume(1000)';
const TUNED = 'raw client, with our fetch settings';
const ONE = 'Keylane, 1 thread';
const TWO = 'Keylane, 2 threads';
const RAW_JEMALLOC = 'raw client, with our fetch settings and jemalloc';
const ONE_JEMALLOC = 'Keylane, 1 thread, with jemalloc';
const UNSAFE = 'unsafe: loses records (commits what it polled)';
const EACH_BATCH = 'KafkaJS-style eachBatch';
const EACH_MESSAGE = 'KafkaJS-style eachMessage';
const KAFKAJS = 'kafkajs, eachMessage';
const PLATFORMATIC = '@platformatic/kafka, unsafe: loses records (commits what it fetched)';
const PROCESSES = 'process per partition, 2 processes';
const PISCINA_RUN = 'piscina.run per record, 1 thread';
const PARALLEL_CONSUMER_KEY = 'Parallel Consumer (Java), key order';
const PARALLEL_CONSUMER_UNORDERED = 'Parallel Consumer (Java), unordered';

const RECORD_BYTES = 100;
const PARTITIONS = 8;
const KEYS = 10_000;
/** Of the records, before CPU counts. */
const WARM_UP_SHARE = 0.2;

const COLUMNS: readonly Column[] = [
  { key: 'lost', title: 'lost' },
  { key: 'duplicated', title: 'duplicated' },
  { key: 'outOfOrder', title: 'out of order' },
  { key: 'rate', title: 'records/s' },
  { key: 'cpuUsPerRecord', title: 'CPU, µs/record', digits: 2 },
  { key: 'mainUsPerRecord', title: 'main thread, µs/record', digits: 2 },
  { key: 'rssMaxMiB', title: 'peak RSS, MiB' },
];

const TARGETS: readonly Target[] = [
  { ratio: 'vsRawClient', atLeast: 0.92 },
  { ratio: 'vsRawClientTwoThreads', atLeast: 0.92 },
  { ratio: 'frameworkUsPerRecord', atMost: 1 },
  { ratio: 'vsPiscinaRun', atLeast: 5 },
];
const JAVA_TARGETS: readonly Target[] = [
  { ratio: 'vsParallelConsumerKey', atLeast: 4 },
  { ratio: 'vsParallelConsumerUnordered', atLeast: 3 },
];

/** Why peers that need what is not everywhere are left out, or `undefined` where they run. */
interface LeftOut {
  readonly jemalloc: string | undefined;
  readonly java: string | undefined;
  readonly platformatic: string | undefined;
}

interface Topics {
  readonly large: Topic;
  /** For the slower peers. */
  readonly small: Topic;
}

export const overhead: Scenario = {
  title: 'a handler that does nothing',
  async run(bench: Bench): Promise<Findings> {
    const topics: Topics = {
      large: await topicOf(bench, bench.sized(600_000, 2_000_000)),
      small: await topicOf(bench, bench.sized(100_000, 300_000)),
    };
    const leftOut: LeftOut = {
      jemalloc: whyNoJemalloc(),
      java: await whyNoJavaPeer(bench),
      platformatic: await whyNoNewerNode(),
    };
    const rows = await bench.inTurns(variantsOf(bench, topics, leftOut));
    return {
      rows,
      columns: COLUMNS,
      ratios: ratiosOf(rows, leftOut),
      targets: [...TARGETS, ...(leftOut.java === undefined ? JAVA_TARGETS : [])],
      chart: {
        title: 'A handler that does nothing',
        axis: 'records/s',
        series: [{ key: 'rate', name: 'records/s' }],
        // Another allocator is a condition of its own: with it nobody is compared who does without.
        rows: rows.map(({ name }) => name).filter((name) => !name.endsWith('jemalloc')),
        better: 'more',
      },
      notes: [
        `Rows of the raw client and of Keylane, and the unsafe one: ${topics.large.records} records; the slower ones: ${topics.small.records}.`,
        ...(leftOut.jemalloc === undefined ? [] : [`Left out: jemalloc ${leftOut.jemalloc}.`]),
        ...(leftOut.platformatic === undefined ? [] : [`Left out: ${PLATFORMATIC} ${leftOut.platformatic}.`]),
        ...(leftOut.java === undefined ? [] : [`Left out: Parallel Consumer (Java) ${leftOut.java}.`]),
      ],
      promises: [ONE, TWO, ...(leftOut.jemalloc === undefined ? [ONE_JEMALLOC] : [])],
    };
  },
};

function topicOf(bench: Bench, records: number): Promise<Topic> {
  return bench.topic({ partitions: PARTITIONS, records, bytes: RECORD_BYTES, key: (index) => index % KEYS });
}

function variantsOf(bench: Bench, { large, small }: Topics, leftOut: LeftOut): Variant[] {
  const variant = (
    name: string,
    peer: string,
    topic: Topic,
    more: Partial<Job> = {},
    options?: RunOptions,
  ): Variant => ({
    name,
    run: async () => {
      const job = bench.job(topic, { warmUpRecords: topic.records * WARM_UP_SHARE, ...more });
      return measuresOf(await bench.peer(peer, job, options));
    },
  });
  return [
    variant(RAW, 'raw-client', large),
    variant(TUNED, 'raw-client', large, { kafka: FETCH_DEFAULTS }),
    variant(ONE, 'keylane', large, { threads: 1 }),
    variant(TWO, 'keylane', large, { threads: 2 }),
    ...(leftOut.jemalloc === undefined
      ? [
          variant(RAW_JEMALLOC, 'raw-client', large, { kafka: FETCH_DEFAULTS }, { env: WITH_JEMALLOC }),
          variant(ONE_JEMALLOC, 'keylane', large, { threads: 1 }, { env: WITH_JEMALLOC }),
        ]
      : []),
    variant(UNSAFE, 'unsafe-commit', large),
    variant(EACH_BATCH, 'confluent-each-batch', small),
    variant(EACH_MESSAGE, 'confluent-each-message', small),
    variant(KAFKAJS, 'kafkajs', small),
    ...(leftOut.platformatic === undefined ? [variant(PLATFORMATIC, 'platformatic', small)] : []),
    variant(PROCESSES, 'process-per-partition', small, { threads: 2 }),
    variant(PISCINA_RUN, 'piscina-run', small, { threads: 1, ordering: 'unordered' }),
    ...(leftOut.java === undefined
      ? [
          variant(PARALLEL_CONSUMER_KEY, 'parallel-consumer', small, { ordering: 'key' }),
          variant(PARALLEL_CONSUMER_UNORDERED, 'parallel-consumer', small, { ordering: 'unordered' }),
        ]
      : []),
  ];
}

function ratiosOf(rows: readonly Row[], leftOut: LeftOut): Record<string, number> {
  const rate = (name: string) => valueIn(rows, name, 'rate');
  return {
    vsRawClient: rate(ONE) / rate(RAW),
    vsRawClientTwoThreads: rate(TWO) / rate(RAW),
    vsRawClientTuned: rate(ONE) / rate(TUNED),
    vsRawClientTunedTwoThreads: rate(TWO) / rate(TUNED),
    vsEachBatch: rate(ONE) / rate(EACH_BATCH),
    vsEachMessage: rate(ONE) / rate(EACH_MESSAGE),
    vsKafkajs: rate(ONE) / rate(KAFKAJS),
    vsPiscinaRun: rate(ONE) / rate(PISCINA_RUN),
    ...(leftOut.java === undefined && {
      vsParallelConsumerKey: rate(ONE) / rate(PARALLEL_CONSUMER_KEY),
      vsParallelConsumerUnordered: rate(ONE) / rate(PARALLEL_CONSUMER_UNORDERED),
    }),
    ...(leftOut.jemalloc === undefined && {
      withJemallocOverWithout: rate(ONE_JEMALLOC) / rate(ONE),
      vsRawClientBothJemalloc: rate(ONE_JEMALLOC) / rate(RAW_JEMALLOC),
    }),
    frameworkUsPerRecord: valueIn(rows, ONE, 'mainUsPerRecord') - valueIn(rows, TUNED, 'mainUsPerRecord'),
  };
}

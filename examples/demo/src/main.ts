/**
 * The main job in one program: produce orders with keys of uneven weight, consume them with 1, 2, 4 … threads, and
 * check afterwards that nothing was lost, nothing ran out of order and everything is committed.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import {
  AtLeastOnce,
  type Cluster,
  connectCluster,
  KeyOrder,
  OneAtATimePerKey,
  type ProducedRecord,
  SharedLog,
  startEmbeddedBroker,
} from '@keylane/testing';
import Table from 'cli-table3';
import { Command, InvalidArgumentError } from 'commander';
import { startConsumer } from 'keylane';
import { checkSignature, type DemoData } from './price-order.ts';
import { ProgressLine } from './progress.ts';

interface Options {
  readonly records: number;
  readonly keys: number;
  readonly rounds: number;
  readonly threads: readonly number[];
  readonly workMs: number;
  readonly json: boolean;
}

interface Run {
  readonly threads: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly orderViolations: number;
  readonly committedToEnd: boolean;
}

const positive = (text: string): number => {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError('It must be a number above 0.');
  return number;
};

const program = new Command('npm run demo --')
  .description('Consumes the same orders with more and more threads, on an embedded broker or your own cluster.')
  .option('--records <count>', 'orders to produce', positive, 2_500)
  .option('--keys <count>', 'customers they belong to, of uneven weight', positive, 300)
  .option(
    '--threads <list>',
    'thread counts to compare, such as 1,2,4',
    (text) => text.split(',').map(positive),
    threadCounts(),
  )
  .option('--rounds <count>', 'how often each thread count takes its turn; the median counts', positive, 3)
  .option('--work-ms <ms>', 'computing per order, in milliseconds', positive, 1)
  .option('--json', 'end with one line of JSON on standard output', false)
  .addHelpText(
    'after',
    `
Examples:
  npm run demo                                   the whole comparison on an embedded broker
  npm run demo -- --threads 1,8 --work-ms 5      heavier orders
  KAFKA_BROKERS=localhost:9092 npm run demo      on your own cluster, in a topic it creates and deletes`,
  );

/** 1, 2, 4 … up to the first that uses every CPU, and 4 at least. */
function threadCounts(): number[] {
  const counts = [1, 2, 4];
  while ((counts.at(-1) as number) < availableParallelism()) counts.push((counts.at(-1) as number) * 2);
  return counts;
}

async function main(options: Options): Promise<boolean> {
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const own = process.env['KAFKA_BROKERS'];
  await using broker = own === undefined ? await startEmbeddedBroker() : undefined;
  const servers = own ?? (broker as { bootstrapServers: string }).bootstrapServers;
  await using cluster = await connectCluster(servers);
  const topic = own === undefined ? 'orders' : `keylane-demo-${randomUUID().slice(0, 8)}`;
  if (own !== undefined) await cluster.createTopic(topic, 8);
  try {
    say(
      `\n  ${own === undefined ? 'An embedded broker' : servers}: producing ${options.records} orders of ${options.keys} customers`,
    );
    const produced = await cluster.produce(orders(topic, options));
    const rounds = roundsFor(options.workMs);
    // On the embedded broker the newer group protocol joins at once; your own cluster may not have it.
    const kafka = own === undefined ? { 'group.protocol': 'consumer' } : {};
    const runs: Run[] = [];
    // In turns, since the speed of a machine that others use changes from one moment to the next.
    for (let round = 0; round < options.rounds; round += 1) {
      for (const threads of options.threads) {
        runs.push(await consume({ cluster, servers, topic, produced, rounds, threads, kafka }));
      }
    }
    report(summarise(runs), options, say);
    return runs.every(
      ({ lost, orderViolations, committedToEnd }) => lost === 0 && orderViolations === 0 && committedToEnd,
    );
  } finally {
    if (own !== undefined) await cluster.deleteTopic(topic);
  }
}

/** Orders of customers of uneven weight: the first of 300 orders about 17 times as often as the last. */
function* orders(topic: string, { records, keys }: Options) {
  const weights = Array.from({ length: keys }, (_, rank) => 1 / Math.sqrt(rank + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (let order = 0; order < records; order += 1) {
    let left = Math.random() * total;
    let customer = 0;
    while (customer < keys - 1 && left > (weights[customer] as number)) {
      left -= weights[customer] as number;
      customer += 1;
    }
    yield {
      topic,
      key: `customer-${customer}`,
      value: JSON.stringify({ order, amount: Math.round(Math.random() * 10_000) }),
    };
  }
}

/** How much work takes `workMs` on this machine. */
function roundsFor(workMs: number): number {
  const sample = 2_000;
  for (let warmUp = 0; warmUp < 20; warmUp += 1) checkSignature(null, sample);
  const start = performance.now();
  for (let turn = 0; turn < 50; turn += 1) checkSignature(null, sample);
  return Math.max(1, Math.round((sample * 50 * workMs) / (performance.now() - start)));
}

interface Consumption {
  readonly cluster: Cluster;
  readonly servers: string;
  readonly topic: string;
  readonly produced: readonly ProducedRecord[];
  readonly rounds: number;
  readonly threads: number;
  readonly kafka: Readonly<Record<string, unknown>>;
}

/** Consumes everything once with so many threads, from the first record handled to the last. */
async function consume({ cluster, servers, topic, produced, rounds, threads, kafka }: Consumption): Promise<Run> {
  const log = new SharedLog(produced.length * 4);
  const group = `keylane-demo-${randomUUID().slice(0, 8)}`;
  const progress = new ProgressLine(`${threads} thread${threads > 1 ? 's' : ''}`, produced.length);
  const consumer = await startConsumer({
    kafka: {
      'bootstrap.servers': servers,
      'group.id': group,
      'auto.offset.reset': 'earliest',
      'statistics.interval.ms': 500,
      ...kafka,
    },
    topics: [topic],
    handler: new URL('./price-order.js', import.meta.url),
    handlerData: { log: log.buffer, rounds } satisfies DemoData,
    threads,
  });
  let start = 0;
  while (consumer.snapshot().completed < produced.length) {
    const snapshot = consumer.snapshot();
    if (start === 0 && log.length > 0) start = performance.now();
    progress.show(snapshot, start);
    await Promise.race([consumer.closed, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  const seconds = (performance.now() - start) / 1_000;
  progress.show(consumer.snapshot(), start);
  progress.end();
  await consumer.close();
  const [committed, ends] = [await cluster.committedOffsets(group, topic), await cluster.endOffsets(topic)];
  return {
    threads,
    seconds,
    recordsPerSecond: produced.length / seconds,
    ...check(log, produced),
    committedToEnd: ends.every(
      (end, partition) => committed[partition] === end || (end === 0 && committed[partition] === -1),
    ),
  };
}

function check(
  log: SharedLog,
  produced: readonly ProducedRecord[],
): Pick<Run, 'lost' | 'duplicated' | 'orderViolations'> {
  const laneOf = ({ partition, key }: { partition: number; key: string | null }) => `${partition} ${key}`;
  const [complete, ...order] = [new AtLeastOnce(), new OneAtATimePerKey(laneOf), new KeyOrder(laneOf)];
  const handled = log.entries();
  const all = produced
    .map(({ topic, partition, offset, key }) => ({
      kind: 'produced' as const,
      topic,
      partition,
      offset,
      key: String(key),
    }))
    .sort((a, b) => a.offset - b.offset);
  for (const entry of [...all, ...handled]) for (const guarantee of [complete, ...order]) guarantee.on(entry);
  return {
    lost: complete.violations().length,
    duplicated: Math.max(0, handled.filter(({ kind }) => kind === 'completed').length - produced.length),
    orderViolations: order.reduce((sum, guarantee) => sum + guarantee.violations().length, 0),
  };
}

/** One line per thread count: the median of its times, and all that went wrong in any of its runs. */
function summarise(runs: readonly Run[]): Run[] {
  return [...new Set(runs.map(({ threads }) => threads))].map((threads) => {
    const own = runs.filter((run) => run.threads === threads).sort((a, b) => a.seconds - b.seconds);
    const sum = (count: (run: Run) => number) => own.reduce((total, run) => total + count(run), 0);
    return {
      ...(own[own.length >> 1] as Run),
      lost: sum(({ lost }) => lost),
      duplicated: sum(({ duplicated }) => duplicated),
      orderViolations: sum(({ orderViolations }) => orderViolations),
      committedToEnd: own.every(({ committedToEnd }) => committedToEnd),
    };
  });
}

function report(runs: readonly Run[], { json }: Options, say: (line: string) => void): void {
  const first = runs[0] as Run;
  const table = new Table({
    head: ['threads', 'seconds', 'records/s', 'speed-up', 'order violations', 'lost', 'committed = end'],
    colAligns: ['right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const run of runs) {
    table.push([
      run.threads,
      run.seconds.toFixed(2),
      Math.round(run.recordsPerSecond),
      `${(first.seconds / run.seconds).toFixed(2)} ×`,
      run.orderViolations,
      run.lost,
      run.committedToEnd ? 'yes' : 'NO',
    ]);
  }
  say(
    `\n${table.toString()}\n  This machine has ${availableParallelism()} CPUs: computing cannot get faster than that many threads.\n`,
  );
  if (!json) return;
  const sum = (count: (run: Run) => number) => runs.reduce((total, run) => total + count(run), 0);
  const line = {
    runs: runs.map(({ threads, seconds, recordsPerSecond }) => ({ threads, seconds, recordsPerSecond })),
    lost: sum(({ lost }) => lost),
    duplicated: sum(({ duplicated }) => duplicated),
    orderViolations: sum(({ orderViolations }) => orderViolations),
    committedToEnd: runs.every(({ committedToEnd }) => committedToEnd),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

process.exitCode = (await main(program.parse().opts<Options>())) ? 0 : 1;

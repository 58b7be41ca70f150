/**
 * The benchmarks' command line: picks a broker, runs a scenario's variants in turn, prints medians and ratios.
 */
import { connectCluster, startEmbeddedBroker } from '@keylane/testing';
import Table from 'cli-table3';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { type KafkaBroker, startKafka, whyNoKafka } from '../../scripts/kafka.ts';
import { overhead } from './overhead.ts';
import type { Place, Scenario } from './scenario.ts';
import { SOAK_RECORDS, soak } from './soak.ts';
import { threads } from './threads.ts';

const SCENARIOS: Readonly<Record<string, Scenario>> = { overhead, threads };

const count = (text: string): number => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
};

/** What the soak allows: noise of the allocator, and one fetch more than the budget. */
const RSS_GROWTH_MAX = 1.3;
const HELD_MAX = 1.1;

const program = new Command('npm run bench --')
  .addArgument(new Argument('<scenario>', 'what to measure').choices([...Object.keys(SCENARIOS), 'soak']))
  .option('--runs <count>', 'runs of each variant', count, 3)
  .option('--records <count>', "records to consume; default: the scenario's own", count)
  .option('--json', 'print one JSON document on standard output', false)
  .addHelpText(
    'after',
    `
Examples:
  npm run bench -- overhead --runs 5
  npm run bench -- threads --json
  npm run bench -- soak --records 600000
  KAFKA_BROKERS=localhost:9092 npm run bench -- overhead`,
  );

interface Options {
  readonly runs: number;
  readonly records?: number;
  readonly json: boolean;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] as number;

async function main(name: string, options: Options): Promise<void> {
  const scenario = SCENARIOS[name] as Scenario;
  const records = options.records ?? scenario.records;
  await using broker = await pickBroker();
  await using cluster = await connectCluster(broker.servers);
  const topic = `bench-${name}-${Date.now()}`;
  if (broker.canCreate) await cluster.createTopic(topic, 8);
  say(`${scenario.title}, on ${broker.name}: producing ${records} records`);
  for (let from = 0; from < records; from += 100_000) {
    await cluster.produce(scenario.produce(topic, from, Math.min(records, from + 100_000)));
  }
  const place: Place = { servers: broker.servers, topic, records };
  const rates = new Map(scenario.variants.map(({ name }) => [name, [] as number[]]));
  for (let run = 1; run <= options.runs; run += 1) {
    for (const variant of scenario.variants) {
      const rate = await variant.run(place);
      rates.get(variant.name)?.push(rate);
      say(`run ${run} of ${options.runs}: ${variant.name} ${Math.round(rate)} records/s`);
    }
  }
  if (broker.canCreate) await cluster.deleteTopic(topic);
  const ratios = Object.fromEntries(
    scenario.ratios.map(({ name, of, over }) => [name, median(rates.get(of) ?? []) / median(rates.get(over) ?? [])]),
  );
  const rows = [...rates].map(([variant, all]) => ({
    variant,
    median: median(all),
    least: Math.min(...all),
    most: Math.max(...all),
  }));
  const table = new Table({
    head: ['variant', 'records/s (median)', 'least', 'most'],
    style: { head: [], border: [] },
  });
  for (const row of rows) table.push([row.variant, ...[row.median, row.least, row.most].map(Math.round)]);
  say(table.toString());
  for (const [ratio, value] of Object.entries(ratios)) say(`${ratio}: ${value.toFixed(3)}`);
  if (options.json)
    process.stdout.write(`${JSON.stringify({ scenario: name, broker: broker.name, records, rows, ratios })}\n`);
}

/** Not a rate but memory over time: one run, told by tenths. */
async function mainSoak({ records = SOAK_RECORDS, json }: Options): Promise<void> {
  await using broker = await pickBroker();
  await using cluster = await connectCluster(broker.servers);
  const topic = `bench-soak-${Date.now()}`;
  // Nothing of it is read twice.
  if (broker.canCreate) await cluster.createTopic(topic, 4, { 'retention.bytes': `${64 * 2 ** 20}` });
  say(`${records} records of 500 bytes through a process with a heap of 64 MiB, on ${broker.name}`);
  const { rows, ratios } = await soak({ servers: broker.servers, topic, records }, cluster, say);
  const table = new Table({ head: ['of the run', 'RSS, MiB', 'held, MiB'], style: { head: [], border: [] } });
  for (const { share, rssMiB, bufferedMiB } of rows) table.push([share, rssMiB, bufferedMiB]);
  say(table.toString());
  for (const [ratio, value] of Object.entries(ratios)) say(`${ratio}: ${value.toFixed(3)}`);
  if (json)
    process.stdout.write(`${JSON.stringify({ scenario: 'soak', broker: broker.name, records, rows, ratios })}\n`);
  if (ratios.endOverWarm > RSS_GROWTH_MAX || ratios.bufferedOverBudget > HELD_MAX) {
    say(`memory did not stay where it was: at most ${RSS_GROWTH_MAX} and ${HELD_MAX} are allowed`);
    process.exitCode = 3;
  }
}

interface PickedBroker extends AsyncDisposable {
  readonly name: string;
  readonly servers: string;
  readonly canCreate: boolean;
}

async function pickBroker(): Promise<PickedBroker> {
  const given = process.env['KAFKA_BROKERS'];
  if (given !== undefined) return picked(given, given, true);
  if ((await whyNoKafka()) === undefined) {
    const kafka: KafkaBroker = await startKafka(say);
    return picked('a real Kafka of its own', kafka.bootstrapServers, true, () => kafka.close());
  }
  const embedded = await startEmbeddedBroker();
  return picked('the embedded broker', embedded.bootstrapServers, false, () => embedded.close());
}

function picked(name: string, servers: string, canCreate: boolean, close = async () => {}): PickedBroker {
  return { name, servers, canCreate, [Symbol.asyncDispose]: close };
}

program.action((name: string, options: Options) => (name === 'soak' ? mainSoak(options) : main(name, options)));
await program.parseAsync();

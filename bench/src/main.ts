/**
 * The benchmarks' command line: picks a broker, runs scenarios, prints tables, writes results.
 */
import { connectCluster, startEmbeddedBroker } from '@keylane/testing';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { KAFKA_VERSION, type KafkaBroker, startKafka, whyNoKafka } from '../../scripts/kafka.ts';
import { Bench, type Scenario, type Size } from './bench.ts';
import { brokenPromises } from './judge.ts';
import { writePage } from './page.ts';
import { Progress } from './progress.ts';
import { type MeasuredOn, printFindings, resultOf, writeResult } from './report.ts';
import { hotKey } from './scenarios/hot-key.ts';
import { latency } from './scenarios/latency.ts';
import { memory } from './scenarios/memory.ts';
import { ordering } from './scenarios/ordering.ts';
import { overhead } from './scenarios/overhead.ts';
import { scale } from './scenarios/scale.ts';
import { soak } from './scenarios/soak.ts';
import { starvation } from './scenarios/starvation.ts';
import { threads as threadsScenario } from './scenarios/threads.ts';
import { tracker } from './scenarios/tracker.ts';

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'hot-key': hotKey,
  latency,
  memory,
  ordering,
  overhead,
  scale,
  soak,
  starvation,
  threads: threadsScenario,
  tracker,
};

const count = (text: string): number => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
};

const counts = (text: string): number[] => text.split(',').map(count);

const program = new Command('npm run bench --')
  .description('Measures Keylane beside its peers, all of them really running, in turns.')
  .addArgument(new Argument('<scenario>', 'what to measure').choices(Object.keys(SCENARIOS)))
  .option('--quick', 'small sizes: a scenario within about a minute (the default)')
  .addOption(new Option('--full', 'the sizes of bench/README.md, and more runs').conflicts('quick'))
  .option('--runs <count>', 'runs of each variant; default 3, and 5 with --full', count)
  .option('--records <count>', 'records to consume (scenario soak)', count)
  .option('--json', 'print one JSON document on standard output', false)
  .option('--threads <list>', 'numbers of threads to measure beside 1 and 2, as 1,2,4 (scenario threads)', counts)
  .option('--no-java', 'leave out the peer in Java')
  .addHelpText(
    'after',
    `
Examples:
  npm run bench -- overhead
  npm run bench -- soak --records 400000
  npm run bench -- threads --full
  npm run bench -- threads --threads 1,2,4
  npm run bench -- ordering --no-java --json > ordering.json
  KAFKA_BROKERS=localhost:9092 npm run bench -- overhead`,
  );

interface Options {
  readonly full?: true;
  readonly runs?: number;
  readonly records?: number;
  readonly json: boolean;
  readonly java: boolean;
  readonly threads?: readonly number[];
}

async function main(name: string, { full, runs, records, json, java, threads }: Options): Promise<void> {
  const scenario = SCENARIOS[name] as Scenario;
  const size: Size = full ? 'full' : 'quick';
  const progress = new Progress(`${name}: ${scenario.title}`);
  await using broker = scenario.broker === false ? undefined : await pickBroker((line) => progress.say(line));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void giveUp(broker));
  await using cluster = broker && (await connectCluster(broker.servers));
  const bench = new Bench({
    size,
    runs: runs ?? (full ? 5 : (scenario.quickRuns ?? 3)),
    records,
    java,
    threads,
    progress,
    place: broker && cluster && { servers: broker.servers, cluster, real: broker.real },
  });
  const findings = await scenario.run(bench);
  progress.end();
  const result = await resultOf(name, scenario, bench, broker ?? { name: 'no broker' }, findings);
  printFindings(result);
  await writeResult(result);
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  const broken = brokenPromises(findings);
  for (const promise of broken) process.stderr.write(`broken: ${promise}\n`);
  if (broken.length > 0) process.exitCode = 3;
}

/** Leaves neither the broker nor its data behind; peers end with this process. */
async function giveUp(broker: PickedBroker | undefined): Promise<void> {
  await broker?.[Symbol.asyncDispose]();
  process.exit(1);
}

interface PickedBroker extends MeasuredOn, AsyncDisposable {
  readonly servers: string;
  readonly real: boolean;
}

async function pickBroker(say: (line: string) => void): Promise<PickedBroker> {
  const given = process.env['KAFKA_BROKERS'];
  if (given !== undefined) return picked('the Kafka in KAFKA_BROKERS', given, true);
  if ((await whyNoKafka()) === undefined) {
    const kafka: KafkaBroker = await startKafka(say);
    const own = picked('a real Kafka of its own', kafka.bootstrapServers, true, () => kafka.close());
    return { ...own, version: KAFKA_VERSION };
  }
  const embedded = await startEmbeddedBroker();
  return picked('the embedded broker', embedded.bootstrapServers, false, () => embedded.close());
}

function picked(name: string, servers: string, real: boolean, close = async () => {}): PickedBroker {
  return { name, servers, real, [Symbol.asyncDispose]: close };
}

program
  .command('page')
  .description('write the results of full runs into bench/README.md')
  .action(() => writePage(Object.keys(SCENARIOS)));
program.action(main);
await program.parseAsync();

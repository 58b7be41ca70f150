/**
 * `keylane dlq replay`: a dry run first, then, when somebody said so, the replay.
 */
import type { Command } from 'commander';
import type { FilterFlags } from '../../dlq/filter.ts';
import { Memory, memoryName } from '../../dlq/memory.ts';
import { Targets } from '../../dlq/outgoing.ts';
import { type Plan, planReplay } from '../../dlq/plan.ts';
import { Replay } from '../../dlq/replay.ts';
import { outcomeJson, outcomeLines, planJson, planLines } from '../../dlq/replay-report.ts';
import { Selection, type SelectionFlags } from '../../dlq/selection.ts';
import { CliError, EXIT, UsageError } from '../../errors.ts';
import type { Span } from '../../kafka/client.ts';
import { TransactionalProducer } from '../../kafka/producer.ts';
import type { Terminal } from '../../output/terminal.ts';
import { count } from '../../output/text.ts';
import { type Connection, type ConnectionOptions, connectedTo, withConnectionOptions } from '../connection.ts';
import { parseWhole, withFilterOptions } from './options.ts';

interface ReplayOptions extends ConnectionOptions, FilterFlags {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly to?: string;
  readonly rate?: number;
  readonly limit?: number;
  readonly again?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  $ keylane dlq replay orders-dlt
  $ keylane dlq replay orders-dlt --error PaymentDown --rate 50 --yes
  $ keylane dlq replay orders-dlt --at 3@17 --to orders-retry --yes
  $ keylane dlq replay orders-parked --key customer-4711 --yes

Each record is produced as it was: key, value, own headers and time, to the
partition it came from where that exists. The group keylane-dlq.TOPIC remembers
what was replayed, in the same transaction: a replay that was stopped goes on
when it is started again. Of a park topic the records of a key go in order, and
the command goes on until it has caught up with the end.`;

export function addReplay(dlq: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = dlq
    .command('replay <topic>')
    .description('produce dead letters again; says what it would do, and does it with --yes')
    .option('-y, --yes', 'do it without asking')
    .option('--dry-run', 'only say what it would do')
    .option('--to <topic>', 'produce to this topic (default: the one each came from)')
    .option('--rate <number>', 'no more than so many records a second', parseRate)
    .option('--limit <number>', 'only the first so many', parseWhole('--limit'))
    .option('--again', 'also those that were replayed before')
    .option('--json', 'print one JSON document');
  withFilterOptions(command);
  withConnectionOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(async (topic: string, options: ReplayOptions) => {
      if (options.to === topic) throw new UsageError(`--to ${topic} is the topic that is replayed: name another one`);
      if (options.yes && options.dryRun) throw new UsageError('--yes and --dry-run exclude each other');
      finish(
        await connectedTo(options, memoryName(topic), (connection) => replay(connection, terminal, topic, options)),
      );
    });
}

async function replay(connection: Connection, terminal: Terminal, topic: string, options: ReplayOptions) {
  const { reader } = connection;
  const flags: SelectionFlags = { ...options, again: options.again ?? false, limit: options.limit || Infinity };
  const log = await reader.spans(topic);
  const spans = log.filter(({ partition }) => flags.partition?.includes(partition) ?? true);
  const memory = await trusted(await Memory.load(reader, topic, log), flags, terminal);
  const targets = new Targets(reader);
  const progress = terminal.progress(
    `reading ${topic}`,
    spans.reduce((sum, { from, to }) => sum + to - from, 0),
  );
  const plan = await planReplay(reader, topic, spans, memory, targets, flags, progress.add).finally(progress.stop);
  if (!options.json) terminal.print(...planLines(topic, plan, memory, terminal.columns));
  if (plan.toReplay === 0 || !(await isConfirmed(terminal, plan, options))) {
    if (options.json) terminal.printJson(planJson(topic, plan), 2);
    if (plan.toReplay === 0 || options.dryRun || (terminal.isInteractive && !options.json)) return EXIT.done;
    terminal.note('Nothing was produced: this was the dry run. Add --yes to replay.');
    return EXIT.unconfirmed;
  }
  return perform(connection, terminal, topic, { plan, log, targets, flags }, options);
}

async function perform(
  { settings, reader, timeoutMs }: Connection,
  terminal: Terminal,
  topic: string,
  { plan, log, targets, flags }: { plan: Plan; log: readonly Span[]; targets: Targets; flags: SelectionFlags },
  options: ReplayOptions,
): Promise<number> {
  const stop = stopOnSignals(terminal);
  const producer = await TransactionalProducer.open(settings, memoryName(topic), timeoutMs);
  const progress = terminal.progress('replaying', plan.toReplay);
  const selection = new Selection(flags);
  try {
    // Another replay may have been at work until this one took over.
    const memory = await trusted(await Memory.load(reader, topic, await reader.spans(topic)), flags);
    const running = new Replay(
      reader,
      producer,
      targets,
      selection,
      { memory, log },
      {
        topic,
        flags,
        ...(options.rate !== undefined && { ratePerSecond: options.rate }),
        signal: stop.signal,
        onReplayed: progress.add,
      },
    );
    let failure: CliError | undefined;
    try {
      await running.run(plan.spans);
      if (plan.isParkTopic) await running.catchUp(plan.held);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      failure = error;
    }
    progress.stop();
    const outcome = { plan, running, selection, stopped: stop.signal.aborted, failure };
    if (options.json) terminal.printJson(outcomeJson(topic, outcome), 2);
    else terminal.print(...outcomeLines(topic, outcome));
    if (failure !== undefined) throw failure;
    if (stop.signal.aborted) return EXIT.interrupted;
    return selection.failedAgain.size > 0 ? EXIT.partly : EXIT.done;
  } finally {
    progress.stop();
    stop.end();
    await producer.close();
  }
}

/** What cannot be read is no licence to replay everything, unless told so. */
async function trusted(memory: Memory, { again }: SelectionFlags, terminal?: Terminal): Promise<Memory> {
  if (memory.problem === undefined) return memory;
  if (!again) {
    throw new CliError(
      `${memory.problem}. So nobody knows what was replayed, and nothing was produced. With --again all that is asked ` +
        'for is replayed, and the note begins anew.',
    );
  }
  terminal?.warn(`${memory.problem}; the note of what was replayed begins anew`);
  return memory;
}

async function isConfirmed(terminal: Terminal, plan: Plan, { yes, dryRun, json }: ReplayOptions): Promise<boolean> {
  if (yes || dryRun) return yes ?? false;
  if (json || !terminal.isInteractive) return false;
  if (await terminal.confirm(`Replay ${count(plan.toReplay, 'record')}?`)) return true;
  terminal.print('Nothing was produced.');
  return false;
}

/** The first signal stops after what is under way, the second at once. */
function stopOnSignals(terminal: Terminal): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
    terminal.note('\nstopping after what is under way; once more to stop at once');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    end: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (!(rate > 0)) throw new UsageError(`--rate ${text} is no number of records a second above 0`);
  return rate;
}

/**
 * `keylane dlq list`: what is in a dead-letter or park topic.
 */
import type { Command } from 'commander';
import { at, type Entry, entriesOf, keyOf } from '../../dlq/entry.ts';
import { type FilterFlags, matches } from '../../dlq/filter.ts';
import { Memory, memoryName } from '../../dlq/memory.ts';
import { Summary } from '../../dlq/summary.ts';
import { CliError, EXIT } from '../../errors.ts';
import type { Reader, Span } from '../../kafka/client.ts';
import { type Column, table } from '../../output/table.ts';
import type { Terminal } from '../../output/terminal.ts';
import { bytesLine, oneLine, time } from '../../output/text.ts';
import { type ConnectionOptions, connectedTo, withConnectionOptions } from '../connection.ts';
import { parseWhole, withFilterOptions } from './options.ts';

interface ListOptions extends ConnectionOptions, FilterFlags {
  readonly json?: boolean;
  readonly summary?: boolean;
  readonly limit?: number;
}

const LIMIT = 50;
/** Wide enough for a whole point in time. */
const WIDE_COLUMNS = 110;
/** Of a cell whose terminal has no end. */
const CELL_CHARACTERS_MAX = 500;

const EXAMPLES = `
Examples:
  $ keylane dlq list orders-dlt
  $ keylane dlq list orders-dlt --error 'time|ECONN' --since 2h --not-replayed
  $ keylane dlq list orders-dlt --summary
  $ keylane dlq list orders-dlt --stage deserialize --json | jq -r .origin

--json prints one object a line for each dead letter, in the order of the log.`;

export function addList(dlq: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = dlq
    .command('list <topic>')
    .description('list the dead letters of a topic, the newest last')
    .option(
      '--limit <number>',
      `only the newest so many; 0 for all (default: ${LIMIT}, with --json all)`,
      parseWhole('--limit'),
    )
    .option('--summary', 'only count them, by stage and error')
    .option('--json', 'print JSON: one object a line, or one for --summary');
  withFilterOptions(command).option('--not-replayed', 'was not replayed yet');
  withConnectionOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(async (topic: string, options: ListOptions) => {
      finish(await connectedTo(options, memoryName(topic), ({ reader }) => list(reader, terminal, topic, options)));
    });
}

async function list(reader: Reader, terminal: Terminal, topic: string, options: ListOptions): Promise<number> {
  const spans = (await reader.spans(topic)).filter(({ partition }) => options.partition?.includes(partition) ?? true);
  const memory = await memoryOf(reader, terminal, topic, spans);
  const limit = options.limit ?? (options.json ? 0 : LIMIT);
  const summary = new Summary();
  let newest: Row[] = [];
  const total = spans.reduce((sum, { from, to }) => sum + to - from, 0);
  const progress = terminal.progress(`reading ${topic}`, total);
  for await (const entry of entriesOf(reader, topic, spans, memory, progress.add)) {
    if (!matches(options, entry)) continue;
    summary.add(entry);
    if (options.summary) continue;
    if (options.json && limit === 0) {
      terminal.printJson(toJson(entry, memory));
      continue;
    }
    newest.push({ when: entry.when, shown: options.json ? toJson(entry, memory) : toCells(entry, terminal.columns) });
    // Twice the limit at most is kept.
    if (limit > 0 && newest.length >= limit * 2) newest = newestOf(newest, limit);
  }
  progress.stop();
  const rows = newestOf(newest, limit === 0 ? newest.length : limit);
  if (options.json) {
    if (options.summary) terminal.printJson(summary.toJson(topic));
    else for (const { shown } of rows) terminal.printJson(shown);
    return EXIT.done;
  }
  if (rows.length > 0) print(terminal, rows);
  if (rows.length < summary.total && !options.summary) {
    terminal.print('', `The newest ${rows.length} of ${summary.total.toLocaleString('en')}; --limit 0 shows all.`);
  }
  terminal.print(...(rows.length > 0 ? [''] : []), ...summary.lines(topic, total, terminal.columns));
  return EXIT.done;
}

interface Row {
  readonly when: number;
  readonly shown: unknown;
}

function newestOf(rows: readonly Row[], limit: number): Row[] {
  return [...rows].sort((a, b) => a.when - b.when).slice(Math.max(0, rows.length - limit));
}

/** Listing needs no right to the group that remembers. */
async function memoryOf(reader: Reader, terminal: Terminal, topic: string, spans: readonly Span[]): Promise<Memory> {
  const memory = await Memory.load(reader, topic, spans).catch((error: unknown) => {
    if (!(error instanceof CliError)) throw error;
    return Memory.unreadable(error.message);
  });
  if (memory.problem !== undefined) terminal.warn(`which ones were replayed is not known: ${memory.problem}`);
  return memory;
}

const COLUMNS: readonly Column[] = [
  { heading: 'AT' },
  { heading: 'FAILED' },
  { heading: 'CAME FROM', columnsMin: 12, keepEnd: true },
  { heading: 'STAGE', columnsMin: 8 },
  { heading: 'ERROR', columnsMin: 12 },
  { heading: 'KEY', columnsMin: 8 },
  { heading: 'TRIES', alignRight: true },
  { heading: 'REPLAYED', columnsMin: 5 },
];

function print(terminal: Terminal, rows: readonly Row[]): void {
  const [heading, ...lines] = table(
    COLUMNS,
    rows.map(({ shown }) => shown as string[]),
    terminal.columns,
  );
  terminal.print(terminal.colors.bold(heading ?? ''), ...lines);
}

function toCells(entry: Entry, columns: number): string[] {
  const { record, letter, when, replayed } = entry;
  const whole = time(when);
  const { name, message } = letter?.error ?? {};
  return [
    `${record.partition}@${record.offset}`,
    columns < WIDE_COLUMNS ? whole.slice('2026-'.length, '2026-01-31 08:00'.length) : whole,
    letter === undefined ? '(no dead letter)' : at(letter),
    letter?.parked === 'follows' ? 'follows' : (letter?.stage ?? ''),
    oneLine(
      [name, message]
        .filter((part) => part !== undefined)
        .join(': ')
        .slice(0, CELL_CHARACTERS_MAX),
    ),
    bytesLine(keyOf(entry)).slice(0, CELL_CHARACTERS_MAX),
    letter?.attempts === undefined ? '' : String(letter.attempts),
    replayed ? 'yes' : '',
  ];
}

function toJson(entry: Entry, memory: Memory): Record<string, unknown> {
  const { record, letter, when, replayed } = entry;
  return {
    at: at(record),
    partition: record.partition,
    offset: record.offset,
    failedAt: when < 0 ? null : new Date(when).toISOString(),
    origin: letter === undefined ? null : at(letter),
    format: letter?.format ?? null,
    stage: letter?.stage ?? null,
    error: letter?.error.name ?? null,
    message: letter?.error.message ?? null,
    key: entry.record.key === null && keyOf(entry) === null ? null : bytesLine(keyOf(entry)),
    attempts: letter?.attempts ?? null,
    group: letter?.group ?? null,
    traceId: letter?.traceId ?? null,
    parked: letter?.parked ?? null,
    replayed: memory.problem === undefined ? replayed : null,
  };
}

/**
 * `keylane dlq show`: everything about one dead letter.
 */
import { type Command, Option } from 'commander';
import { at, entryOf, isReleaseNote } from '../../dlq/entry.ts';
import { type Place, parsePlace } from '../../dlq/filter.ts';
import { Memory, memoryName } from '../../dlq/memory.ts';
import { toJson, toLines } from '../../dlq/page.ts';
import { CliError, EXIT, UsageError } from '../../errors.ts';
import type { LogRecord, Reader } from '../../kafka/client.ts';
import type { Terminal } from '../../output/terminal.ts';
import { type ConnectionOptions, connectedTo, withConnectionOptions } from '../connection.ts';

interface ShowOptions extends ConnectionOptions {
  readonly json?: boolean;
  readonly raw?: string;
}

const EXAMPLES = `
Examples:
  $ keylane dlq show orders-dlt 3@17
  $ keylane dlq show 'orders-dlt[3]@17'
  $ keylane dlq show orders-dlt 3@17 --raw value > value.bin
  $ keylane dlq show orders-dlt 3@17 --json | jq .error`;

export function addShow(dlq: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = dlq
    .command('show <topic> [partition@offset]')
    .description('show one dead letter: its failure, headers, key and value')
    .addOption(
      new Option('--raw <part>', 'write only the bytes of key, value or header:NAME, as they are').argParser(parseRaw),
    )
    .option('--json', 'print one JSON document');
  withConnectionOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(async (where: string, place: string | undefined, options: ShowOptions) => {
      const { topic, partition, offset } = parseWhere(where, place);
      const work = ({ reader }: { reader: Reader }) => show(reader, terminal, topic, { partition, offset }, options);
      finish(await connectedTo(options, memoryName(topic), work));
    });
}

async function show(
  reader: Reader,
  terminal: Terminal,
  topic: string,
  place: Place,
  { json, raw }: ShowOptions,
): Promise<number> {
  const spans = await reader.spans(topic);
  const record = await recordAt(reader, topic, place, spans);
  if (raw !== undefined) {
    terminal.printBytes(part(record, raw));
    return EXIT.done;
  }
  const memory = await Memory.load(reader, topic, spans).catch((error: unknown) => {
    if (!(error instanceof CliError)) throw error;
    return Memory.unreadable(error.message);
  });
  const entry = entryOf(record, record.offset, memory.has(record));
  const known = { isMemoryKnown: memory.problem === undefined, isReleaseNote: isReleaseNote(record) };
  if (json) terminal.printJson(toJson(entry, known), 2);
  else terminal.print(...toLines(entry, known, terminal));
  return EXIT.done;
}

async function recordAt(
  reader: Reader,
  topic: string,
  place: Place,
  spans: readonly { from: number; to: number }[],
): Promise<LogRecord> {
  const where = at({ topic, ...place });
  const span = spans[place.partition];
  if (span === undefined) {
    throw new CliError(`there is no ${where}: ${topic} has the partitions 0 to ${spans.length - 1}`);
  }
  if (place.offset < span.from || place.offset >= span.to) {
    const holds = span.from === span.to ? 'that partition is empty' : `the log holds ${span.from} to ${span.to - 1}`;
    throw new CliError(`there is no ${where}: ${holds}`);
  }
  for await (const record of reader.read(topic, { ...place, from: place.offset, to: place.offset + 1 })) return record;
  throw new CliError(`there is no ${where}: that offset holds no record (compacted away, or a transaction's marker)`);
}

function parseWhere(where: string, place: string | undefined): Place & { topic: string } {
  if (place !== undefined) return { topic: where, ...parsePlace(place) };
  const [, topic, partition, offset] = /^(.+)\[(\d+)\]@(\d+)$/.exec(where) ?? [];
  if (topic === undefined) {
    throw new UsageError(`which record of ${where}? Add its PARTITION@OFFSET, such as: keylane dlq show ${where} 3@17`);
  }
  return { topic, partition: Number(partition), offset: Number(offset) };
}

function parseRaw(text: string): string {
  if (text === 'key' || text === 'value' || text.startsWith('header:')) return text;
  throw new UsageError(`--raw ${text} is not one of key, value, header:NAME`);
}

function part(record: LogRecord, raw: string): Buffer {
  if (raw === 'key' || raw === 'value') {
    const bytes = record[raw];
    if (bytes === null) throw new CliError(`${at(record)} has no ${raw}`);
    return bytes;
  }
  const name = raw.slice('header:'.length);
  // Of a name that is repeated the last one counts.
  const header = record.headers.findLast(([known]) => known === name);
  if (header === undefined) {
    const names = [...new Set(record.headers.map(([known]) => known))].join(', ');
    throw new CliError(`${at(record)} has no header ${name}; it has ${names === '' ? 'none' : names}`);
  }
  return header[1];
}

/**
 * One dead letter with all there is to know of it, for a person or as JSON. Pure.
 */
import type { Terminal } from '../output/terminal.ts';
import { bytesLine, count, cut, hexDump, isText, oneLine, printable, time } from '../output/text.ts';
import { at, type Entry, keyOf } from './entry.ts';

/** What its headers do not say. */
export interface Known {
  readonly isMemoryKnown: boolean;
  readonly isReleaseNote: boolean;
}

export interface Look {
  readonly colors: Pick<Terminal['colors'], 'bold' | 'dim' | 'red'>;
  readonly columns: number;
}

type Colors = Look['colors'];

/** Spring's numbers, by the end of the header's name. */
const NUMBERS = /^kafka_dlt-original-(partition|offset|timestamp)$/;
const LABEL_COLUMNS = 11;
const HEADER_COLUMNS_MIN = 20;

export function toLines(entry: Entry, known: Known, { colors, columns }: Look): string[] {
  const { record, letter } = entry;
  const field = (label: string, value: string | undefined) =>
    value === undefined || value === '' ? [] : [`${colors.dim(label.padEnd(LABEL_COLUMNS))}${value}`];
  const title = (text: string) => ['', colors.bold(text)];
  const lines = [colors.bold(at(record))];
  if (known.isReleaseNote) lines.push('This is no dead letter: it says that a parked key goes on.');
  else if (letter === undefined) lines.push('Its headers say nothing of a failure: this is no dead letter.');
  else {
    const parked = letter.parked === 'follows' ? 'follows a record of its key that failed' : letter.parked;
    lines.push(
      ...field('came from', `${at(letter)}${letter.group === undefined ? '' : `  (group ${oneLine(letter.group)})`}`),
      ...field('failed', time(letter.failedAt)),
      ...field('stage', letter.stage && oneLine(letter.stage)),
      ...field('attempts', letter.attempts?.toString()),
      ...field('trace id', letter.traceId && oneLine(letter.traceId)),
      ...field('parked', parked),
      ...field('parked as', letter.parkKey && bytesLine(keyOf(entry))),
    );
  }
  lines.push(
    ...field('record of', time(letter?.timestamp ?? record.timestamp)),
    ...field('replayed', known.isMemoryKnown ? (entry.replayed ? 'yes' : 'no') : 'not known'),
    ...failure(letter, colors, title),
  );
  lines.push(...title(count(record.headers.length, 'header')), ...headerLines(entry, colors, columns));
  lines.push(...title(`key${size(record.key)}`), bytesBlock(record.key));
  lines.push(...title(`value${size(record.value)}`), bytesBlock(record.value));
  return lines;
}

export function toJson(entry: Entry, known: Known): Record<string, unknown> {
  const { record, letter, when, replayed } = entry;
  return {
    at: at(record),
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestamp < 0 ? null : new Date(record.timestamp).toISOString(),
    failedAt: letter === undefined || when < 0 ? null : new Date(when).toISOString(),
    origin:
      letter === undefined
        ? null
        : { topic: letter.topic, partition: letter.partition, offset: letter.offset, group: letter.group ?? null },
    format: letter?.format ?? null,
    stage: letter?.stage ?? null,
    attempts: letter?.attempts ?? null,
    traceId: letter?.traceId ?? null,
    error: letter?.error ?? null,
    evidence: letter?.evidence ?? null,
    parked: letter?.parked ?? null,
    parkKey: letter?.parkKey === undefined ? null : encoded(letter.parkKey),
    replayed: known.isMemoryKnown ? replayed : null,
    headers: record.headers.map(([name, value]) => ({ name, ...encoded(value), ...number(name, value) })),
    key: record.key === null ? null : encoded(record.key),
    value: record.value === null ? null : encoded(record.value),
  };
}

function failure(letter: Entry['letter'], colors: Colors, title: (text: string) => string[]): string[] {
  if (letter === undefined) return [];
  const { name, message, stack } = letter.error;
  const said = [name, message].filter((part) => part !== undefined).join(': ');
  const lines = said === '' && stack === undefined ? [] : title('error');
  // A stack begins with name and text, as a rule.
  if (said !== '' && !(stack?.startsWith(said) ?? false)) lines.push(colors.red(printable(said)));
  if (stack !== undefined) {
    const [first = '', ...rest] = printable(stack).split('\n');
    lines.push(colors.red(first), ...rest);
  }
  if (letter.evidence !== undefined) {
    lines.push(...title('evidence'), printable(JSON.stringify(letter.evidence, undefined, 2)));
  }
  return lines;
}

/** One line each; `--raw header:NAME` has what does not fit. */
function headerLines({ record }: Entry, colors: Colors, columns: number): string[] {
  const width = Math.max(0, ...record.headers.map(([name]) => name.length));
  return record.headers.map(([name, value]) => {
    const decoded = number(name, value);
    const numbers =
      decoded === undefined ? [] : [decoded.number, ...(/timestamp$/.test(name) ? [time(decoded.number)] : [])];
    const bytes = decoded === undefined ? bytesLine(value) : `hex:${value.toString('hex')} `;
    const shown = cut([bytes, ...numbers].join(' = '), Math.max(HEADER_COLUMNS_MIN, columns - width - 2));
    return `${colors.dim(oneLine(name).padEnd(width))}  ${shown}`;
  });
}

/** What a binary header says where it is four or eight bytes, as Spring writes its numbers. */
function number(name: string, value: Buffer): { number: number } | undefined {
  if (!NUMBERS.test(name) && isText(value)) return undefined;
  if (value.length === 4) return { number: value.readInt32BE() };
  if (value.length === 8) return { number: Number(value.readBigInt64BE()) };
  return undefined;
}

function size(bytes: Buffer | null): string {
  return bytes === null ? '' : ` (${count(bytes.length, 'byte')})`;
}

function bytesBlock(bytes: Buffer | null): string {
  if (bytes === null) return '(none)';
  if (!isText(bytes)) return hexDump(bytes);
  const text = bytes.toString();
  try {
    const parsed: unknown = JSON.parse(text);
    // Numbers that JavaScript cannot hold would come out changed.
    if (typeof parsed === 'object' && sameNumbers(text, parsed)) return printable(JSON.stringify(parsed, undefined, 2));
  } catch {
    // No JSON, so it is shown as it is.
  }
  return text === '' ? '(empty)' : printable(text);
}

function sameNumbers(text: string, parsed: unknown): boolean {
  const digits = (json: string) => (json.match(/\d/g) ?? []).length;
  return digits(text) === digits(JSON.stringify(parsed));
}

function encoded(bytes: Buffer): { text: string } | { base64: string } {
  return isText(bytes) ? { text: bytes.toString() } : { base64: bytes.toString('base64') };
}

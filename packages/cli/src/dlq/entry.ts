/**
 * A record of a dead-letter or park topic with what it says of itself, and whether it was replayed.
 */
import { type DeadLetter, KEYLANE_HEADERS, readDeadLetter } from 'keylane/dead-letter';
import type { LogRecord, Reader, Span } from '../kafka/client.ts';
import type { Memory } from './memory.ts';

export interface Entry {
  readonly record: LogRecord;
  /** `undefined` where its headers say nothing of a failure. */
  readonly letter: DeadLetter | undefined;
  /** When it failed; where nobody says, when its record is from. Milliseconds since the epoch. */
  readonly when: number;
  /** Its offset, or that of the hole before it: where the record before it ends. */
  readonly from: number;
  /** Of a parked record: what it must not overtake. */
  readonly lane: string | undefined;
  readonly replayed: boolean;
}

/** Reads spans one after the other; notes in a park topic that a key goes on are left out. */
export async function* entriesOf(
  reader: Reader,
  topic: string,
  spans: readonly Span[],
  memory: Memory,
  onRead: (records: number) => void = () => {},
): AsyncGenerator<Entry> {
  for (const span of spans) {
    let { from } = span;
    for await (const record of reader.read(topic, span)) {
      // Offsets, not records: holes count for the way that is done.
      onRead(record.offset + 1 - from);
      if (isReleaseNote(record)) continue;
      yield entryOf(record, from, memory.has(record));
      from = record.offset + 1;
    }
  }
}

export function entryOf(record: LogRecord, from: number, replayed: boolean): Entry {
  const letter = readDeadLetter(record.headers);
  return { record, letter, when: letter?.failedAt ?? record.timestamp, from, lane: laneOf(letter), replayed };
}

/** Whether this record of a park topic only says that a key was released. */
export function isReleaseNote({ headers }: LogRecord): boolean {
  return headers.some(([name]) => name === KEYLANE_HEADERS.released);
}

/** `topic[partition]@offset`, as every message and header here writes it. */
export function at({ topic, partition, offset }: { topic: string; partition: number; offset: number }): string {
  return `${topic}[${partition}]@${offset}`;
}

/** The key a parked record was ordered by; the record's own for all others. */
export function keyOf({ record, letter }: Entry): Buffer | null {
  return letter?.parked === undefined ? record.key : (letter.parkKey ?? record.key);
}

function laneOf(letter: DeadLetter | undefined): string | undefined {
  if (letter?.parked === undefined) return undefined;
  return `${letter.topic}[${letter.partition}] ${letter.parkKey?.toString('latin1') ?? ''}`;
}

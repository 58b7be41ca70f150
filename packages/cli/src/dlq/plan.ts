/**
 * What a replay would do, found out by reading the topic once: the dry run. Nothing is produced before all of it is
 * known to be possible.
 */
import type { LogRecord, Reader, Span } from '../kafka/client.ts';
import type { OutgoingRecord } from '../kafka/producer.ts';
import { type Entry, entriesOf } from './entry.ts';
import type { Memory } from './memory.ts';
import type { OffsetSet } from './offset-set.ts';
import { outgoing, type Targets } from './outgoing.ts';
import { Selection, type SelectionFlags } from './selection.ts';

/** The records that go from one partition to another. */
export interface Move {
  readonly from: number;
  readonly topic: string;
  /** `undefined` where the key decides. */
  readonly partition: number | undefined;
  records: number;
  readonly first: number;
  last: number;
}

export interface Plan {
  readonly moves: readonly Move[];
  readonly toReplay: number;
  readonly replayedBefore: number;
  /** Records that say nothing of where they came from. */
  readonly withoutOrigin: number;
  readonly isParkTopic: boolean;
  /** Parked keys of which a record was left out: what is parked later must wait for it. */
  readonly held: ReadonlyMap<string, Entry>;
  /** Where each partition's first record to replay is. */
  readonly spans: readonly Span[];
}

export async function planReplay(
  reader: Reader,
  topic: string,
  spans: readonly Span[],
  memory: Memory,
  targets: Targets,
  flags: SelectionFlags,
  onRead: (records: number) => void,
): Promise<Plan> {
  const selection = new Selection(flags);
  const moves = new Map<string, Move>();
  const larger = new Map<number, OffsetSet>();
  const starts = new Map<number, number>();
  const counts = { take: 0, replayed: 0, 'no-origin': 0, held: 0, other: 0 };
  let isParkTopic = false;
  for await (const entry of entriesOf(reader, topic, spans, memory, onRead)) {
    isParkTopic ||= entry.lane !== undefined;
    const choice = selection.choose(entry);
    counts[choice] += 1;
    if (choice === 'held') selection.refuse(entry);
    if (choice !== 'take') continue;
    const { record, from } = entry;
    if (!starts.has(record.partition)) starts.set(record.partition, from);
    const set = larger.get(record.partition) ?? memory.copyOf(record.partition);
    set.add(from, record.offset + 1);
    larger.set(record.partition, set);
    note(moves, record, await outgoing(entry, targets, flags.to));
  }
  memory.assertFits(larger, topic, spans);
  return {
    moves: [...moves.values()],
    toReplay: counts.take,
    replayedBefore: counts.replayed,
    withoutOrigin: counts['no-origin'],
    isParkTopic,
    held: selection.held,
    spans: spans.flatMap((span) => {
      const from = starts.get(span.partition);
      return from === undefined ? [] : [{ ...span, from }];
    }),
  };
}

function note(moves: Map<string, Move>, record: LogRecord, { topic, partition }: OutgoingRecord): void {
  const name = `${record.partition} ${topic} ${partition}`;
  const move = moves.get(name);
  if (move === undefined) {
    const { offset } = record;
    moves.set(name, { from: record.partition, topic, partition, records: 1, first: offset, last: offset });
  } else {
    move.records += 1;
    move.last = record.offset;
  }
}

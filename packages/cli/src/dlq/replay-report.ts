/**
 * What a replay would do, and what it did, for a person or as JSON. Pure.
 */
import { type Column, table } from '../output/table.ts';
import { bytesLine, count, cut } from '../output/text.ts';
import type { Memory } from './memory.ts';
import type { Move, Plan } from './plan.ts';
import type { Replay } from './replay.ts';
import type { Selection } from './selection.ts';

/** Rows and keys that are written out; the rest is counted. */
const SHOWN_MAX = 20;
const KEY_COLUMNS_MAX = 40;

export interface Outcome {
  readonly plan: Plan;
  readonly running: Pick<Replay, 'replayed' | 'keys'>;
  readonly selection: Pick<Selection, 'held' | 'failedAgain'>;
  readonly stopped: boolean;
  readonly failure: Error | undefined;
}

const COLUMNS: readonly Column[] = [
  { heading: 'FROM', columnsMin: 20 },
  { heading: 'TO', columnsMin: 20 },
  { heading: 'RECORDS', alignRight: true },
];

export function planLines(topic: string, plan: Plan, memory: Memory, columns: number): string[] {
  const { moves, toReplay, replayedBefore, withoutOrigin } = plan;
  const lines: string[] = [];
  if (replayedBefore > 0) {
    const [was, them] = replayedBefore === 1 ? ['was', 'it'] : ['were', 'them'];
    lines.push(
      `${count(replayedBefore, 'record')} of ${topic} ${was} replayed before; --again replays ${them} as well.`,
    );
  }
  if (withoutOrigin > 0) {
    lines.push(
      `${count(withoutOrigin, 'record')} of ${topic} left out: no header says where it came from. --to says where to.`,
    );
  }
  if (toReplay === 0) return [...lines, 'There is nothing to replay.'];
  if (!memory.known) {
    lines.push('No replay of this topic is remembered.');
  }
  const rows = moves
    .slice(0, SHOWN_MAX)
    .map((move) => [from(topic, move), to(move), move.records.toLocaleString('en')]);
  const rest = moves.length - SHOWN_MAX;
  return [
    ...lines,
    `${count(toReplay, 'record')} to replay:`,
    '',
    ...table(COLUMNS, rows, columns),
    ...(rest > 0 ? [`and ${count(rest, 'more row')}`] : []),
    '',
  ];
}

export function planJson(topic: string, plan: Plan): Record<string, unknown> {
  return {
    topic,
    toReplay: plan.toReplay,
    replayed: 0,
    replayedBefore: plan.replayedBefore,
    withoutOrigin: plan.withoutOrigin,
    parked: plan.isParkTopic,
    moves: plan.moves.map((move) => ({
      from: topic,
      fromPartition: move.from,
      firstOffset: move.first,
      lastOffset: move.last,
      to: move.topic,
      toPartition: move.partition ?? null,
      records: move.records,
    })),
  };
}

export function outcomeLines(topic: string, { plan, running, selection, stopped, failure }: Outcome): string[] {
  const { replayed, keys } = running;
  const lines = [`${count(replayed, 'record')} replayed.`];
  if (stopped) lines.push('Stopped before the end: the same command goes on from here.');
  if (failure !== undefined) lines.push('What was replayed is noted: the same command goes on from here.');
  if (!plan.isParkTopic) return lines;
  const through = [...keys].filter(([lane]) => !selection.failedAgain.has(lane));
  if (!stopped && failure === undefined && through.length > 0) {
    lines.push(`${count(through.length, 'key')} caught up with the end of ${topic}:`);
    for (const [, { key, records, upTo }] of through.slice(0, SHOWN_MAX)) {
      lines.push(`  ${keyName(key)}: ${count(records, 'record')}, up to ${upTo}`);
    }
    if (through.length > SHOWN_MAX) lines.push(`  and ${count(through.length - SHOWN_MAX, 'more key')}`);
    lines.push('The consumer releases a key when the last of them completes; until then its records are still parked.');
  }
  for (const lane of [...selection.failedAgain].slice(0, SHOWN_MAX)) {
    const entry = selection.held.get(lane);
    const place = `${topic}[${entry?.record.partition}]@${entry?.record.offset}`;
    lines.push(`${keyName(keys.get(lane)?.key ?? null)} failed again and stays parked: ${place}`);
  }
  return lines;
}

export function outcomeJson(topic: string, outcome: Outcome): Record<string, unknown> {
  const { plan, running, selection, stopped, failure } = outcome;
  return {
    ...planJson(topic, plan),
    replayed: running.replayed,
    stopped,
    error: failure?.message ?? null,
    keys: [...running.keys].map(([lane, { key, records, upTo }]) => ({
      key: key === null ? null : bytesLine(key),
      records,
      upTo,
      caughtUp: !stopped && failure === undefined && !selection.failedAgain.has(lane),
    })),
  };
}

function from(topic: string, { from: partition, first, last }: Move): string {
  return `${topic}[${partition}]@${first}${first === last ? '' : `..${last}`}`;
}

function to({ topic, partition }: Move): string {
  return partition === undefined ? `${topic} (by key)` : `${topic}[${partition}]`;
}

function keyName(key: Buffer | null): string {
  return key === null ? '(no key)' : cut(bytesLine(key), KEY_COLUMNS_MAX);
}

/**
 * Why a record completed twice: what became of the first completion, so that its commit did not count.
 */
import type { History, Run, Span } from './history.ts';

export type Cause =
  | 'process killed'
  | 'process frozen past its session'
  | 'drain ran out of time'
  | 'thread ended'
  | 'broker away'
  | 'commit refused'
  | 'partition lost'
  | 'consumer failed'
  | 'above the commit at a handover'
  | 'unexplained';

/** What the broker's absence does shows for a while after it is back. */
const AFTERMATH = 15e9;

/** Why both ran to their end. */
export function explain(one: Run, other: Run, history: History): Cause {
  // By assignment, not by start: a process that came back from a stop may run what its successor already ran.
  const inOrder = (one.assignment?.from ?? 0) <= (other.assignment?.from ?? 0);
  const [first, second] = inOrder ? [one, other] : [other, one];
  const process = history.process(first.who);
  const between = { from: Math.min(first.start, second.start), to: Math.max(first.start, second.start) };
  const away = history.away.some(({ from, to }) => overlap({ from, to: to + AFTERMATH }, between));
  const { assignment } = first;
  if (first.who === second.who && assignment === second.assignment) {
    const exits = process.thread(first.thread).exits;
    if (exits.some((at) => at >= first.end && at <= second.start)) return 'thread ended';
    if (assignment?.haunted !== true) return 'unexplained';
    // The first is what an assignment before this one left behind.
  }
  const before = process.assignments.get(first.partition) ?? [];
  const held = first.leftover && first.assigned ? before[before.indexOf(assignment as never) - 1] : assignment;
  const frozen = process.frozen.some((span) => overlap(span, between));
  const over = held !== undefined && held.to <= second.start;
  if (!over && process.killedAt <= second.start) return 'process killed';
  if (held?.how === 'lost' || !over) {
    if (frozen) return 'process frozen past its session';
    if (process.failedAt <= second.start) return 'consumer failed';
    if (away) return 'broker away';
    if (held?.how === 'lost') return 'partition lost';
    if (held === undefined || process.closingAt > second.start) return 'unexplained';
  }
  if (held.late) return 'drain ran out of time';
  if (held.committed > first.offset) return 'unexplained';
  if (held.refusals.some((at) => at >= first.start)) return away ? 'broker away' : 'commit refused';
  return 'above the commit at a handover';
}

function overlap(one: Span, other: Span): boolean {
  return one.from <= other.to && other.from <= one.to;
}

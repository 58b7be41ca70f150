/**
 * Which dead letters a command is about. Pure.
 */
import { UsageError } from '../errors.ts';
import { type Entry, keyOf } from './entry.ts';

/** The filters as the command line has them; all that are given must match. */
export interface FilterFlags {
  readonly error?: RegExp;
  readonly stage?: string;
  readonly originTopic?: string;
  readonly key?: Buffer;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly until?: number;
  readonly partition?: readonly number[];
  readonly at?: readonly Place[];
  readonly except?: readonly Place[];
  readonly notReplayed?: boolean;
}

/** An offset of the dead-letter topic. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** Whether an entry is meant; whether it was replayed is asked with `notReplayed` only. */
export function matches(flags: FilterFlags, entry: Entry): boolean {
  const { record, letter, when, replayed } = entry;
  const isHere = ({ partition, offset }: Place) => partition === record.partition && offset === record.offset;
  const { error } = flags;
  return (
    (error === undefined || error.test(letter?.error.name ?? '') || error.test(letter?.error.message ?? '')) &&
    (flags.stage === undefined || letter?.stage === flags.stage) &&
    (flags.originTopic === undefined || letter?.topic === flags.originTopic) &&
    (flags.key === undefined || (keyOf(entry)?.equals(flags.key) ?? false)) &&
    (flags.since === undefined || when >= flags.since) &&
    (flags.until === undefined || when < flags.until) &&
    (flags.partition === undefined || flags.partition.includes(record.partition)) &&
    (flags.at === undefined || flags.at.some(isHere)) &&
    !(flags.except?.some(isHere) ?? false) &&
    (flags.notReplayed !== true || !replayed)
  );
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** An ISO time, or how long ago: `90s`, `15m`, `2h`, `3d`. */
export function parseTime(text: string, now: number = Date.now()): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? [];
  const time = amount === undefined ? Date.parse(text) : now - Number(amount) * (UNITS[unit as string] as number);
  if (Number.isNaN(time)) {
    throw new UsageError(
      `${text} is no time: give an ISO one (2026-01-31T08:00:00Z) or how long ago (90s, 15m, 2h, 3d)`,
    );
  }
  return time;
}

/** `PARTITION@OFFSET`. */
export function parsePlace(text: string): Place {
  const [, partition, offset] = /^(\d+)@(\d+)$/.exec(text) ?? [];
  if (partition === undefined) throw new UsageError(`${text} is no PARTITION@OFFSET, such as 3@17`);
  return { partition: Number(partition), offset: Number(offset) };
}

/** Text as it is, or bytes as `hex:00ff`. */
export function parseKey(text: string): Buffer {
  if (!text.startsWith('hex:')) return Buffer.from(text);
  const digits = text.slice(4);
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new UsageError(`${text}: hex: wants pairs of the digits 0 to f`);
  return Buffer.from(digits, 'hex');
}

/** A regular expression that does not look at case; plain words are their own. */
export function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    throw new UsageError(`--error ${text} is no regular expression: ${(error as Error).message}`);
  }
}

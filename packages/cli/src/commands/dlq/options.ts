/**
 * The options that say which dead letters are meant, the same for listing and replaying.
 */
import type { Command } from 'commander';
import { parseKey, parsePattern, parsePlace, parseTime } from '../../dlq/filter.ts';
import { UsageError } from '../../errors.ts';
import { collect } from '../connection.ts';

export function withFilterOptions(command: Command): Command {
  return command
    .optionsGroup('Which ones (all that are given must match):')
    .option(
      '--error <pattern>',
      "the error's name or text matches this regular expression, upper or lower case",
      (text) => parsePattern(text),
    )
    .option('--stage <stage>', 'deserialize, handle, timeout or thread-lost; or as Kafka Connect calls its own')
    .option('--origin-topic <topic>', 'came from this topic')
    .option('--key <key>', 'has exactly this key: text, or hex:00ff', (text) => parseKey(text))
    .option('--since <time>', 'failed at this time or later: 2026-01-31T08:00:00Z, or 2h for two hours ago', (text) =>
      parseTime(text),
    )
    .option('--until <time>', 'failed before this time', (text) => parseTime(text))
    .option(
      '--partition <number>',
      'is in this partition of the topic; may be repeated',
      repeated(parseWhole('--partition')),
    )
    .option('--at <partition@offset>', 'is this very record, such as 3@17; may be repeated', repeated(parsePlace))
    .option('--except <partition@offset>', 'is not this one; may be repeated', repeated(parsePlace));
}

/** A whole number, 0 or more. */
export function parseWhole(option: string): (text: string) => number {
  return (text) => {
    if (!/^\d+$/.test(text)) throw new UsageError(`${option} ${text} is no whole number of 0 or more`);
    return Number(text);
  };
}

function repeated<T>(parse: (text: string) => T): (text: string, before?: readonly T[]) => T[] {
  return (text, before) => collect(parse(text), before);
}

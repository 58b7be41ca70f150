/**
 * Logs written as text, for the tests of the guarantees.
 */
import type { LogEntry } from './log.ts';

/**
 * A log as a line of text, one word for each entry: `+a0` produced with key a at offset 0, `>a0` started, `.a0`
 * completed, `!a0` failed, `~a0` interrupted, `=1` committed at 1, `x1` deleted below 1, `^1` truncated from 1 on, `<1`
 * reset to 1, `*` assigned. A key of `-` is none. `p1/` in front of it means partition 1, `/1` behind it one truncation
 * known.
 */
export function logOf(text: string): LogEntry[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map(entryOf);
}

const KINDS = { '+': 'produced', '>': 'started', '.': 'completed', '!': 'failed', '~': 'interrupted' } as const;

function entryOf(word: string): LogEntry {
  const match = /^(?:p(\d)\/)?([+>.!~=*x^<])([a-z-]?)(\d*)(?:\/(\d))?$/.exec(word);
  if (match === null) throw new Error(`'${word}' is no entry`);
  const [, partition = '0', sign, name, digits, epoch] = match;
  const known = epoch === undefined ? {} : { epoch: Number(epoch) };
  const place = { topic: 't', partition: Number(partition) };
  const offset = Number(digits);
  if (sign === '*') return { ...place, kind: 'assigned' };
  if (sign === '=') return { ...place, ...known, kind: 'committed', offset };
  if (sign === '<') return { ...place, kind: 'reset', offset };
  if (sign === 'x') return { ...place, kind: 'deleted', offset };
  if (sign === '^') return { ...place, kind: 'truncated', offset };
  const key = name === '-' ? null : (name ?? null);
  return { ...place, ...known, kind: KINDS[sign as keyof typeof KINDS], offset, key };
}

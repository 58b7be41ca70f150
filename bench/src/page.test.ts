import { describe, expect, test } from 'vitest';
import { EXAMPLE_FINDINGS, EXAMPLE_RESULT } from './example-findings.ts';
import { BEGIN, END, pageOf } from './page.ts';

const BEFORE = '# Benchmarks\n\nBy hand: ## Results\n\n';
const AFTER = '\n\n## What helped\n\nAlso by hand.\n';
const page = (generated: string): string => `${BEFORE}${BEGIN}${generated}${END}${AFTER}`;

describe('the page', () => {
  const written = pageOf(page('\nwhat was there\n'), [EXAMPLE_RESULT]);

  test('keeps what was written by hand, and nothing that was generated before', () => {
    expect(written.startsWith(`${BEFORE}${BEGIN}\n`)).toBe(true);
    expect(written.endsWith(`\n${END}${AFTER}`)).toBe(true);
    expect(written).not.toContain('what was there');
  });

  test('is the same when it is written again', () => {
    expect(pageOf(written, [EXAMPLE_RESULT])).toBe(written);
  });

  test('has the picture, the table, the targets, the notes, and what it was measured on', () => {
    for (const part of [
      '### `overhead`: a handler that does nothing',
      '![A handler that does nothing](results/overhead.svg)',
      '| raw client, consume(1000)    |    0 | 124,637 ±2 % |',
      '✗ vsRawClient 0.786, at least 0.92 wanted',
      '- another 2',
      'What was left out.',
      'Measured on 2001-02-03 (full, medians of 3 runs) with a real Kafka of its own; 2 CPUs (a CPU), 24 GiB; node 20.0.0',
    ]) {
      expect(written).toContain(part);
    }
  });

  test('says where we lose: targets not reached, and peers that do better', () => {
    const losses = written.slice(written.indexOf('## Where we lose'));
    expect(losses).toContain('- `overhead`: ✗ vsRawClient 0.786');
    expect(losses).toContain(
      '- `overhead`: raw client, consume(1000): 124,637 against 98,000 of Keylane, 1 thread (records/s)',
    );
  });

  test('says so where we lose nothing', () => {
    const rows = EXAMPLE_FINDINGS.rows.filter(({ name }) => name.startsWith('Keylane'));
    const text = pageOf(page(''), [{ ...EXAMPLE_RESULT, rows, targets: [] }]);
    expect(text).toContain('Every target was reached.');
    expect(text).toContain('No peer did better.');
  });

  test('names the scenarios without a full run', () => {
    const text = pageOf(page(''), [], ['threads', 'soak']);
    expect(text).toContain('No full run yet: `threads`, `soak`.');
    expect(text).not.toContain('Every target was reached.');
  });

  test.each([
    ['the first', `${END}`],
    ['the second', `${BEGIN}`],
    ['the right order of both', `${END}${BEGIN}`],
  ])('without %s of its markers is left alone', (_, text) => {
    expect(() => pageOf(text, [])).toThrow('the page must have the lines');
  });
});

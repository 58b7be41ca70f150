import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type Entry, LedgerFile } from './ledger.ts';

const directory = mkdtempSync(join(tmpdir(), 'keylane-ledger-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('what is written is read, as soon as it is, and once', async () => {
  const { ledgerWriter } = (await import(new URL('./app/writer.mjs', import.meta.url).href)) as {
    ledgerWriter: (path: string) => (entry: object) => void;
  };
  const path = join(directory, 'one');
  const ledger = new LedgerFile(path, 'i1', process.hrtime.bigint());
  expect(ledger.read()).toEqual([]);
  const write = ledgerWriter(path);
  write({ kind: 'open', thread: 1 });
  write({ kind: 'end', thread: 1, partition: 2, offset: 3 });
  const read: Entry[] = ledger.read();
  expect(read.map(({ at: _, ...entry }) => entry)).toEqual([
    { who: 'i1', kind: 'open', thread: 1 },
    { who: 'i1', kind: 'end', thread: 1, partition: 2, offset: 3 },
  ]);
  expect(read[0]?.at).toBeGreaterThan(0);
  expect(read[1]?.at).toBeGreaterThanOrEqual(read[0]?.at as number);
  expect(ledger.read()).toEqual([]);
});

test('half a line waits for its other half', () => {
  const path = join(directory, 'two');
  const ledger = new LedgerFile(path, 'i1', 0n);
  appendFileSync(path, '{"at":"5","kind":"op');
  expect(ledger.read()).toEqual([]);
  appendFileSync(path, 'en","thread":0}\n');
  expect(ledger.read()).toEqual([{ at: 5, who: 'i1', kind: 'open', thread: 0 }]);
});

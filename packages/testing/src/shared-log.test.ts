import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogEntry } from './guarantees.ts';
import { SharedLog } from './shared-log.ts';

const place = { topic: 't', partition: 0 };

describe('SharedLog', () => {
  test('keeps every kind of entry, in order', () => {
    const entries: LogEntry[] = [
      { ...place, kind: 'produced', offset: 0, key: 'k' },
      { ...place, kind: 'assigned' },
      { ...place, kind: 'started', offset: 0, key: 'k' },
      { ...place, kind: 'failed', offset: 0, key: 'k' },
      { ...place, kind: 'completed', offset: 0, key: 'k' },
      { ...place, kind: 'interrupted', offset: 0, key: 'k' },
      { ...place, kind: 'committed', offset: 1 },
      { ...place, kind: 'deleted', offset: 1 },
      { ...place, kind: 'truncated', offset: 1 },
      { ...place, kind: 'reset', offset: 1 },
      { ...place, kind: 'started', offset: 1, key: 'k', epoch: 7 },
    ];
    const log = new SharedLog(20);
    for (const entry of entries) log.append(entry);
    expect(log.length).toBe(entries.length);
    expect(log.entries()).toMatchObject(entries);
  });

  test('any topic, key and offset come back as they were', () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => Buffer.byteLength(text) <= 40);
    const entry = fc.record({
      kind: fc.constantFrom('produced' as const, 'started' as const, 'completed' as const, 'failed' as const),
      topic: name,
      partition: fc.nat(2 ** 31 - 1),
      offset: fc.nat(Number.MAX_SAFE_INTEGER),
      key: fc.option(name),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        const log = new SharedLog(20);
        for (const one of entries) log.append(one);
        expect(log.entries()).toEqual(entries);
      }),
    );
  });

  test('a log of another log sees what is written through either', () => {
    const log = new SharedLog(2);
    const other = new SharedLog(log.buffer);
    log.append({ ...place, kind: 'assigned' });
    other.append({ ...place, kind: 'committed', offset: 4 });
    expect([log.length, other.length]).toEqual([2, 2]);
    expect(log.entries()).toEqual(other.entries());
  });

  test('an empty key is not the lack of one', () => {
    const log = new SharedLog(2);
    for (const key of ['', null]) log.append({ ...place, kind: 'started', offset: 0, key });
    expect(log.entries()).toMatchObject([{ key: '' }, { key: null }]);
  });

  test.each([
    { name: 'topic', entry: { kind: 'assigned', topic: 'x'.repeat(41), partition: 0 } as const },
    { name: 'key', entry: { ...place, kind: 'started', offset: 0, key: 'ü'.repeat(21) } as const },
  ])('a $name of more than 40 bytes is refused, and takes no place', ({ entry }) => {
    const log = new SharedLog(1);
    expect(() => log.append(entry)).toThrow(/longer than 40 bytes/);
    expect([log.length, log.entries()]).toEqual([0, []]);
    log.append({ ...place, kind: 'committed', offset: 7 });
    expect(log.entries()).toMatchObject([{ kind: 'committed', offset: 7 }]);
  });

  test('a name of 40 bytes is kept whole', () => {
    const log = new SharedLog(1);
    log.append({ kind: 'produced', topic: 'x'.repeat(40), partition: 0, offset: 0, key: 'ü'.repeat(20) });
    expect(log.entries()).toMatchObject([{ topic: 'x'.repeat(40), key: 'ü'.repeat(20) }]);
  });

  test('refuses what it has no room for, and overwrites nothing', () => {
    const log = new SharedLog(1);
    log.append({ ...place, kind: 'produced', offset: 5, key: 'k' });
    const [buffer, entries] = [Buffer.from(log.buffer, 8).toString('hex'), log.entries()];
    for (let time = 0; time < 3; time += 1) {
      expect(() => log.append({ ...place, kind: 'assigned' })).toThrow('the shared log is full');
      expect([log.length, new SharedLog(log.buffer).length]).toEqual([1, 1]);
    }
    expect([log.entries(), Buffer.from(log.buffer, 8).toString('hex')]).toEqual([entries, buffer]);
  });

  test('threads that write at once get a place each', async () => {
    const log = new SharedLog(3_000);
    const code = `(async () => {
      const { workerData: { buffer, gate, module, thread, tsx } } = require('node:worker_threads');
      (await import(tsx)).register();
      const { SharedLog } = await import(module);
      const log = new SharedLog(buffer);
      Atomics.add(gate, 0, 1);
      while (Atomics.load(gate, 0) < 3);
      for (let offset = 0; offset < 1000; offset += 1) {
        log.append({ kind: 'started', topic: 't', partition: thread, offset, key: null });
      }
    })();`;
    // All three begin at once, however long each takes to load.
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const modules = {
      tsx: import.meta.resolve('tsx/esm/api'),
      module: new URL('./shared-log.ts', import.meta.url).href,
    };
    const ends = [0, 1, 2].map((thread) => {
      const worker = new Worker(code, { eval: true, workerData: { buffer: log.buffer, gate, thread, ...modules } });
      return new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve));
    });
    expect(await Promise.all(ends)).toEqual([0, 0, 0]);
    const entries = log.entries();
    const offsets = [0, 1, 2].map((thread) =>
      entries.flatMap((entry) => (entry.partition === thread && 'offset' in entry ? [entry.offset] : [])),
    );
    const inOrder = Array.from({ length: 1_000 }, (_, offset) => offset);
    expect(offsets).toEqual([inOrder, inOrder, inOrder]);
  });
});

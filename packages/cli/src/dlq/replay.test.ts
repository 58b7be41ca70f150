/**
 * Planning and replaying on a log in memory, whose transactions happen whole or not at all.
 */

import fc from 'fast-check';
import { KEYLANE_HEADERS } from 'keylane/dead-letter';
import { describe, expect, test } from 'vitest';
import { CliError, RefusedError } from '../errors.ts';
import type { CommittedOffset, LogRecord, Reader, Span } from '../kafka/client.ts';
import type { OutgoingRecord } from '../kafka/producer.ts';
import { Memory } from './memory.ts';
import { Targets } from './outgoing.ts';
import { planReplay } from './plan.ts';
import { Replay } from './replay.ts';
import { Selection, type SelectionFlags } from './selection.ts';

const TOPIC = 'orders-dlt';
const ALL: SelectionFlags = { again: false, limit: Infinity };
const crash = new CliError('the process ended');

/** A topic of one partition, what was produced from it, and what the group has committed. */
class World {
  readonly log: LogRecord[] = [];
  readonly produced: string[] = [];
  committed: CommittedOffset[] = [];
  /** Transactions that go through until the process ends. */
  transactionsLeft = Infinity;
  /** Values the brokers do not take, and how many records they take together. */
  refused: ReadonlySet<string> = new Set();
  togetherMax = Infinity;

  add(offset: number, headers: Record<string, string> = {}): void {
    const all = { [KEYLANE_HEADERS.topic]: 'orders', [KEYLANE_HEADERS.partition]: '0', ...headers };
    this.log.push({
      topic: TOPIC,
      partition: 0,
      offset,
      timestamp: 0,
      key: null,
      value: Buffer.from(String(offset)),
      headers: Object.entries(all).map(([name, value]) => [name, Buffer.from(value)] as const),
    });
  }

  get span(): Span {
    return { partition: 0, from: this.log[0]?.offset ?? 0, to: (this.log.at(-1)?.offset ?? -1) + 1 };
  }

  async replay(flags: SelectionFlags = ALL, signal = new AbortController().signal, onReplayed = () => {}) {
    const reader = this.#reader();
    const targets = new Targets(reader);
    const memory = await Memory.load(reader, TOPIC, [this.span]);
    const plan = await planReplay(reader, TOPIC, [this.span], memory, targets, flags, () => {});
    const producer = { transaction: this.#transaction.bind(this) };
    const start = { memory, log: [this.span] };
    const options = { topic: TOPIC, flags, signal, onReplayed };
    const running = new Replay(reader, producer, targets, new Selection(flags), start, options);
    await running.run(plan.spans);
    return { plan, running };
  }

  #reader(): Reader {
    const { log } = this;
    const fake = {
      partitions: async () => 1,
      spans: async () => [this.span],
      committed: async () => this.committed,
      async *read(_: string, { from, to }: Span) {
        for (const record of log) if (record.offset >= from && record.offset < to) yield record;
      },
    };
    return fake as unknown as Reader;
  }

  async #transaction(records: readonly OutgoingRecord[], _: Reader, __: string, offsets: readonly CommittedOffset[]) {
    if (this.transactionsLeft <= 0) throw crash;
    const values = records.map(({ value }) => String(value));
    if (values.length > this.togetherMax || values.some((value) => this.refused.has(value))) {
      throw new RefusedError('too large');
    }
    this.transactionsLeft -= 1;
    this.produced.push(...values);
    this.committed = [...offsets];
  }
}

describe('a replay', () => {
  test('whatever is asked for, and wherever it ends: each record once', async () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 1_300 });
    const steps = fc.array(fc.record({ at: fc.array(fc.nat(2_000), { maxLength: 8 }), transactions: fc.nat(3) }), {
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(gaps, steps, async (distances, attempts) => {
        const world = new World();
        let offset = 0;
        for (const distance of distances) {
          offset += distance;
          world.add(offset);
        }
        for (const { at, transactions } of attempts) {
          world.transactionsLeft = transactions;
          const places = at.map((index) => ({ partition: 0, offset: index }));
          const flags = at.length > 4 ? { ...ALL, at: places } : ALL;
          await world.replay(flags).catch((error: unknown) => expect(error).toBe(crash));
        }
        world.transactionsLeft = Infinity;
        const { plan } = await world.replay();
        expect(plan.replayedBefore + plan.toReplay).toBe(world.log.length);
        const offsets = world.log.map((record) => String(record.offset));
        expect([...world.produced].sort()).toEqual(offsets.sort());
        expect((await world.replay()).plan.toReplay).toBe(0);
        // Everything is below the committed offset: nothing is left to write into its metadata.
        expect(world.committed).toEqual([{ partition: 0, offset: world.span.to, metadata: '' }]);
      }),
      { numRuns: 60 },
    );
  });

  test('a record that is refused stops it after all before it, and what is only too much together goes in parts', async () => {
    const world = new World();
    for (let offset = 0; offset < 700; offset += 1) world.add(offset);
    world.refused = new Set(['613']);
    world.togetherMax = 100;
    await expect(world.replay()).rejects.toThrow(
      /^orders-dlt\[0\]@613 was not replayed, nor what comes after it: too large/,
    );
    expect(world.produced).toEqual(Array.from({ length: 613 }, (_, offset) => String(offset)));
    await world.replay({ ...ALL, except: [{ partition: 0, offset: 613 }] });
    expect(world.produced).toHaveLength(699);
  });

  test('a signal stops it after the transaction that is under way', async () => {
    const world = new World();
    for (let offset = 0; offset < 1_200; offset += 1) world.add(offset);
    const controller = new AbortController();
    const { running } = await world.replay(ALL, controller.signal, () => controller.abort());
    expect([running.replayed, world.produced.length]).toEqual([500, 500]);
  });

  test('retention moves on below what was replayed, and above it', async () => {
    const world = new World();
    for (let offset = 0; offset < 20; offset += 1) world.add(offset);
    await world.replay({ ...ALL, at: [5, 6, 12].map((offset) => ({ partition: 0, offset })) });
    world.log.splice(0, 6);
    const { plan } = await world.replay();
    expect([plan.replayedBefore, plan.toReplay]).toEqual([2, 12]);
    expect(world.produced.slice(3).map(Number)).toEqual([7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19]);
  });

  test('what is too scattered to be remembered is refused before anything is produced', async () => {
    const world = new World();
    for (let offset = 0; offset < 70_000; offset += 1) world.add(offset);
    const at = Array.from({ length: 4_000 }, (_, index) => ({ partition: 0, offset: index * 17 }));
    await expect(world.replay({ ...ALL, at })).rejects.toThrow(/too far apart to be remembered.*--until, --limit/);
    expect(world.produced).toEqual([]);
  });

  test('a log that ends below what was replayed was made anew, and nobody guesses', async () => {
    const world = new World();
    for (let offset = 0; offset < 5; offset += 1) world.add(offset);
    await world.replay();
    world.log.splice(3);
    const memory = await Memory.load({ committed: async () => world.committed } as unknown as Reader, TOPIC, [
      world.span,
    ]);
    expect(memory.problem).toMatch(/up to 5, and the log ends at 3: it was cut off, or made anew/);
  });
});

describe('a park topic', () => {
  const lane = (key: string, how = 'failed') => ({
    [KEYLANE_HEADERS.parked]: how,
    [KEYLANE_HEADERS.parkKey]: key,
  });

  test('keys of several topics are not one another', async () => {
    const world = new World();
    world.add(0, { ...lane('a'), [KEYLANE_HEADERS.topic]: 'refunds' });
    world.add(1, lane('a', 'follows'));
    await world.replay({ ...ALL, originTopic: 'orders' });
    expect(world.produced).toEqual(['1']);
  });

  test('nothing of a key is taken past a record that was left out', async () => {
    const world = new World();
    for (const [offset, key] of ['a', 'b', 'a', 'b'].entries()) world.add(offset, lane(key));
    await expect(world.replay({ ...ALL, except: [{ partition: 0, offset: 0 }] })).rejects.toThrow(
      /orders-dlt\[0\]@2 matches, but orders-dlt\[0\]@0 of the same parked key does not/,
    );
    expect(world.produced).toEqual([]);
    await world.replay({ ...ALL, limit: 1 });
    await world.replay({ ...ALL, except: [{ partition: 0, offset: 0 }] });
    expect(world.produced).toEqual(['0', '1', '2', '3']);
  });
});

import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { collectGarbage } from '../../sim/collect-garbage.ts';
import { Leases } from '../wire/leases.ts';
import type { Report } from '../wire/messages.ts';
import type { KafkaRecord } from '../wire/record.ts';
import type { DueRecord } from '../wire/run.ts';
import { Slots } from '../wire/slots.ts';
import type { Segment } from './frame-reader.ts';
import type { HandleFunction } from './handler.ts';
import { LaneRunner } from './lane-runner.ts';
import { Reporter } from './reporter.ts';

const leases = new Leases();
const lease = leases.grant();

/** A segment of this lane; `offsets` stand for its records. */
function segmentOf(laneId: number, ...offsets: number[]): Segment {
  const records = offsets.map((offset): DueRecord => {
    const at = { topic: 't', partition: laneId, offset, timestamp: 0, leaderEpoch: -1 };
    return { attempt: 1, previousError: undefined, record: { ...at, key: null, value: null, headers: [] } };
  });
  return { laneId, lease, records };
}

const nameOf = (record: KafkaRecord) => `${record.partition}@${record.offset}`;

/** A runner with a handler whose records end when the test says so. */
function manualRunner(concurrency: number) {
  const running = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  const started: string[] = [];
  const run: HandleFunction<unknown> = (record) => {
    started.push(nameOf(record));
    return new Promise<void>((resolve, reject) => void running.set(nameOf(record), { resolve, reject }));
  };
  const end = async (name: string, error?: Error) => {
    const record = running.get(name);
    if (record === undefined) throw new Error(`${name} does not run`);
    running.delete(name);
    if (error === undefined) record.resolve();
    else record.reject(error);
    await turn();
    await turn();
  };
  return { ...runnerOf(run, concurrency), started, running: () => [...running.keys()], end };
}

function runnerOf(handle: HandleFunction<unknown>, concurrency: number, handlerTimeoutMs = 0) {
  const reports: Report[] = [];
  const reporter = new Reporter((report) => void reports.push(report));
  const slots = new Slots(concurrency, 100);
  const site = { threadId: 0, state: undefined, leases, handlerTimeoutMs };
  const runner = new LaneRunner({ handle, concurrency, reporter, slots, site });
  /** How many records of each lane completed, as the reports add up. */
  const completed = () => {
    const counts: Record<number, number> = {};
    for (const report of reports) {
      const pairs = [...report.completed];
      for (let at = 0; at < pairs.length; at += 2) {
        const [laneId, count] = pairs.slice(at, at + 2) as [number, number];
        counts[laneId] = (counts[laneId] ?? 0) + count;
      }
    }
    return counts;
  };
  const failed = () =>
    reports.flatMap((report) => report.failed.map(({ laneId, error }) => `${laneId}: ${error.message}`));
  return { runner, reports, completed, failed, slots };
}

afterEach(() => vi.restoreAllMocks());

describe('LaneRunner', () => {
  test('nothing is kept of a segment that is over, even if there is always another one', async () => {
    const { runner, end } = manualRunner(1);
    const segments: WeakRef<Segment>[] = [];
    const add = (lane: number) => {
      const segment = segmentOf(lane, 0);
      segments.push(new WeakRef(segment));
      runner.add([segment]);
    };
    add(0);
    for (let lane = 0; lane < 50; lane += 1) {
      add(lane + 1);
      await end(`${lane}@0`);
    }
    await collectGarbage();
    expect(segments.map((segment) => segment.deref() !== undefined).indexOf(true)).toBe(50);
    await end('50@0');
    await runner.idle();
  });

  test('as many segments run at once as there are slots, and the next starts when one is over', async () => {
    const { runner, running, end } = manualRunner(2);
    runner.add([segmentOf(1, 0), segmentOf(2, 0), segmentOf(3, 0)]);
    expect(running()).toEqual(['1@0', '2@0']);
    await end('2@0');
    expect(running()).toEqual(['1@0', '3@0']);
  });

  test('segments that come later take the free slots only', async () => {
    const { runner, running, end, completed } = manualRunner(2);
    runner.add([segmentOf(1, 0)]);
    runner.add([segmentOf(2, 0), segmentOf(3, 0)]);
    expect(running()).toEqual(['1@0', '2@0']);
    for (const name of ['1@0', '2@0', '3@0']) await end(name);
    runner.add([segmentOf(4, 0), segmentOf(5, 0), segmentOf(6, 0)]);
    expect(running()).toEqual(['4@0', '5@0']);
    expect(completed()).toEqual({ 1: 1, 2: 1, 3: 1 });
  });

  test('records of a segment run one after the other', async () => {
    const { runner, running, started, end, completed } = manualRunner(10);
    runner.add([segmentOf(1, 5, 6, 7)]);
    for (const name of ['1@5', '1@6', '1@7']) {
      expect(running()).toEqual([name]);
      await end(name);
    }
    expect([started, completed()]).toEqual([['1@5', '1@6', '1@7'], { 1: 3 }]);
  });

  test.each([
    { name: 'rejects', fail: (error: unknown) => Promise.reject(error) },
    {
      name: 'throws',
      fail: (error: unknown) => {
        throw error;
      },
    },
  ])('a segment stops at its first failure, others go on: the handler $name', async ({ fail }) => {
    const started: string[] = [];
    const { runner, completed, failed } = runnerOf((record) => {
      started.push(nameOf(record));
      return nameOf(record) === '1@1' ? fail(new Error('no')) : undefined;
    }, 1);
    runner.add([segmentOf(1, 0, 1, 2), segmentOf(2, 0)]);
    await runner.idle();
    await turn();
    expect([started, completed(), failed()]).toEqual([['1@0', '1@1', '2@0'], { 1: 1, 2: 1 }, ['1: no']]);
  });

  test.each([{ thrown: undefined }, { thrown: null }, { thrown: 'text' }, { thrown: 0 }])(
    'throwing $thrown is a failure too',
    async ({ thrown }) => {
      const { runner, completed, failed } = runnerOf(() => {
        throw thrown;
      }, 1);
      runner.add([segmentOf(1, 0, 1)]);
      await runner.idle();
      await turn();
      expect([completed(), failed()]).toEqual([{}, [`1: ${thrown}`]]);
    },
  );

  test('anything with a `then` is awaited', async () => {
    let release = () => {};
    const promise = new Promise<void>((resolve) => {
      release = resolve;
    });
    // biome-ignore lint/suspicious/noThenProperty: it is about things that have one and are no promises
    const thenable = { then: (resolved: () => void) => void promise.then(resolved) };
    const { runner, completed } = runnerOf(() => thenable, 1);
    runner.add([segmentOf(1, 0, 1)]);
    await turn();
    expect(completed()).toEqual({});
    release();
    await runner.idle();
    await turn();
    expect(completed()).toEqual({ 1: 2 });
  });

  test('records that end in one turn of the event loop are told in one report', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const { runner, reports } = runnerOf(() => undefined, 4);
    runner.add([segmentOf(1, 0, 1, 2, 3, 4), segmentOf(2, 0, 1, 2), segmentOf(3, 0)]);
    await runner.idle();
    expect(reports).toEqual([]);
    await turn();
    expect(reports.map(({ completed }) => [...completed])).toEqual([[1, 5, 2, 3, 3, 1]]);
  });

  test('a handler that computes for long lets the event loop turn, and tells of its progress', async () => {
    let nowMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    let turns = 0;
    const count = () => {
      turns += 1;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    const { runner, reports } = runnerOf(() => {
      nowMs += 1.5;
    }, 1);
    runner.add([segmentOf(1, ...Array.from({ length: 20 }, (_, offset) => offset))]);
    await runner.idle();
    clearImmediate(immediate);
    // Past 2 ms, that is with every second record, it waits for a turn, and then reports.
    expect([turns, reports.length]).toEqual([10, 10]);
  });

  test('idle waits for what runs and what waits, and not where there is nothing', async () => {
    const { runner, end } = manualRunner(1);
    await runner.idle();
    runner.add([segmentOf(1, 0), segmentOf(2, 0)]);
    let idle = false;
    void runner.idle().then(() => {
      idle = true;
    });
    await end('1@0');
    expect(idle).toBe(false);
    await end('2@0');
    expect(idle).toBe(true);
  });

  test('any segments, failures and slots: order is kept, slots are used, every record is accounted for', async () => {
    const lanes = fc.array(fc.record({ length: fc.integer({ min: 1, max: 6 }), failsAt: fc.option(fc.nat(5)) }), {
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(
        lanes,
        fc.integer({ min: 1, max: 5 }),
        fc.infiniteStream(fc.nat(2)),
        async (all, slots, choices) => {
          const next = all.map(() => 0);
          let [running, most] = [0, 0];
          const { runner, completed, failed } = runnerOf(async ({ partition: lane, offset }) => {
            expect(offset).toBe(next[lane]);
            running += 1;
            most = Math.max(most, running);
            const waits = choices.next().value;
            for (let wait = 0; wait < waits; wait += 1) await undefined;
            running -= 1;
            if (all[lane]?.failsAt === offset) throw new Error('no');
            next[lane] = offset + 1;
          }, slots);
          runner.add(all.map(({ length }, lane) => segmentOf(lane, ...Array.from({ length }, (_, offset) => offset))));
          await runner.idle();
          await turn();
          const ends = all.map(({ length, failsAt }) => Math.min(length, failsAt ?? length));
          expect(all.map((_, lane) => completed()[lane] ?? 0)).toEqual(ends);
          expect(failed()).toHaveLength(
            all.filter(({ length, failsAt }) => failsAt !== null && failsAt < length).length,
          );
          expect(most).toBeLessThanOrEqual(slots);
        },
      ),
      { numRuns: 60 },
    );
  });
});

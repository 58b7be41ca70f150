/**
 * What a handler learns of its run: its time, its partition, its signal; and what the poller sees of it meanwhile.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Leases } from '../wire/leases.ts';
import type { Report } from '../wire/messages.ts';
import { Slots } from '../wire/slots.ts';
import { decoding } from './decode.ts';
import type { Segment } from './frame-reader.ts';
import { type HandleFunction, type HandlerContext, json } from './handler.ts';
import { LaneRunner } from './lane-runner.ts';
import { Reporter } from './reporter.ts';

function runnerOf(handle: HandleFunction<unknown>, handlerTimeoutMs = 0, concurrency = 2) {
  const reports: Report[] = [];
  const leases = new Leases();
  const lease = leases.grant();
  const slots = new Slots(concurrency, 10);
  const site = { threadId: 3, state: 'mine', leases, handlerTimeoutMs };
  const reporter = new Reporter((report) => void reports.push(report));
  const runner = new LaneRunner({ handle, concurrency, reporter, slots, site });
  const segment = (laneId: number, count = 1): Segment => ({
    laneId,
    lease,
    records: Array.from({ length: count }, (_, offset) => ({
      attempt: 2,
      previousError,
      record: { topic: 't', partition: 0, offset, timestamp: 0, leaderEpoch: -1, key: null, value, headers: [] },
    })),
  });
  const run = async (...segments: Segment[]) => {
    runner.add(segments);
    await runner.idle();
    await turn();
    return reports;
  };
  return { run, runner, segment, slots, reports, revoke: () => leases.revoke(lease) };
}

const value = Buffer.from('{');
const previousError = new Error('the first attempt');

const untilAborted = ({ signal }: HandlerContext<unknown>): Promise<Error> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));

describe('a run', () => {
  test('knows its attempt, thread, state, deadline and owner', async () => {
    const seen: unknown[] = [];
    const { run, segment } = runnerOf((_record, context) => {
      const { attempt, threadId, state, deadline, owned, signal } = context;
      const leftMs = deadline - Date.now();
      seen.push(
        attempt,
        context.previousError,
        threadId,
        state,
        leftMs > 59_000 && leftMs <= 60_001,
        owned(),
        signal.aborted,
      );
    }, 60_000);
    await run(segment(0));
    expect(seen).toEqual([2, previousError, 3, 'mine', true, true, false]);
  });

  test('without a limit has no deadline', async () => {
    let deadline = 0;
    const { run, segment } = runnerOf((_record, context) => {
      deadline = context.deadline;
    });
    await run(segment(0));
    expect(deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test.each([
    { name: 'the reason of its signal', fail: (reason: Error) => reason, cause: undefined },
    { name: 'an error of its own', fail: () => new Error('mine'), cause: { message: 'mine' } },
  ])('past its time its signal aborts, and what fails then has timed out: with $name', async ({ fail, cause }) => {
    const { run, segment } = runnerOf(
      async (_record, context) => Promise.reject(fail(await untilAborted(context))),
      80,
    );
    const failed = (await run(segment(4))).flatMap((report) => report.failed);
    expect(failed).toMatchObject([{ laneId: 4, stage: 'timeout', error: { code: 'ERR_HANDLER_TIMEOUT' } }]);
    expect(failed[0]?.error.message).toContain('t[0]@0 ran for longer than handlerTimeoutMs = 80');
    expect(failed[0]?.error.cause?.message).toBe(cause?.message);
  });

  test('that completes past its time has completed', async () => {
    const { run, segment } = runnerOf(async (_record, context) => void (await untilAborted(context)), 80);
    const reports = await run(segment(4));
    expect(reports.map(({ completed, failed }) => [[...completed], failed])).toEqual([[[4, 1], []]]);
  });

  test('that only computes sees its time by asking anew', async () => {
    const { run, segment } = runnerOf((_record, context) => {
      while (!context.signal.aborted);
      throw context.signal.reason;
    }, 30);
    expect((await run(segment(0))).flatMap(({ failed }) => failed.map(({ stage }) => stage))).toEqual(['timeout']);
  });

  test('learns that its partition is gone; what waits behind it is dropped without running', async () => {
    const started: number[] = [];
    const seen: unknown[] = [];
    const over = runnerOf(async ({ offset }, context) => {
      started.push(offset);
      seen.push(context.owned());
      const aborted = untilAborted(context);
      over.revoke();
      seen.push(context.owned(), ((await aborted) as Error & { code: string }).code);
    });
    const reports = await over.run(over.segment(1, 3), over.segment(2, 2));
    expect([started, seen]).toEqual([[0], [true, false, 'ERR_PARTITION_NOT_OWNED']]);
    expect(reports.flatMap(({ completed }) => [...completed])).toEqual([1, 1]);
    expect(reports.flatMap(({ dropped }) => dropped).sort()).toEqual([1, 2]);
  });

  test('what is not ours any more when its turn comes is dropped, and does not run', async () => {
    const over = runnerOf(() => expect.unreachable('it ran'));
    over.revoke();
    const reports = await over.run(over.segment(1, 5));
    expect(reports.map(({ completed, failed, dropped }) => [[...completed], failed, dropped])).toEqual([[[], [], [1]]]);
  });

  test('can be seen from outside while it runs, with what its lane completed before', async () => {
    const seen: unknown[] = [];
    const { run, segment, slots } = runnerOf(async ({ offset }) => {
      const { called, running } = slots.look(performance.now());
      seen.push([offset, called, running.map(({ slot, laneId }) => [slot, laneId]), slots.completedOf(5)]);
      await turn();
      seen.push(slots.look(0).called);
    });
    await run(segment(5, 2));
    expect(seen).toEqual([[0, 0, [[0, 5]], 0], undefined, [1, 0, [[0, 5]], 1], undefined]);
    expect([slots.running(0), slots.completedOf(5)]).toEqual([[], 2]);
  });

  test('that failed has ended as well, and does not count as completed', async () => {
    const { run, segment, slots } = runnerOf(() => {
      throw new Error('no');
    });
    await run(segment(5, 2));
    expect([slots.look(0).called, slots.running(0), slots.completedOf(5)]).toEqual([undefined, [], 0]);
  });

  test('that cannot be decoded has failed before its handler was called, and says where another attempt is vain', async () => {
    const handled: number[] = [];
    const { run, segment } = runnerOf(decoding({ value: json(), handle: ({ offset }) => void handled.push(offset) }));
    const failed = (await run(segment(4, 2))).flatMap((report) => report.failed);
    const error = { name: 'UndecodableError', retryable: false, cause: { name: 'SyntaxError' } };
    expect([failed, handled]).toMatchObject([[{ laneId: 4, stage: 'deserialize', error }], []]);
  });

  test('whose decoder throws past its time has timed out: it may have been the time that was wrong', async () => {
    const late = async (_given: Buffer, context: HandlerContext<unknown>) =>
      Promise.reject(await untilAborted(context));
    const { run, segment } = runnerOf(decoding({ value: late, handle: () => undefined }), 30);
    const failed = (await run(segment(4))).flatMap((report) => report.failed);
    expect(failed).toMatchObject([{ stage: 'timeout', error: { code: 'ERR_HANDLER_TIMEOUT' } }]);
    expect(failed[0]?.error.retryable).toBeUndefined();
  });

  test('is seen from outside while it is decoded: a decoder that hangs is a handler that hangs', async () => {
    const seen: unknown[] = [];
    const decoder = async () => {
      seen.push(slots.look(performance.now()).called);
      await turn();
      seen.push(slots.running(performance.now()).map(({ laneId }) => laneId));
    };
    const { run, segment, slots } = runnerOf(decoding({ value: decoder, handle: () => undefined }));
    await run(segment(5));
    expect(seen).toEqual([0, [5]]);
  });
});

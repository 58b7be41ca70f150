import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Report } from '../wire/messages.ts';
import { toWireError } from '../wire/wire-error.ts';
import { Reporter } from './reporter.ts';

/** A reporter, and the reports it sent. It is told the time, so all durations but the computing are exact. */
function reporterOf() {
  const reports: Report[] = [];
  const reporter = new Reporter((report) => void reports.push(report));
  return { reporter, reports };
}

const completedOf = (reports: readonly Report[]) => reports.map(({ completed }) => [...completed]);

afterEach(() => vi.restoreAllMocks());

describe('Reporter', () => {
  test('what happens in one turn of the event loop is one report', async () => {
    const { reporter, reports } = reporterOf();
    for (const laneId of [7, 7, 9, 7]) reporter.completed(laneId, 0.1, 0.5);
    expect(reports).toEqual([]);
    await turn();
    // Neighbours of a lane are one pair; the order of completion is kept.
    expect(completedOf(reports)).toEqual([[7, 2, 9, 1, 7, 1]]);
    await turn();
    expect(reports).toHaveLength(1);
  });

  test('what is a millisecond old does not wait for the turn to end', async () => {
    const { reporter, reports } = reporterOf();
    reporter.completed(1, 0.5, 0.5);
    reporter.completed(1, 0.4, 1.4);
    expect(reports).toEqual([]);
    reporter.completed(1, 0.1, 1.5);
    expect(completedOf(reports)).toEqual([[1, 3]]);
    reporter.completed(1, 0.5, 2);
    expect(reports).toHaveLength(1);
    await turn();
    expect(completedOf(reports)).toEqual([
      [1, 3],
      [1, 1],
    ]);
  });

  test('the first after an idle time waits for the others of its frame', async () => {
    const { reporter, reports } = reporterOf();
    reporter.completed(1, 0.5, 0.5);
    await turn();
    for (const laneId of [2, 3, 4]) reporter.completed(laneId, 0.1, 1_000);
    await turn();
    expect(completedOf(reports)).toEqual([
      [1, 1],
      [2, 1, 3, 1, 4, 1],
    ]);
  });

  test('a report sent early takes the place of the one that was due at the end of the turn', async () => {
    const { reporter, reports } = reporterOf();
    reporter.completed(1, 0.5, 0.5);
    reporter.completed(1, 0.5, 1.5);
    await turn();
    expect(completedOf(reports)).toEqual([[1, 2]]);
  });

  test('a failure tells its lane and its error, and what is told once is not told again', async () => {
    const { reporter, reports } = reporterOf();
    reporter.completed(4, 0.1, 0.1);
    reporter.failed({ laneId: 4, error: toWireError(new RangeError('too far')), stage: 'handle' }, 0.9, 1.1);
    reporter.completed(5, 1, 3);
    await turn();
    expect(completedOf(reports)).toEqual([
      [4, 1],
      [5, 1],
    ]);
    expect(reports.map(({ failed }) => failed)).toMatchObject([
      [{ laneId: 4, error: { name: 'RangeError', message: 'too far' } }],
      [],
    ]);
  });

  test('a report can travel: it is plain data, whatever was thrown', async () => {
    const { reporter, reports } = reporterOf();
    reporter.failed(
      { laneId: 1, error: toWireError({ toJSON: () => undefined, call: () => undefined }), stage: 'handle' },
      1,
      1,
    );
    await turn();
    expect(reports).toHaveLength(1);
    expect(structuredClone(reports)).toEqual(reports);
  });

  test('service is the sum of what records took, also those that ran side by side', async () => {
    const { reporter, reports } = reporterOf();
    reporter.completed(1, 5, 15);
    reporter.completed(2, 6, 16);
    reporter.failed({ laneId: 3, error: toWireError(new Error('no')), stage: 'handle' }, 3, 23);
    await turn();
    expect(reports.map(({ serviceMs }) => serviceMs)).toEqual([11, 3]);
  });

  test('active is what the thread computed since the report before', async () => {
    const utilization = vi.spyOn(performance, 'eventLoopUtilization');
    const activeSoFar = (active: number) => utilization.mockReturnValue({ active, idle: 1_000, utilization: 0 });
    activeSoFar(40);
    const { reporter, reports } = reporterOf();
    for (const [index, active] of [47, 47, 50].entries()) {
      activeSoFar(active);
      reporter.completed(1, 1, index * 10 + 5);
      await turn();
    }
    expect(reports.map(({ activeMs }) => activeMs)).toEqual([7, 0, 3]);
  });
});

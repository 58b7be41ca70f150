import { describe, expect, test } from 'vitest';
import type { RunningSlot, ThreadLook } from '../wire/slots.ts';
import { Watchdog, type WatchedThread } from './watchdog.ts';

const LOOK_MS = 250;
const LIMITS = { handlerTimeoutMs: 1_000, handlerAbortGraceMs: 1_000 };

interface FakeRun {
  readonly slot: number;
  readonly sequence: number;
  readonly since: number;
}

class FakeThread implements WatchedThread {
  runs: FakeRun[] = [];
  turns = 0;
  called: number | undefined = undefined;
  readonly ended: { slots: number[]; areCertain: boolean }[] = [];

  look(now: number): ThreadLook {
    const running = this.runs.map(({ slot, sequence, since }) => ({
      slot,
      sequence,
      laneId: slot,
      runningMs: now - since,
    }));
    return { turns: this.turns, called: this.called, running };
  }

  endHung(runs: readonly RunningSlot[], areCertain: boolean): void {
    this.ended.push({ slots: runs.map(({ slot }) => slot), areCertain });
  }
}

/** A watchdog that looks every 250 ms over a thread whose event loop turns, unless `blocked` says otherwise. */
function watching(limits: Partial<typeof LIMITS> = {}) {
  const thread = new FakeThread();
  const watchdog = new Watchdog([thread], { ...LIMITS, ...limits });
  let now = 0;
  const pass = (durationMs: number, { blocked = false, stepMs = LOOK_MS } = {}) => {
    for (const end = now + durationMs; now < end; ) {
      now += stepMs;
      if (!blocked) thread.turns += 1;
      watchdog.look(now);
    }
  };
  return { thread, pass, now: () => now };
}

describe('Watchdog', () => {
  test('ends the thread of a run that goes on past its time and the grace, not before', () => {
    const { thread, pass } = watching();
    thread.runs = [
      { slot: 0, sequence: 1, since: 0 },
      { slot: 1, sequence: 1, since: 900 },
    ];
    pass(1_750);
    expect(thread.ended).toEqual([]);
    pass(250);
    expect(thread.ended).toEqual([{ slots: [0], areCertain: true }]);
  });

  test('a run that ended within the grace is another one: nothing hangs', () => {
    const { thread, pass, now } = watching();
    for (let sequence = 1; sequence < 20; sequence += 2) {
      thread.runs = [{ slot: 0, sequence, since: now() }];
      pass(1_750);
    }
    expect(thread.ended).toEqual([]);
  });

  test.each([3_000, 600_000])('%i ms in which the poller stood still count as one look', (stillMs) => {
    const { thread, pass } = watching();
    thread.runs = [{ slot: 0, sequence: 1, since: 0 }];
    pass(250);
    pass(stillMs, { stepMs: stillMs });
    expect(thread.ended).toEqual([]);
    pass(stillMs, { stepMs: stillMs });
    expect(thread.ended).toEqual([]);
    // From here on it has its grace as always.
    pass(250);
    expect(thread.ended).toEqual([]);
    pass(250);
    expect(thread.ended).toHaveLength(1);
  });

  test('no grace at all still takes two looks', () => {
    const { thread, pass } = watching({ handlerAbortGraceMs: 0 });
    thread.runs = [{ slot: 0, sequence: 1, since: 0 }];
    pass(1_000);
    expect(thread.ended).toEqual([]);
    pass(250);
    expect(thread.ended).toHaveLength(1);
  });

  test('a run that was called and never returned is to blame, not those it holds up', () => {
    const { thread, pass } = watching();
    thread.runs = [0, 1, 2].map((slot) => ({ slot, sequence: 1, since: 0 }));
    thread.called = 1;
    pass(3_000, { blocked: true });
    expect(thread.ended[0]).toEqual({ slots: [1], areCertain: true });
  });

  test('those that a run holds up get their grace after it', () => {
    const { thread, pass } = watching();
    thread.runs = [
      { slot: 0, sequence: 1, since: 0 },
      { slot: 1, sequence: 1, since: 4_500 },
    ];
    thread.called = 1;
    pass(5_000, { blocked: true });
    expect(thread.ended).toEqual([]);
    thread.runs.pop();
    thread.called = undefined;
    pass(750);
    expect(thread.ended).toEqual([]);
    pass(250);
    expect(thread.ended).toEqual([{ slots: [0], areCertain: true }]);
  });

  test('where the event loop is held up by nobody knows whom, all that run are suspects', () => {
    const { thread, pass } = watching();
    thread.runs = [
      { slot: 0, sequence: 1, since: 0 },
      { slot: 1, sequence: 1, since: 800 },
    ];
    pass(2_000, { blocked: true });
    expect(thread.ended).toEqual([{ slots: [0, 1], areCertain: false }]);
  });

  test('without a limit nothing is ever looked at', async () => {
    const thread = new FakeThread();
    thread.runs = [{ slot: 0, sequence: 1, since: -1e9 }];
    const watchdog = new Watchdog([thread], { handlerTimeoutMs: 0, handlerAbortGraceMs: 0 });
    watchdog.start();
    await new Promise((resolve) => setTimeout(resolve, 400));
    watchdog.stop();
    expect(thread.ended).toEqual([]);
  });
});

import { describe, expect, test } from 'vitest';
import { Slots } from './slots.ts';

function bothSides(slots = 2, lanes = 10) {
  const poller = new Slots(slots, lanes);
  return { poller, thread: new Slots(slots, 0, poller.buffer) };
}

describe('Slots', () => {
  test('show what runs since when, and nothing of what ended', () => {
    const { poller, thread } = bothSides();
    expect(poller.look(0)).toEqual({ turns: 0, called: undefined, running: [] });
    thread.begin(0, 7, 100);
    thread.waits();
    thread.begin(1, 8, 130);
    expect(poller.look(150)).toMatchObject({
      called: 1,
      running: [
        { slot: 0, laneId: 7, runningMs: 50 },
        { slot: 1, laneId: 8, runningMs: 20 },
      ],
    });
    thread.end(1);
    thread.turned();
    expect(poller.look(150)).toMatchObject({ turns: 1, called: undefined, running: [{ slot: 0 }] });
    thread.end(0);
    expect(poller.running(150)).toEqual([]);
  });

  test('the next run of a slot has another sequence, for as long as there are any', () => {
    const { poller, thread } = bothSides(1);
    const seen = new Set<number>();
    for (let run = 0; run < 1_000; run += 1) {
      thread.begin(0, 1, 0);
      seen.add(poller.running(0)[0]?.sequence as number);
      thread.end(0);
    }
    expect(seen.size).toBe(1_000);
  });

  test('count what a lane completed, from its reset on, and leave out lanes there is no memory for', () => {
    const { poller, thread } = bothSides(1, 4);
    thread.completed(3, 5);
    thread.completed(4, 5);
    expect([poller.completedOf(3), poller.completedOf(2)]).toEqual([5, 0]);
    poller.reset(3);
    expect(poller.completedOf(3)).toBe(0);
  });

  test('a thread says which one it is', () => {
    const { poller, thread } = bothSides();
    expect(poller.threadId).toBe(0);
    thread.claim(42);
    expect(poller.threadId).toBe(42);
  });
});

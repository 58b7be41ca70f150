import { describe, expect, test } from 'vitest';
import { type Clock, within } from './clock.ts';

/** A clock whose only timer is let go by hand. */
function handClock() {
  const timer = { delayMs: 0, fire: () => {}, stopped: 0 };
  const clock: Clock = {
    now: () => 0,
    timeOfDay: () => 0,
    after(delayMs, callback) {
      Object.assign(timer, { delayMs, fire: callback });
      const stop = () => {
        timer.stopped += 1;
      };
      return { stop };
    },
  };
  return { clock, timer };
}

describe('within', () => {
  test('ends with the work, and leaves no timer', async () => {
    const { clock, timer } = handClock();
    await within(clock, 50, Promise.resolve());
    expect(timer).toMatchObject({ delayMs: 50, stopped: 1 });
  });

  test('ends when the time is up, whatever becomes of the work', async () => {
    const { clock, timer } = handClock();
    const over = within(clock, 50, new Promise(() => {}));
    timer.fire();
    await over;
    expect(timer.delayMs).toBe(50);
  });

  test('rejects as the work does, and leaves no timer', async () => {
    const { clock, timer } = handClock();
    await expect(within(clock, 50, Promise.reject(new Error('cannot')))).rejects.toThrow('cannot');
    expect(timer.stopped).toBe(1);
  });
});

import { describe, expect, test } from 'vitest';
import { type Action, actions, INSTANCES_AT_FIRST, INSTANCES_MAX } from './conductor.ts';

const of = (seed: number, minutes = 5) => actions({ seed, durationMs: minutes * 60_000, sessionMs: 6_000, threads: 2 });

/** How many are alive after each action. */
function alive(all: readonly Action[]): number[] {
  let count = INSTANCES_AT_FIRST;
  return all.map(({ kind }) => {
    if (kind === 'start') count += 1;
    else if (kind === 'close' || kind === 'kill') count -= 1;
    return count;
  });
}

describe('the conductor', () => {
  test('the same seed gives the same actions, another one others', () => {
    expect(of(1)).toEqual(of(1));
    expect(of(2)).not.toEqual(of(1));
  });

  test('a longer run goes through the same kinds of actions', () => {
    const kinds = new Set(of(3, 30).map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(['block', 'broker', 'close', 'exit', 'freeze', 'hang', 'kill', 'start']);
  });

  test.each(Array.from({ length: 50 }, (_, seed) => seed))('seed %i keeps to the rules', (seed) => {
    for (const minutes of [0.3, 1, 10]) {
      const all = of(seed, minutes);
      const counts = alive(all);
      expect(Math.min(...counts)).toBeGreaterThanOrEqual(1);
      expect(Math.max(...counts)).toBeLessThanOrEqual(INSTANCES_MAX);
      expect(all.filter(({ kind }) => kind === 'broker').length).toBeGreaterThanOrEqual(1);
      expect(all.map(({ atMs }) => atMs)).toEqual(all.map(({ atMs }) => atMs).sort((one, other) => one - other));
      for (const action of all) if (action.kind === 'freeze') expect(action.forMs).toBeGreaterThan(6_000);
    }
  });

  test('what is gone is left alone', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const gone = new Set<number>();
      for (const action of of(seed, 10)) {
        if (!('instance' in action)) continue;
        expect(gone.has(action.instance)).toBe(false);
        if (action.kind === 'close' || action.kind === 'kill') gone.add(action.instance);
      }
    }
  });

  test('somebody is left to run, whoever is frozen', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const alive = new Map<number, number>();
      for (let instance = 0; instance < INSTANCES_AT_FIRST; instance += 1) alive.set(instance, 0);
      for (const action of of(seed, 10)) {
        if (action.kind === 'start') alive.set(action.instance, 0);
        if (action.kind === 'freeze') alive.set(action.instance, action.atMs + action.forMs);
        if (action.kind === 'close' || action.kind === 'kill') alive.delete(action.instance);
        expect([...alive.values()].filter((until) => until <= action.atMs).length).toBeGreaterThanOrEqual(1);
      }
    }
  });
});

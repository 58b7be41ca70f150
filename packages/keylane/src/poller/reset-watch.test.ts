import { describe, expect, test } from 'vitest';
import { partitionsAt as at, namesOf } from '../../sim/stations.ts';
import { ResetWatch } from './reset-watch.ts';

const begun = at(0).map((partition) => ({ ...partition, offset: 5 }));

/** What each look at this partition's fetch states says. */
function looksOf(watch: ResetWatch, ...states: string[]): string[] {
  return states.map((fetchState) => {
    const { givenUp, unknown } = watch.look([{ topic: 't', partition: 0, fetchState }]);
    if (givenUp.length > 0) return `given up ${namesOf(givenUp)}`;
    return unknown.length > 0 ? `unknown ${namesOf(unknown)}` : '';
  });
}

describe('ResetWatch', () => {
  test.each([
    { name: 'it is fetched', assigned: begun, states: ['active', 'active', 'validate-epoch-wait'], says: ['', '', ''] },
    { name: 'it is about to begin', assigned: begun, states: ['none', 'active', 'none'], says: ['', '', ''] },
    { name: 'it was given up at once', assigned: begun, states: ['none', 'none'], says: ['', 'given up t[0]'] },
    {
      name: 'it was given up later, from wherever it began',
      assigned: at(0),
      states: ['offset-query', 'active', 'none', 'none'],
      says: ['', '', '', 'given up t[0]'],
    },
    {
      name: 'nobody knows yet where it begins',
      assigned: at(0),
      states: ['none', 'none', 'none', 'active'],
      says: ['', 'unknown t[0]', 'unknown t[0]', ''],
    },
    { name: 'it is not ours', assigned: at(1), states: ['none', 'none', 'none'], says: ['', '', ''] },
  ])('$name', ({ assigned, states, says }) => {
    const watch = new ResetWatch();
    watch.onAssigned(assigned);
    expect(looksOf(watch, ...states)).toEqual(says);
  });

  test('a partition that was given back, or came back, begins anew', () => {
    const watch = new ResetWatch();
    watch.onAssigned(begun);
    expect(looksOf(watch, 'none')).toEqual(['']);
    watch.onUnassigned(at(0));
    expect(looksOf(watch, 'none', 'none')).toEqual(['', '']);
    watch.onAssigned(begun);
    expect(looksOf(watch, 'none', 'none')).toEqual(['', 'given up t[0]']);
  });
});

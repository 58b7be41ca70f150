import { describe, expect, test } from 'vitest';
import { KEYLANE, textHeader } from './dead-letter-headers.ts';
import { ParkedKeys, rankHeader, rankOf } from './parked-keys.ts';

/** Parks the records with these offsets at first one after the other; the place of each is its index. */
function parked(...ranks: number[]): ParkedKeys {
  const keys = new ParkedKeys();
  for (const [offset, rank] of ranks.entries()) keys.parked('k', { topic: 'p', partition: 0, offset }, rank);
  return keys;
}

/** A record that came back from this place, as it was consumed at `rank` at first. */
function back(place: number, rank: number) {
  const first = rankHeader({ topic: 't', partition: 0, offset: rank, headers: [] });
  return {
    ...{ topic: 't', partition: 0, offset: 100 + place },
    headers: [first, textHeader(KEYLANE.replayedFrom, `p[0]@${place}`)],
  };
}

describe('parked keys', () => {
  test('what is not of a parked key, or comes back in its order, is handled', () => {
    const keys = parked(1, 2, 3);
    expect(keys.mustFollow('other', back(0, 1))).toBe(false);
    expect(keys.mustFollow('k', { topic: 't', partition: 0, offset: 4, headers: [] })).toBe(true);
    expect([back(0, 1), back(1, 2), back(2, 3)].map((record) => keys.mustFollow('k', record))).toEqual([
      false,
      false,
      false,
    ]);
  });

  test('one that failed again comes first, and then all that were behind it, in their order', () => {
    // 1 and 2 came back; 3 and 4 had followed by then; 1 failed again, 2 followed it, and so did 5, which is new.
    const keys = parked(1, 2, 3, 4, 1, 2, 5);
    expect(keys.mustFollow('k', back(2, 3))).toBe(true);
    expect(keys.mustFollow('k', back(3, 4))).toBe(true);
    for (const [place, rank] of [
      [7, 3],
      [8, 4],
    ] as const)
      keys.parked('k', { topic: 'p', partition: 0, offset: place }, rank);
    expect(keys.mustFollow('k', back(4, 1))).toBe(false);
    expect(keys.mustFollow('k', back(5, 2))).toBe(false);
    // 5 was parked before 3 and 4 were again.
    expect(keys.mustFollow('k', back(6, 5))).toBe(true);
    keys.parked('k', { topic: 'p', partition: 0, offset: 9 }, 5);
    for (const [place, rank] of [
      [7, 3],
      [8, 4],
      [9, 5],
    ] as const)
      expect(keys.mustFollow('k', back(place, rank))).toBe(false);
    expect(keys.releasedBy('k', back(8, 4).headers)).toBeUndefined();
    expect(keys.releasedBy('k', back(9, 5).headers)).toBe(9);
  });

  test('one that is delivered twice may be parked twice, and comes back twice', () => {
    const keys = parked(1, 1, 2);
    expect([back(0, 1), back(1, 1), back(2, 2)].map((record) => keys.mustFollow('k', record))).toEqual([
      false,
      false,
      false,
    ]);
  });

  test('a release counts for what was parked up to there', () => {
    const keys = parked(1, 2);
    keys.released('k', 0);
    expect(keys.has('k')).toBe(true);
    keys.released('k', 1);
    expect(keys.has('k')).toBe(false);
  });

  test('a record says where it was consumed first, unless that was another partition', () => {
    expect(rankOf(back(3, 7))).toBe(7);
    expect(rankOf({ ...back(3, 7), partition: 1 })).toBe(103);
    expect(rankOf({ topic: 't', partition: 0, offset: 5, headers: [] })).toBe(5);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stubPartition } from '../../sim/stations.ts';
import { Lane } from './lane.ts';
import { hashOfKey, type LaneKey, PARTITION_LANE } from './lane-key.ts';
import { LaneTable } from './lane-table.ts';

const PARTITION = stubPartition();
const laneOf = (key: LaneKey, hash: number = hashOfKey(key)) => new Lane(PARTITION, key, 0, hash);

describe('LaneTable', () => {
  test('whatever is added and taken out, it has what a Map would have', () => {
    const step = fc.record({ key: fc.nat(400), hash: fc.constantFrom('own', 'all alike'), adds: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1_500 }), fc.boolean(), (steps, collide) => {
        const table = new LaneTable();
        const model = new Map<number, Lane>();
        for (const { key, adds } of steps) {
          const bytes = Buffer.from(`${key}`);
          const hash = collide ? 7 : hashOfKey(bytes);
          const known = model.get(key);
          expect(table.find(Buffer.from(bytes), hash)).toBe(known);
          if (adds && known === undefined) {
            const lane = laneOf(bytes, hash);
            table.add(lane);
            model.set(key, lane);
          } else if (!adds && known !== undefined) {
            table.remove(known);
            model.delete(key);
          }
          expect(table.size).toBe(model.size);
        }
        expect(new Set(table)).toEqual(new Set(model.values()));
      }),
      { numRuns: 40 },
    );
  });

  test('grows and shrinks with what it holds, and loses nothing by it', () => {
    const table = new LaneTable();
    const lanes = Array.from({ length: 20_000 }, (_, index) => laneOf(Buffer.from(`${index}`)));
    for (const lane of lanes) table.add(lane);
    expect(lanes.every((lane) => table.find(lane.key as LaneKey, lane.hash) === lane)).toBe(true);
    const left = lanes.splice(0, 10);
    for (const lane of lanes) table.remove(lane);
    expect([table.size, new Set(table)]).toEqual([10, new Set(left)]);
    expect(left.every((lane) => table.find(lane.key as LaneKey, lane.hash) === lane)).toBe(true);
  });

  test('one that was replaced is not there: taking it out leaves the other', () => {
    const [table, first, second] = [new LaneTable(), laneOf(Buffer.from('a')), laneOf(Buffer.from('a'))];
    table.add(second);
    table.remove(first);
    expect([...table]).toEqual([second]);
    table.clear();
    table.remove(second);
    expect([table.size, [...table]]).toEqual([0, []]);
  });

  test('the lane of the partition is found by itself alone, an empty key by its bytes', () => {
    const [table, whole, empty] = [new LaneTable(), laneOf(PARTITION_LANE), laneOf(Buffer.alloc(0))];
    expect(whole.hash).toBe(empty.hash);
    table.add(whole);
    expect(table.find(new Uint8Array(0), empty.hash)).toBe(undefined);
    table.add(empty);
    expect(table.find(new Uint8Array(0), empty.hash)).toBe(empty);
    expect(table.find(PARTITION_LANE, whole.hash)).toBe(whole);
  });
});

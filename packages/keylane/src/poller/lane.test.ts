import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordOf, stubPartition } from '../../sim/stations.ts';
import { Delivery } from './delivery.ts';
import { Lane, type LaneState } from './lane.ts';

/** A lane with deliveries of these offsets. */
function laneOf(...offsets: number[]): Lane {
  const lane = new Lane(stubPartition(), Buffer.from('k'), 0);
  for (const offset of offsets) push(lane, offset);
  return lane;
}

function push(lane: Lane, offset: number): void {
  lane.push(new Delivery(recordOf({ offset }), lane, offset, offset, 0));
}

/** Offsets from the head on. */
function offsetsOf(lane: Lane): number[] {
  const offsets = [];
  for (let delivery = lane.head; delivery !== undefined; delivery = delivery.next) offsets.push(delivery.record.offset);
  return offsets;
}

function take(lane: Lane, count: number): void {
  lane.state = 'ready';
  lane.take(count);
}

describe('Lane', () => {
  test('what was pushed first is settled first', () => {
    const lane = laneOf(1, 2, 3);
    take(lane, 3);
    expect([lane.shift(), lane.shift(), lane.shift()].map(({ record }) => record.offset)).toEqual([1, 2, 3]);
    expect([lane.length, lane.inFlight, lane.head]).toEqual([0, 0, undefined]);
  });

  test('a segment is the first records, and counts as in flight in the partition', () => {
    const lane = laneOf(1, 2, 3);
    lane.partition.inFlight = 10;
    take(lane, 2);
    expect([lane.state, lane.inFlight, lane.length, lane.partition.inFlight]).toEqual(['in-flight', 2, 3, 12]);
    lane.shift();
    expect([lane.inFlight, lane.length, lane.partition.inFlight]).toEqual([1, 2, 11]);
  });

  test('one that is counted is counted until it lands', () => {
    const lane = laneOf(1, 2, 3);
    const counted = { lanes: 0 };
    lane.state = 'ready';
    lane.take(2, counted);
    lane.shift();
    expect(counted.lanes).toBe(1);
    lane.land();
    expect(counted.lanes).toBe(0);
    take(lane, 1);
    lane.land();
    expect(counted.lanes).toBe(0);
  });

  test('what is left of a segment is first in line again', () => {
    const lane = laneOf(1, 2, 3, 4);
    take(lane, 3);
    lane.shift();
    push(lane, 5);
    lane.land();
    expect(offsetsOf(lane)).toEqual([2, 3, 4, 5]);
    expect([lane.state, lane.inFlight, lane.partition.inFlight]).toEqual(['idle', 0, 0]);
  });

  test('a lane that ran empty takes new records, and drops the old ones', () => {
    const lane = laneOf(1, 2);
    take(lane, 2);
    const first = lane.shift();
    lane.shift();
    lane.land();
    push(lane, 3);
    expect(offsetsOf(lane)).toEqual([3]);
    expect(first.next).toBeUndefined();
  });

  test.each<LaneState>(['idle', 'in-flight', 'waiting', 'held'])('a lane that is %s is not handed out', (state) => {
    const lane = laneOf(1);
    lane.state = state;
    expect(() => lane.take(1)).toThrow(`a lane was handed out in the state: ${state}`);
    expect(lane.partition.inFlight).toBe(0);
  });

  test.each([0, -1, 3])('a segment of %i records from a lane of 2 is refused', (count) => {
    expect(() => take(laneOf(1, 2), count)).toThrow(`of more records than its lane has, or of none: ${count}`);
  });

  test('only what is in flight can be settled', () => {
    const lane = laneOf(1, 2);
    expect(() => lane.shift()).toThrow('not in flight');
    take(lane, 1);
    lane.shift();
    expect(() => lane.shift()).toThrow('not in flight');
  });

  test.each<LaneState>(['idle', 'ready', 'waiting', 'held'])('a lane that is %s does not land', (state) => {
    const lane = laneOf(1);
    lane.state = state;
    expect(() => lane.land()).toThrow(`a lane landed in the state: ${state}`);
  });

  test('any pushes, segments and landings: equals a plain list', () => {
    const steps = fc.array(fc.record({ pushed: fc.nat(4), taken: fc.nat(6), settled: fc.nat(6) }), { maxLength: 50 });
    fc.assert(
      fc.property(steps, (all) => {
        const lane = laneOf();
        let model: number[] = [];
        let offset = 0;
        for (const { pushed, taken, settled } of all) {
          for (let count = pushed; count > 0; count -= 1, offset += 1) {
            push(lane, offset);
            model.push(offset);
          }
          const segment = Math.min(taken, model.length);
          if (segment === 0) continue;
          take(lane, segment);
          const done = Math.min(settled, segment);
          for (let index = 0; index < done; index += 1) expect(lane.shift().record.offset).toBe(model[index]);
          model = model.slice(done);
          expect(lane.partition.inFlight).toBe(segment - done);
          lane.land();
          expect([offsetsOf(lane), lane.length, lane.partition.inFlight]).toEqual([model, model.length, 0]);
        }
      }),
    );
  });
});

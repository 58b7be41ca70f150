import { describe, expect, test } from 'vitest';
import { RESOLVED } from '../../sim/stations.ts';
import { HandlerError } from '../errors.ts';
import type { KafkaRecord, RecordHeader } from '../wire/record.ts';
import { withoutDeadLetterHeaders } from './dead-letter-headers.ts';
import { failedRecordOf, followingRecordOf, type ParkTopicRecord, parkTopicOf, readParked, releaseOf } from './park.ts';
import { ParkedKeys, type PlacedRecord, replayedFrom } from './parked-keys.ts';

const at = (offset: number, partition = 0) => ({ topic: 'p', partition, offset });
const from = (place: string): RecordHeader[] => [['keylane_replayed-from', Buffer.from(place)]];
const placed = (offset: number, headers: RecordHeader[] = []): PlacedRecord => ({
  topic: 't',
  partition: 0,
  offset,
  headers,
});
const first = (offset: number): RecordHeader => ['keylane_parked-from', Buffer.from(`t[0]@${offset}`)];
/** A record that comes back from this place of the park topic, consumed first at `rank`. */
const back = (offset: number, rank = offset) => placed(100 + offset, [first(rank), ...from(`p[0]@${offset}`)]);

describe('ParkedKeys', () => {
  test('only what comes back is handled, and the last one releases the key', () => {
    const keys = new ParkedKeys();
    keys.parked('k', at(4), 4);
    keys.parked('k', at(6), 6);
    expect([keys.size, keys.has('k'), keys.has('other'), keys.has(undefined)]).toEqual([1, true, false, false]);
    expect([
      keys.mustFollow('k', placed(9)),
      keys.mustFollow('other', placed(9)),
      keys.mustFollow(undefined, placed(9)),
    ]).toEqual([...[true, false, false]]);
    expect([keys.mustFollow('k', back(4)), keys.releasedBy('k', back(4).headers)]).toEqual([false, undefined]);
    keys.released('k', 4);
    expect([keys.has('k'), keys.releasedBy('k', back(5).headers)]).toEqual([true, undefined]);
    expect([keys.mustFollow('k', back(6)), keys.releasedBy('k', back(6).headers)]).toEqual([false, 6]);
    expect([keys.releasedBy('k', []), keys.releasedBy(undefined, back(6).headers)]).toEqual([undefined, undefined]);
    keys.released('k', 6);
    expect([keys.size, keys.mustFollow('k', placed(9))]).toEqual([0, false]);
  });

  test('with one that failed again, all that come after it and were parked before it follow once more', () => {
    const keys = new ParkedKeys();
    keys.parked('k', at(0), 0);
    keys.parked('k', at(1), 1);
    keys.parked('k', at(5), 0);
    expect([keys.mustFollow('k', back(1)), keys.mustFollow('k', back(0)), keys.mustFollow('k', back(5, 0))]).toEqual([
      ...[true, false, false],
    ]);
  });

  test('a release says nothing of what was parked after it was decided', () => {
    const keys = new ParkedKeys();
    keys.parked('k', at(0), 0);
    keys.parked('k', at(3), 3);
    keys.released('k', 0);
    keys.released('other', 9);
    expect(keys.has('k')).toBe(true);
  });

  test('a record that was replayed twice is handled twice, and nothing waits for it', () => {
    const keys = new ParkedKeys();
    keys.parked('k', at(0), 0);
    keys.parked('k', at(1), 1);
    expect([keys.mustFollow('k', back(0)), keys.mustFollow('k', back(0))]).toEqual([false, false]);
    keys.released('k', 1);
    expect([keys.mustFollow('k', back(1)), keys.releasedBy('k', back(1).headers)]).toEqual([false, undefined]);
  });

  test.each([
    { what: 'another topic', headers: from('q[0]@0') },
    { what: 'another partition', headers: from('p[1]@0') },
    { what: 'nowhere', headers: from('nonsense') },
    { what: 'no offset', headers: from('p[0]@') },
  ])('what says that it comes from $what follows', ({ headers }) => {
    const keys = new ParkedKeys();
    keys.parked('k', at(0), 0);
    expect([keys.mustFollow('k', placed(9, headers)), keys.releasedBy('k', headers)]).toEqual([true, undefined]);
  });

  test('of a place that is said twice the last counts; names of topics may have brackets', () => {
    expect(replayedFrom([...from('p[0]@1'), ...from('a[1]b[2]@3')])).toEqual({
      topic: 'a[1]b',
      partition: 2,
      offset: 3,
    });
  });
});

/** A park topic of one partition, replayed in the order of its log, by one that handles what `ParkedKeys` lets it. */
class World {
  readonly park: (ParkTopicRecord & { readonly name: string })[] = [];
  readonly handled: string[] = [];
  readonly bad: Set<string> = new Set();
  keys: ParkedKeys = new ParkedKeys();
  readonly #basis = { policy: RESOLVED.deadLetter, park: { topic: 'p' }, group: 'g' };
  readonly #replayed: Set<number> = new Set();
  /** Of the source. */
  #offset = 0;

  /** A record is next in its lane. */
  arrive(name: string, headers: readonly RecordHeader[] = []): void {
    this.#offset += 1;
    const place = { topic: 't', partition: 0, offset: this.#offset, timestamp: 0, leaderEpoch: 0 };
    const record: KafkaRecord = { ...place, key: Buffer.from('k'), value: Buffer.from(name), headers };
    const error = new HandlerError({ ...record, attempt: 1 }, new Error('no'));
    if (this.keys.mustFollow('k', record)) this.#append(name, followingRecordOf(this.#basis, record, 0, 'k').headers);
    else if (this.bad.has(name)) this.#append(name, failedRecordOf(this.#basis, record, error, 0, 'k').headers);
    else {
      this.handled.push(name);
      const upTo = this.keys.releasedBy('k', headers);
      if (upTo !== undefined) this.#append('released', releaseOf(this.#basis, record, 'k', upTo).headers);
    }
  }

  /** What a restart finds. */
  reread(): void {
    this.keys = new ParkedKeys();
    for (const record of this.park) readParked(record, () => this.keys);
  }

  /** What was not replayed so far, as it is produced again. */
  due(): { name: string; headers: RecordHeader[] }[] {
    const due = this.park.filter(({ name, offset }) => name !== 'released' && !this.#replayed.has(offset));
    for (const { offset } of due) this.#replayed.add(offset);
    return due.map(({ name, headers, offset }) => {
      return { name, headers: [...withoutDeadLetterHeaders(headers), ...from(`p[0]@${offset}`)] };
    });
  }

  #append(name: string, headers: readonly RecordHeader[]): void {
    const record = { name, headers, ...at(this.park.length) };
    this.park.push(record);
    readParked(record, () => this.keys);
  }
}

test.each([
  { name: 'names none', topic: () => '', says: /must name another topic for orders/ },
  { name: 'names the source', topic: (source: string) => source, says: /must name another topic for orders/ },
  {
    name: 'throws',
    topic: () => {
      throw new Error('which?');
    },
    says: /park.topic threw for topic orders: which\?/,
  },
])('a park topic function that $name is a wrong option', ({ topic, says }) => {
  expect(() => parkTopicOf({ topic }, 'orders')).toThrow(expect.objectContaining({ code: 'ERR_OPTION_INVALID' }));
  expect(() => parkTopicOf({ topic }, 'orders')).toThrow(says);
});

describe('a parked key', () => {
  test('what fails again keeps its place before what arrived meanwhile, also over a restart', () => {
    const world = new World();
    world.bad.add('1');
    for (const name of ['1', '2']) world.arrive(name);
    const [one, two] = world.due();
    world.arrive('1', one?.headers);
    world.arrive('3');
    world.reread();
    world.arrive('2', two?.headers);
    world.bad.clear();
    while (world.keys.size > 0) for (const { name, headers } of world.due()) world.arrive(name, headers);
    world.arrive('4');
    expect([world.handled, world.keys.size]).toEqual([['1', '2', '3', '4'], 0]);
  });

  test('whatever fails, arrives, and is replayed or read again in between: its order is kept', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      let state = seed;
      const below = (limit: number) => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 8) % limit;
      };
      const world = new World();
      let [next, rounds] = [0, 0];
      const arrive = () => {
        next += 1;
        if (below(4) === 0) world.bad.add(`${next}`);
        world.arrive(`${next}`);
      };
      for (let step = 0; step < 8; step += 1) arrive();
      while (world.keys.size > 0 && rounds < 50) {
        rounds += 1;
        if (rounds > 4) world.bad.clear();
        for (const { name, headers } of world.due()) {
          if (rounds < 4 && below(3) === 0) arrive();
          if (below(3) === 0) world.bad.delete(name);
          if (below(5) === 0) world.reread();
          world.arrive(name, headers);
        }
      }
      expect(world.handled, `seed ${seed}`).toEqual(Array.from({ length: next }, (_, index) => `${index + 1}`));
    }
  });
});

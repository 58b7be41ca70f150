import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stubPartition } from '../../sim/stations.ts';
import { HandlerError } from '../errors.ts';
import { type ClientRecord, toKafkaRecord } from '../poller/client.ts';
import { Delivery } from '../poller/delivery.ts';
import { Lane } from '../poller/lane.ts';
import { FRAME_RING_BYTES } from '../wire/frame.ts';
import { Ring } from '../wire/ring.ts';
import { readFrame, type Segment, takeFrame } from '../worker/frame-reader.ts';
import { FrameWriter, frameEnd } from './frame-writer.ts';

type Content = Partial<Omit<ClientRecord, 'topic' | 'partition'>> & {
  readonly attempt?: number;
  readonly fails?: readonly Error[];
};

/** A lane of these records, the first `inFlight` of them (default: all) as the segment to send. */
function laneOf(topic: string, partition: number, contents: readonly Content[], inFlight = contents.length): Lane {
  const lane = new Lane(
    stubPartition({ topic, partition, lease: { index: 7 + partition, generation: 2 ** 31 - 1 } }),
    undefined,
    0,
  );
  contents.forEach(({ attempt = 1, fails = [], ...content }, index) => {
    const record = { topic, partition, offset: index, timestamp: -1, key: null, value: null, ...content };
    const delivery = new Delivery(record, lane, index, index, 0);
    delivery.attempt = attempt;
    delivery.errors = fails.map((cause) => new HandlerError({ ...record, attempt }, cause));
    lane.push(delivery);
  });
  lane.state = 'ready';
  if (inFlight > 0) lane.take(inFlight);
  return lane;
}

/** What the thread must get of a lane: the records of its segment as handlers see them. */
function expectedOf(lane: Lane, laneId: number): Segment {
  const records = [];
  for (let next = lane.head; next !== undefined && records.length < lane.inFlight; next = next.next) {
    const { record, attempt, previousError } = next;
    records.push({ record: toKafkaRecord(record), attempt, previousError });
  }
  return { laneId, lease: lane.partition.lease, records };
}

/** A thread's two ends: frames are written here, and read there. */
class Wire {
  readonly topics: string[] = [];
  readonly writer: FrameWriter;
  readonly #there: Ring;

  constructor() {
    const ring = new Ring(FRAME_RING_BYTES);
    this.writer = new FrameWriter(ring);
    this.#there = new Ring(ring.buffer);
  }

  send(lanes: readonly Lane[], laneIds: readonly number[] = lanes.map((_, id) => id)): Segment[] {
    const message = this.writer.write(lanes, laneIds);
    const transfer = message.frame instanceof ArrayBuffer ? [message.frame] : [];
    const { frame, topics, errors } = structuredClone(message, { transfer });
    this.topics.push(...topics);
    return readFrame(frame instanceof ArrayBuffer ? frame : takeFrame(this.#there, frame), this.topics, errors);
  }
}

function roundTrip(...lanes: Lane[]): Segment[] {
  return new Wire().send(lanes);
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const headers = fc.array(
  fc.tuple(fc.string({ unit: 'grapheme', maxLength: 12 }), bytes(30)).map(([name, value]) => ({ [name]: value })),
  { maxLength: 5 },
);
const content = fc.record(
  {
    offset: fc.nat(Number.MAX_SAFE_INTEGER),
    timestamp: fc.integer({ min: -1, max: 2 ** 45 }),
    key: fc.option(bytes(40)),
    value: fc.option(fc.oneof({ weight: 9, arbitrary: bytes(60) }, { weight: 1, arbitrary: bytes(5_000) })),
    headers,
    leaderEpoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
    attempt: fc.integer({ min: 1, max: 1_000 }),
    fails: fc.array(
      fc.string().map((message) => new TypeError(message)),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ['offset', 'timestamp', 'key', 'value'] },
);
const laneContents = fc.record({
  topic: fc.constantFrom('orders', 'payments', 'ü-名', 'a'.repeat(249)),
  partition: fc.nat(10_000),
  contents: fc.array(content, { minLength: 1, maxLength: 8 }),
  waiting: fc.nat(7),
  laneId: fc.nat(2 ** 31 - 1),
});

describe('a frame', () => {
  test.each<{ name: string; contents: Content[] }>([
    { name: 'no key and no value', contents: [{}] },
    { name: 'an empty key is no null', contents: [{ key: Buffer.alloc(0), value: null }] },
    { name: 'an empty value is no tombstone', contents: [{ key: null, value: Buffer.alloc(0) }] },
    { name: 'bytes that are no UTF-8', contents: [{ key: Buffer.of(0xff, 0xfe, 0), value: Buffer.of(0x80) }] },
    { name: 'an empty list of headers', contents: [{ headers: [] }] },
    {
      name: 'repeated headers in their order, binary and empty',
      contents: [{ headers: [{ a: Buffer.of(0xff, 0) }, { b: Buffer.alloc(0) }, { a: Buffer.from('2') }] }],
    },
    {
      name: 'UTF-8 header names',
      contents: [{ headers: [{ 'größe-鍵-🔑': Buffer.from('x') }, { '': Buffer.from('y') }] }],
    },
    { name: 'the largest offset', contents: [{ offset: Number.MAX_SAFE_INTEGER, timestamp: 4_102_444_800_000 }] },
    { name: 'a later attempt, and an epoch', contents: [{ attempt: 7, leaderEpoch: 12 }, { attempt: 1 }] },
    // The two ways of copying meet at 24 bytes.
    ...[23, 24, 25].map((length) => ({
      name: `a value of ${length} bytes`,
      contents: [{ value: Buffer.alloc(length, 7) }],
    })),
  ])('brings a record as it is: $name', ({ contents }) => {
    const lane = laneOf('t', 3, contents);
    expect(roundTrip(lane)).toEqual([expectedOf(lane, 0)]);
  });

  test('any lanes of any records, frame after frame', () => {
    fc.assert(
      fc.property(fc.array(fc.array(laneContents, { minLength: 1, maxLength: 5 }), { maxLength: 4 }), (frames) => {
        const wire = new Wire();
        for (const frame of frames) {
          const lanes = frame.map(({ topic, partition, contents, waiting }) =>
            laneOf(topic, partition, contents, Math.max(1, contents.length - waiting)),
          );
          const laneIds = frame.map(({ laneId }) => laneId);
          const expected = lanes.map((lane, index) => expectedOf(lane, laneIds[index] as number));
          expect(wire.send(lanes, laneIds)).toEqual(expected);
        }
        expect(new Set(wire.topics).size).toBe(wire.topics.length);
      }),
    );
  });

  test('what a record failed with comes to that record and to no other, as data', () => {
    const failed = new RangeError('no', { cause: Object.assign(new Error('deep'), { code: 'EDEEP' }) });
    const other = { attempt: 3, fails: [new Error('older'), Object.assign(failed, { retryable: false })] };
    const [first, second] = roundTrip(laneOf('t', 0, [{}, other, {}]), laneOf('t', 1, [{ fails: [new Error('2')] }]));
    const errors = [first, second].map((segment) => segment?.records.map(({ previousError }) => previousError));
    const { name, message, stack } = failed;
    const cause = { message: 'deep', code: 'EDEEP' };
    expect(errors).toMatchObject([
      [undefined, { name, message, stack, retryable: false, cause }, undefined],
      [{ message: '2' }],
    ]);
  });

  test('of records that never failed has nothing beside its frame and topics', () => {
    expect(Object.keys(new Wire().writer.write([laneOf('t', 0, [{}, {}])], [0]))).toEqual(['frame', 'topics']);
  });

  test('a value of 8 MB between small ones', () => {
    const large = Buffer.alloc(8 * 2 ** 20, 'large');
    const [segment] = roundTrip(
      laneOf('t', 0, [{ value: Buffer.from('a') }, { value: large }, { value: Buffer.from('b') }]),
    );
    const values = segment?.records.map(({ record }) => record.value as Buffer);
    expect(values?.map((value) => value.length)).toEqual([1, large.length, 1]);
    expect([values?.[1]?.equals(large), String(values?.[2])]).toEqual([true, 'b']);
  });

  test('a topic is named once to a thread, and to every thread', () => {
    const { writer } = new Wire();
    const topicsOf = (...names: string[]) =>
      writer.write(
        names.map((name) => laneOf(name, 0, [{}])),
        names.map((_, id) => id),
      ).topics;
    expect([topicsOf('a', 'b', 'a'), topicsOf('b'), topicsOf('c', 'a')]).toEqual([['a', 'b'], [], ['c']]);
    expect(new Wire().writer.write([laneOf('c', 0, [{}])], [0]).topics).toEqual(['c']);
  });

  test('only the segment is sent: what waits behind it stays', () => {
    const [segment] = roundTrip(laneOf('t', 0, [{}, {}, {}], 2));
    expect(segment?.records.map(({ record }) => record.offset)).toEqual([0, 1]);
  });

  test('the poller keeps its own bytes: the record may have to be sent again', () => {
    const [key, value] = [Buffer.from('key'), Buffer.alloc(100, 'v')];
    const lane = laneOf('t', 0, [{ key, value, headers: [{ a: value }] }]);
    const [first] = roundTrip(lane);
    const record = first?.records[0]?.record;
    for (const part of [record?.key, record?.value, record?.headers[0]?.[1]]) part?.fill(0);
    expect([String(key), String(value)]).toEqual(['key', 'v'.repeat(100)]);
    expect(roundTrip(lane)).toEqual([expectedOf(lane, 0)]);
  });

  test.each([
    { name: 'small ones are one frame', bytes: [1_000, 1_000, 1_000], ends: [3] },
    { name: 'up to a mebibyte', bytes: [2 ** 19, 2 ** 19, 1], ends: [2, 3] },
    { name: 'each too large', bytes: [2 ** 21, 2 ** 21, 2 ** 21], ends: [1, 2, 3] },
    { name: 'none', bytes: [], ends: [] },
  ])('frames end where a handler that waits would keep too much: $name', ({ bytes, ends }) => {
    const lanes = bytes.map((size) => {
      const lane = laneOf('t', 0, []);
      // Half of it each, and one more that is not sent.
      for (const count of [size / 2, size / 2, 2 ** 30])
        lane.push(
          new Delivery(
            { topic: 't', partition: 0, offset: 0, timestamp: 0, key: null, value: null },
            lane,
            0,
            0,
            count,
          ),
        );
      lane.inFlight = 2;
      return lane;
    });
    const found: number[] = [];
    for (let first = 0; first < lanes.length; first = found.at(-1) as number) found.push(frameEnd(lanes, first));
    expect(found).toEqual(ends);
  });

  test('reading copies nothing: keys and values are views into the frame', () => {
    const lane = laneOf('t', 0, [{ key: Buffer.from('k'), value: Buffer.from('v') }]);
    const ring = new Ring(FRAME_RING_BYTES);
    const { frame } = new FrameWriter(ring).write([lane], [0]);
    const buffer = takeFrame(new Ring(ring.buffer), frame as number);
    const record = readFrame(buffer, ['t'])[0]?.records[0]?.record;
    expect([record?.key?.buffer, record?.value?.buffer]).toEqual([buffer, buffer]);
    expect(record?.key?.buffer).toBe(buffer);
  });
});

import { describe, expect, test } from 'vitest';
import { stubLoad } from '../../sim/dispatching.ts';
import { FakeClock } from '../../sim/fake-clock.ts';
import { RESOLVED, recordOf, sharedOf, uncommittedOf } from '../../sim/stations.ts';
import { FloodError, HandlerError, type KeylaneError } from '../errors.ts';
import { Events } from '../events.ts';
import type { ExecutorThread } from '../executor/executor.ts';
import type { ResolvedOptions } from '../options.ts';
import { NonRetryableError } from '../wire/non-retryable.ts';
import type { ClientRecord } from './client.ts';
import type { Delivery } from './delivery.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Lane } from './lane.ts';
import { Leaving } from './leaving.ts';
import type { Letter } from './outbox.ts';
import { Partition } from './partition.ts';
import { Settle } from './settle.ts';
import { later } from './verdict.ts';

type Options = Partial<Omit<ResolvedOptions, 'deadLetter'>> & {
  readonly deadLetter?: Partial<ResolvedOptions['deadLetter']>;
};

/**
 * Settle over one partition, a thread that takes one record of each lane, and an outbox whose letters the test sends.
 */
class Scene {
  readonly clock: FakeClock = new FakeClock();
  readonly letters: Letter[] = [];
  readonly told: string[] = [];
  readonly fatal: KeylaneError[] = [];
  readonly warnings: KeylaneError[] = [];
  readonly partition: Partition;
  readonly leaving: Leaving;
  readonly settle: Settle;
  readonly #running: Lane[] = [];
  readonly #dispatcher: Dispatcher;

  constructor(options: Options = {}) {
    const deadLetter = { ...RESOLVED.deadLetter, ...options.deadLetter };
    const thread: ExecutorThread = { id: 0, load: stubLoad(1), send: (lanes) => void this.#running.push(...lanes) };
    const events = new Events();
    this.#dispatcher = new Dispatcher([thread], { affinity: 'preferred' }, (lane) => this.leaving.follow(lane));
    this.partition = new Partition({ topic: 't', partition: 0 }, sharedOf({ deadLetter, park: options.park }));
    if (this.partition.parked !== undefined) this.partition.parked.known = true;
    events.on('warning', (error) => void this.warnings.push(error));
    events.on('halted', ({ topic, partition }) => void this.told.push(`halted ${topic}[${partition}]`));
    events.on('skipped', ({ error }) => void this.told.push(`skipped ${error.offset}`));
    events.on('released', ({ record }) => void this.told.push(`released ${record.key}`));
    events.on('dead-letter', ({ error, destination }) => {
      this.told.push(`${error.offset} in ${destination.topic}[${destination.partition}]@${destination.offset}`);
    });
    const resolved: ResolvedOptions = { ...RESOLVED, onExhausted: 'dead-letter', ...options, deadLetter };
    this.leaving = new Leaving({
      options: resolved,
      clock: this.clock,
      events,
      outbox: { send: (letter) => void this.letters.push(letter) },
      onLeft: (lane, wasHandled) => this.settle.onLeft(lane, wasHandled),
      onSettled: () => this.settle.onReported(),
    });
    this.settle = new Settle({
      options: resolved,
      clock: this.clock,
      random: () => 0.5,
      events,
      dispatcher: this.#dispatcher,
      leaving: this.leaving,
      onSettled: () => undefined,
      onHalted: () => undefined,
      onFatal: (error) => void this.fatal.push(error),
    });
  }

  /** Records of these keys arrive. */
  arrive(...keys: string[]): void {
    for (const key of keys) this.arriveWith(key, []);
  }

  arriveWith(key: string, headers: NonNullable<ClientRecord['headers']>): void {
    const offset = this.partition.tracker.position ?? 0;
    const record = recordOf({ offset, key, value: Buffer.from(key), headers });
    const { lane } = this.partition.register(record, offset) as Delivery;
    if (lane.state === 'idle') this.#dispatcher.enqueue(lane);
    this.#dispatcher.dispatch();
  }

  /** What is with the thread, as `key@offset`. */
  get running(): string[] {
    return this.#running.map(({ key, head }) => `${key}@${head?.record.offset}`);
  }

  fail(key: string, error: Error = new NonRetryableError('no'), stage: HandlerError['stage'] = 'handle'): void {
    this.settle.onFailed(this.#end(key), error, stage);
    this.settle.onReported();
  }

  complete(key: string): void {
    this.settle.onCompleted(this.#end(key), 1);
    this.settle.onReported();
  }

  /** The brokers have the next letter. */
  send(offset = 9): void {
    const letter = this.letters.shift() as Letter;
    letter.onSent({ topic: letter.record.topic, partition: 0, offset });
  }

  resume(): void {
    this.partition.unhalt();
    this.#dispatcher.release(this.partition);
    this.#dispatcher.dispatch();
  }

  #end(key: string): Lane {
    const place = this.#running.findIndex((lane) => lane.name === key);
    return this.#running.splice(place, 1)[0] as Lane;
  }
}

describe('Settle, exhausted: dead-letter', () => {
  test('the record is complete when the brokers have its dead letter, and its key goes on then', () => {
    const scene = new Scene();
    scene.arrive('a', 'a', 'b');
    scene.fail('a');
    scene.complete('b');
    expect([uncommittedOf(scene.partition), scene.running, scene.letters.length]).toEqual([0, [], 1]);
    scene.send();
    expect([uncommittedOf(scene.partition), scene.running, scene.told]).toEqual([1, ['a@1'], ['0 in t-dlt[0]@9']]);
    scene.complete('a');
    expect([uncommittedOf(scene.partition), scene.partition.inFlight, scene.partition.lanes.size]).toEqual([3, 0, 0]);
    expect(scene.settle).toMatchObject({ completed: 2, retried: 0 });
    expect(scene.leaving.counts).toEqual({ deadLettered: 1, parked: 0, skipped: 0 });
  });

  test('the letter is the record, with what became of it', () => {
    const scene = new Scene({ retry: { ...RESOLVED.retry, attemptsMax: 1 } });
    scene.arrive('a');
    scene.fail('a', new RangeError('too far'));
    const [letter] = scene.letters;
    expect(letter?.record).toMatchObject({
      topic: 't-dlt',
      key: Buffer.from('a'),
      value: Buffer.from('a'),
      timestamp: 0,
    });
    const headers = new Map(letter?.record.headers.map(([name, value]) => [name, String(value)]));
    expect(headers.get('kafka_dlt-exception-fqcn')).toBe('RangeError');
    expect(headers.get('keylane_attempts')).toBe('1');
    expect(letter?.what).toContain(headers.get('keylane_trace-id'));
  });

  test('a drain waits for it, and a closed partition does not mind it', () => {
    const scene = new Scene();
    scene.arrive('a', 'a');
    scene.fail('a');
    scene.partition.drain();
    expect(scene.partition.inFlight).toBe(1);
    scene.send();
    expect([scene.partition.inFlight, uncommittedOf(scene.partition), scene.running]).toEqual([0, 1, []]);

    const closed = new Scene();
    closed.arrive('a');
    closed.fail('a');
    closed.partition.close();
    closed.send();
    expect([closed.partition.tracker.committable, closed.partition.bufferedRecords]).toEqual([0, 0]);
  });

  test('a topic function that throws makes the consumer fail, and nothing is completed', () => {
    const topic = () => {
      throw new Error('which one?');
    };
    const scene = new Scene({ deadLetter: { topic } });
    scene.arrive('a');
    scene.fail('a');
    expect(scene.fatal[0]?.message).toBe('deadLetter.topic threw for t[0]@0: which one?');
    expect([scene.letters, uncommittedOf(scene.partition)]).toEqual([[], 0]);
  });
});

describe('Settle, exhausted: skip and stop', () => {
  test('skipped, it is complete at once', () => {
    const scene = new Scene({ onExhausted: 'skip' });
    scene.arrive('a', 'a');
    scene.fail('a');
    expect([scene.told, scene.running, uncommittedOf(scene.partition)]).toEqual([['skipped 0'], ['a@1'], 1]);
    expect([scene.settle.completed, scene.leaving.counts.skipped]).toEqual([0, 1]);
  });

  test('stop: the consumer fails with the error', () => {
    const scene = new Scene({ onExhausted: 'stop' });
    scene.arrive('a');
    scene.fail('a');
    expect(scene.fatal).toEqual([expect.any(HandlerError)]);
    expect(uncommittedOf(scene.partition)).toBe(0);
  });

  test('a record nobody can decode is exhausted at once', () => {
    const scene = new Scene({ onExhausted: 'skip' });
    scene.arrive('a');
    scene.fail('a', new Error('no JSON'), 'deserialize');
    expect(scene.told).toEqual(['skipped 0']);
  });
});

describe('Settle, what failed before', () => {
  test('later is no attempt, and has no end of its own', () => {
    const scene = new Scene({ retry: { ...RESOLVED.retry, attemptsMax: 1 }, onError: () => later(100) });
    scene.arrive('a');
    for (let round = 1; round <= 10; round += 1) {
      scene.fail('a', new Error(`round ${round}`));
      expect([scene.running, scene.partition.waiting.records]).toEqual([[], 1]);
      scene.clock.step();
      expect(scene.partition.waiting.records).toBe(0);
    }
    const head = [...scene.partition.lanes][0]?.head;
    expect(head?.attempt).toBe(1);
    expect(head?.errors.map(({ message }) => message.slice(-8))).toEqual(
      [6, 7, 8, 9, 10].map((n) => `round ${n}`.padStart(8)),
    );
  });

  test('all failures of a delivery have one trace', () => {
    const traces: string[] = [];
    const scene = new Scene({
      onError: (error, { errors }) => {
        traces.push(error.traceId, ...errors.map(({ traceId }) => traceId));
        return undefined;
      },
    });
    scene.arrive('a');
    scene.fail('a', new Error('one'));
    scene.clock.step();
    scene.fail('a');
    expect(new Set(traces)).toEqual(new Set(['8'.repeat(32)]));
    expect(traces).toHaveLength(5);
  });
});

describe('Settle, a flood of exhausted records', () => {
  test('one too many and its partition hands out no more; what failed by then runs again when it is resumed', () => {
    const scene = new Scene({ onExhausted: 'skip', deadLetter: { consecutiveMax: 2 } });
    scene.arrive('a', 'b', 'c', 'd', 'e');
    for (const key of ['a', 'b']) scene.fail(key);
    expect(scene.partition.handsOut).toBe(true);
    scene.fail('c');
    scene.fail('d', new NonRetryableError('was under way'));
    scene.complete('e');
    scene.arrive('f');
    expect(scene.told).toEqual(['skipped 0', 'skipped 1', 'halted t[0]']);
    expect(scene.warnings).toEqual([expect.any(FloodError)]);
    expect(scene.warnings[0]).toMatchObject({ code: 'ERR_FLOOD', at: { topic: 't', partition: 0 } });
    expect([scene.running, scene.partition.handsOut, uncommittedOf(scene.partition)]).toEqual([[], false, 2]);
    scene.resume();
    expect(scene.running).toEqual(['c@2', 'd@3', 'f@5']);
    for (const key of ['c', 'd', 'f']) scene.complete(key);
    expect(uncommittedOf(scene.partition)).toBe(6);
  });

  test('resumed, it counts anew', () => {
    const scene = new Scene({ onExhausted: 'skip', deadLetter: { consecutiveMax: 1 } });
    scene.arrive('a', 'b');
    for (const key of ['a', 'b']) scene.fail(key);
    scene.resume();
    scene.fail('b');
    expect([scene.partition.handsOut, uncommittedOf(scene.partition)]).toEqual([true, 2]);
  });
});

describe('Settle, parked keys', () => {
  const PARK = { onExhausted: 'park', park: { topic: (topic: string) => `${topic}-parked` } } as const;
  /** The key a is parked. */
  const parked = (options: Options = {}) => {
    const scene = new Scene({ ...PARK, ...options });
    scene.arrive('a');
    scene.fail('a');
    scene.send(0);
    return scene;
  };
  const back = (offset: number) => [{ 'keylane_replayed-from': Buffer.from(`t-parked[0]@${offset}`) }];

  /** What the letters on their way are, by what they say. */
  const kinds = ({ letters }: Scene) =>
    letters.map(({ record }) => {
      const said = new Map(record.headers.map(([name, value]) => [name, String(value)]));
      return said.get('keylane_parked') ?? `released ${said.get('keylane_released')}`;
    });

  test('a drain waits for the record that follows; what is behind it stays incomplete', () => {
    const scene = new Scene(PARK);
    scene.arrive('a', 'a', 'a', 'b');
    scene.fail('a');
    scene.complete('b');
    scene.send(0);
    expect([kinds(scene), scene.running, uncommittedOf(scene.partition)]).toEqual([['follows'], [], 1]);
    scene.partition.drain();
    expect(scene.partition.inFlight).toBe(1);
    scene.send(1);
    expect([kinds(scene), scene.partition.inFlight, uncommittedOf(scene.partition)]).toEqual([[], 0, 2]);
    expect(scene.leaving.counts).toEqual({ deadLettered: 0, parked: 2, skipped: 0 });
  });

  test('a record that comes back is complete when the park topic knows', () => {
    const scene = parked();
    scene.arriveWith('a', back(0));
    expect(scene.running).toEqual(['a@1']);
    scene.arrive('a');
    scene.complete('a');
    // The next of its key neither runs nor follows until then.
    expect([kinds(scene), scene.running, uncommittedOf(scene.partition)]).toEqual([['released 0'], [], 1]);
    scene.send(1);
    expect([scene.told, scene.running, uncommittedOf(scene.partition)]).toEqual([['released a'], ['a@2'], 2]);
    scene.complete('a');
    expect([scene.partition.lanes.size, scene.partition.inFlight, scene.partition.parked?.size]).toEqual([0, 0, 0]);
  });

  test('what comes back and is handled ends a run of failures', () => {
    const scene = parked({ deadLetter: { consecutiveMax: 1 } });
    scene.arriveWith('a', back(0));
    scene.complete('a');
    scene.send(1);
    scene.arrive('b');
    scene.fail('b');
    expect([scene.partition.halted, kinds(scene)]).toEqual([false, ['failed']]);
  });

  test('a partition that is gone learns of neither: whoever has it now reads the park topic', () => {
    for (const when of ['follow', 'release'] as const) {
      const scene = parked();
      scene.arriveWith('a', when === 'release' ? back(0) : []);
      if (when === 'release') scene.complete('a');
      const { committable } = scene.partition.tracker;
      scene.partition.close();
      scene.send(1);
      expect([scene.partition.tracker.committable, scene.partition.bufferedRecords]).toEqual([committable, 0]);
      expect(scene.fatal).toEqual([]);
    }
  });

  test('what a drain interrupts is parked by nobody', () => {
    const scene = new Scene(PARK);
    scene.arrive('a', 'b');
    scene.partition.drain();
    scene.fail('a');
    scene.complete('b');
    expect([scene.letters, scene.partition.inFlight, uncommittedOf(scene.partition)]).toEqual([[], 0, 0]);
  });
});

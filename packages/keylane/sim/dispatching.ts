/**
 * What the tests of the dispatcher have in common: threads that note what they are sent, and lanes that arrive and end.
 */
import type { ExecutorThread, ThreadLoadView } from '../src/executor/executor.ts';
import type { Delivery } from '../src/poller/delivery.ts';
import { Dispatcher } from '../src/poller/dispatcher.ts';
import type { Lane } from '../src/poller/lane.ts';
import { hashOfKey } from '../src/poller/lane-key.ts';
import { Partition } from '../src/poller/partition.ts';
import { recordOf, type SharedLimits, sharedOf } from './stations.ts';

/** How much a thread takes. */
interface Limits {
  readonly slots?: number;
  /** Segments it takes beyond its slots. */
  readonly ahead?: number;
  readonly segmentMax?: number;
  /** Whether its handlers take long. */
  readonly slow?: boolean;
  /** Whether it ran any. */
  readonly measured?: boolean;
}

class FakeLoad implements ThreadLoadView {
  records = 0;
  lanes = 0;
  readonly #limits: Required<Limits>;

  constructor({ slots = 1, ahead = 0, segmentMax = 100, slow = false, measured = true }: Limits) {
    this.#limits = { slots, ahead, segmentMax, slow, measured };
  }

  get freeSlots(): number {
    return Math.max(0, this.#limits.slots - this.lanes);
  }

  get hungry(): boolean {
    return this.lanes < this.#limits.slots + this.#limits.ahead;
  }

  get slots(): number {
    return this.#limits.slots;
  }

  get slow(): boolean {
    return this.#limits.slow;
  }

  get measured(): boolean {
    return this.#limits.measured;
  }

  segmentRoom(): number {
    return this.hungry ? this.#limits.segmentMax : 0;
  }

  add(records: number): void {
    this.lanes += 1;
    this.records += records;
  }
}

/** The load of a thread that takes segments of so many records, for ever; with 0 it takes none. */
export function stubLoad(segmentRoom: number): ThreadLoadView {
  const slots = Math.sign(segmentRoom);
  return {
    records: 0,
    slots,
    freeSlots: slots,
    slow: false,
    measured: true,
    hungry: segmentRoom > 0,
    segmentRoom: () => segmentRoom,
    add: () => undefined,
  };
}

class FakeThread implements ExecutorThread {
  readonly id: number;
  readonly load: FakeLoad;
  /** The keys of each frame's lanes, and how many records of each. */
  readonly frames: string[][] = [];

  constructor(id: number, limits: Limits) {
    this.id = id;
    this.load = new FakeLoad(limits);
  }

  send(lanes: readonly Lane[]): void {
    this.frames.push(lanes.map(({ key, inFlight }) => `${key}:${inFlight}`));
  }
}

/** A dispatcher over threads with these limits, and a partition to begin with. */
export function dispatcherOver(
  limits: readonly Limits[],
  affinity: 'preferred' | 'strict' = 'preferred',
  shared: SharedLimits = {},
) {
  const threads = limits.map((limit, id) => new FakeThread(id, limit));
  const parts = sharedOf(shared, { threads: limits.length });
  const partitionOf = (partition: number) => new Partition({ topic: 't', partition }, parts);
  const dispatcher = new Dispatcher(threads, { affinity });
  const framesOf = () => threads.map(({ frames }) => frames.splice(0).flat());
  return { dispatcher, threads, partition: partitionOf(0), partitionOf, framesOf };
}

/** `count` keys that prefer this thread. */
export function keysOf(thread: number, threads: number, count: number): string[] {
  const keys = [];
  for (let index = 0; keys.length < count; index += 1) {
    if (hashOfKey(Buffer.from(`k${index}`)) % threads === thread) keys.push(`k${index}`);
  }
  return keys;
}

let age = 0;

/** Later than all before. */
export function nextAge(): number {
  age += 1;
  return age;
}

/** Registers records of these keys and enqueues their lanes, as the poller does. */
export function arrive(dispatcher: Dispatcher, partition: Partition, keys: readonly string[]): Delivery[] {
  return keys.map((key) => {
    const offset = partition.tracker.position ?? 0;
    const record = recordOf({ partition: partition.partition, offset, key });
    const delivery = partition.register(record, nextAge()) as Delivery;
    if (delivery.lane.state === 'idle') dispatcher.enqueue(delivery.lane);
    return delivery;
  });
}

type Over = ReturnType<typeof dispatcherOver>;

/** Completes a lane's segment in thread 0, which then is free for the next, whatever else it has. */
export function finish(over: Over, delivery?: Delivery): void {
  for (const { id, load } of over.threads) load.lanes = id === 0 ? 1 : 0;
  land(over, delivery);
}

/** Completes a lane's segment in thread 0, whose slot then is free for the next. */
export function land({ dispatcher, threads }: Over, delivery?: Delivery): void {
  const { lane } = delivery as Delivery;
  while (lane.inFlight > 0) lane.partition.complete(lane.shift());
  lane.land();
  if (lane.length > 0) dispatcher.enqueue(lane);
  (threads[0] as FakeThread).load.lanes -= 1;
  dispatcher.dispatch();
}

/**
 * What leaves without having been handled: exhausted records that are skipped, become dead letters or are parked, and
 * those that follow a parked one. Runs on the poller's thread, between `settle.ts` and `outbox.ts`.
 *
 * Invariant: a record that leaves is at the head of its lane, and complete only when the brokers have what it became.
 */
import { assert, type HandlerError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { ResolvedOptions } from '../options.ts';
import type { KafkaRecord } from '../wire/record.ts';
import { type PartitionOffset, toKafkaRecord } from './client.ts';
import type { Clock } from './clock.ts';
import { deadLetterOf } from './dead-letter.ts';
import type { Delivery } from './delivery.ts';
import type { Lane } from './lane.ts';
import type { Outbox } from './outbox.ts';
import { failedRecordOf, followingRecordOf, releaseOf } from './park.ts';
import { type ParkedKeys, rankOf } from './parked-keys.ts';
import type { OutgoingRecord } from './producer.ts';

export interface LeavingParts {
  readonly options: Pick<ResolvedOptions, 'deadLetter' | 'park' | 'kafka'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly outbox: Pick<Outbox, 'send'>;
  /** The head of the lane is done with; it may have been handled, and had to be told to the park topic only. */
  readonly onLeft: (lane: Lane, wasHandled: boolean) => void;
  /** What waits for that may go on. */
  readonly onSettled: () => void;
}

/** What left since the start, by what it became. */
export interface LeavingCounts {
  deadLettered: number;
  parked: number;
  skipped: number;
}

export class Leaving {
  readonly counts: LeavingCounts = { deadLettered: 0, parked: 0, skipped: 0 };
  readonly #parts: LeavingParts;
  readonly #group: string;

  constructor(parts: LeavingParts) {
    this.#parts = parts;
    this.#group = String(parts.options.kafka['group.id']);
  }

  skip(lane: Lane, error: HandlerError): void {
    lane.leave();
    this.counts.skipped += 1;
    this.#parts.events.emit('skipped', { error });
    this.#left(lane, false);
  }

  /** @throws HandlerError where one of the application's functions throws */
  deadLetter(lane: Lane, record: KafkaRecord, error: HandlerError): void {
    const { clock, events, options } = this.#parts;
    const letter = deadLetterOf({ policy: options.deadLetter, group: this.#group }, record, error, clock.timeOfDay());
    this.#send(lane, `the dead letter of ${placeOf(record)} (trace ${error.traceId})`, letter, (destination) => {
      this.counts.deadLettered += 1;
      events.emit('dead-letter', { error, destination });
    });
  }

  /** From here on its key's records follow it. */
  park(lane: Lane, record: KafkaRecord, error: HandlerError): void {
    const { clock, events } = this.#parts;
    const letter = failedRecordOf(this.#basis(), record, error, clock.timeOfDay(), lane.name);
    this.#send(lane, `the parked record of ${placeOf(record)} (trace ${error.traceId})`, letter, (destination) => {
      if (lane.name !== undefined) keysOf(lane).parked(lane.name, destination, rankOf(record));
      this.counts.parked += 1;
      events.emit('parked', { record, error, destination });
    });
  }

  /** The head's key is parked. */
  follow(lane: Lane): void {
    const record = recordOf(lane);
    const key = lane.name as string;
    const what = `the record ${placeOf(record)}, which follows its parked key`;
    const letter = followingRecordOf(this.#basis(), record, this.#parts.clock.timeOfDay(), key);
    this.#send(lane, what, letter, (destination) => {
      keysOf(lane).parked(key, destination, rankOf(record));
      this.counts.parked += 1;
      this.#parts.events.emit('parked', { record, error: undefined, destination });
    });
  }

  /** The head was the last that was parked of its key, and is done with. */
  release(lane: Lane, upTo: number, wasHandled = true): void {
    const record = recordOf(lane);
    const key = lane.name as string;
    const what = `the release of the key of ${placeOf(record)}`;
    const onSent = () => {
      keysOf(lane).released(key, upTo);
      this.#parts.events.emit('released', { record });
    };
    this.#send(lane, what, releaseOf(this.#basis(), record, key, upTo), onSent, wasHandled);
  }

  #send(
    lane: Lane,
    what: string,
    record: Omit<OutgoingRecord, 'partition'>,
    onSent: (at: PartitionOffset) => void,
    wasHandled = false,
  ): void {
    lane.leave();
    const sent = (at: PartitionOffset) => {
      onSent(at);
      this.#left(lane, wasHandled);
      this.#parts.onSettled();
    };
    this.#parts.outbox.send({ source: lane.partition, what, record, onSent: sent });
  }

  /** The head is done with; it may have been the last that was parked of its key. */
  #left(lane: Lane, wasHandled: boolean): void {
    const upTo = lane.releasedUpTo;
    if (upTo === undefined) {
      this.#parts.onLeft(lane, wasHandled);
      return;
    }
    lane.land();
    this.release(lane, upTo, wasHandled);
  }

  #basis() {
    const { deadLetter, park } = this.#parts.options;
    assert(park !== undefined, 'a record was to be parked, and nothing ever is');
    return { policy: deadLetter, group: this.#group, park };
  }
}

function recordOf({ head }: Lane): KafkaRecord {
  return toKafkaRecord((head as Delivery).record);
}

function keysOf({ partition }: Lane): ParkedKeys {
  return partition.parked as ParkedKeys;
}

function placeOf({ topic, partition, offset }: KafkaRecord): string {
  return `${topic}[${partition}]@${offset}`;
}

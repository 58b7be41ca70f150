/**
 * One record on its way through. The same object is queued in its lane, sent, retried and completed; nothing else maps
 * an offset to its state. Lives on the poller's thread only.
 */
import type { HandlerError } from '../errors.ts';
import type { ClientRecord } from './client.ts';
import type { Lane } from './lane.ts';

const NO_ERRORS: readonly HandlerError[] = Object.freeze([]);

export class Delivery {
  /**
   * The next delivery of the same lane: lanes are linked lists through their deliveries, so queueing allocates nothing.
   */
  next: Delivery | undefined = undefined;
  /** From 1; grows with every failure. */
  attempt = 1;
  /** How it failed so far, the newest last; only the last few. */
  errors: readonly HandlerError[] = NO_ERRORS;
  /** It was with a handler when a thread was lost: it runs again with nothing beside it. */
  alone = false;

  readonly record: ClientRecord;
  readonly lane: Lane;
  /** The tracker's own number for this record. */
  readonly ticket: number;
  /** Grows with every record registered, over all partitions: the dispatcher takes the oldest first. */
  readonly age: number;
  /** What this record counts against the byte budgets. */
  readonly bytes: number;

  constructor(record: ClientRecord, lane: Lane, ticket: number, age: number, bytes: number) {
    this.record = record;
    this.lane = lane;
    this.ticket = ticket;
    this.age = age;
    this.bytes = bytes;
  }

  /** What was thrown on the attempt before, or ended it. */
  get previousError(): Error | undefined {
    return this.errors.at(-1)?.cause as Error | undefined;
  }
}

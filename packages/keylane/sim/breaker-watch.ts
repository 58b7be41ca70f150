/**
 * What one consumer's breaker promises, by what it tells and what is handed out: nothing while it is open, one record
 * at most while it is half-open, and no attempt is used up by what fails in the meantime.
 */

import type { RunningConsumer } from '../src/consumer.ts';
import type { HandlerError } from '../src/errors.ts';
import type { ConsumerEvents } from '../src/events.ts';
import { defaultIsFailure } from '../src/poller/breaker.ts';
import type { ClientRecord } from '../src/poller/client.ts';
import type { Delivery } from '../src/poller/delivery.ts';
import type { Lane } from '../src/poller/lane.ts';

export class BreakerWatch {
  #state: ConsumerEvents['breaker']['to'] = 'closed';
  #probe: Lane | undefined = undefined;
  #probed: ClientRecord | undefined = undefined;
  /** The failure that was too much came while hand-out was allowed. */
  #opening: HandlerError | undefined = undefined;
  /** Records that failed while it was not closed, and the attempt that must not count. */
  readonly #free: Map<string, number> = new Map();

  readonly #completed: ReadonlySet<ClientRecord>;

  /** @param completed what completed, and the poller knows */
  constructor(completed: ReadonlySet<ClientRecord>) {
    this.#completed = completed;
  }

  listen(consumer: RunningConsumer): void {
    consumer.on('breaker', ({ from, to, error }) => {
      this.#state = to;
      this.#probe = undefined;
      this.#probed = undefined;
      this.#opening = from === 'closed' ? error : undefined;
    });
    consumer.on('retry', ({ error }) => {
      const counts = error.stage !== 'thread-lost' && defaultIsFailure(error);
      const isFree = this.#state !== 'closed' && error !== this.#opening && counts;
      if (isFree) this.#free.set(nameOf(error), error.attempt);
      else this.#free.delete(nameOf(error));
    });
    consumer.on('assigned', () => this.#free.clear());
  }

  /** What is wrong with handing this out, if anything. */
  onSent(lane: Lane): string | undefined {
    const { inFlight } = lane;
    const { record, attempt } = lane.head as Delivery;
    const name = nameOf(record);
    const free = this.#free.get(name);
    this.#free.delete(name);
    // Where its log was cut off it is delivered anew, and begins at the first.
    if (free !== undefined && attempt > free) return `${name} lost attempt ${free} to an open breaker`;
    if (this.#state === 'open') return `${name} was handed out while the breaker was open`;
    if (this.#state === 'closed') return undefined;
    // One that comes again was settled in between.
    const probe = this.#probe === lane ? undefined : this.#probe;
    const isProbing = probe !== undefined && probe.state === 'in-flight' && probe.partition.state !== 'closed';
    const isOver = this.#probed !== undefined && this.#completed.has(this.#probed);
    this.#probe = lane;
    this.#probed = record;
    if (isOver) return `${name} was tried although the probe before had completed`;
    return isProbing || inFlight > 1
      ? `${inFlight} record(s), ${name} first, went beside the breaker's probe`
      : undefined;
  }
}

function nameOf({ topic, partition, offset }: Pick<HandlerError, 'topic' | 'partition' | 'offset'>): string {
  return `${topic}/${partition}@${offset}`;
}

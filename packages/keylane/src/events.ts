/**
 * What a consumer tells the application while it runs: the contract for logs, metrics and dashboards.
 */
import type { HandlerError, KeylaneError } from './errors.ts';
import type { BreakerState } from './poller/breaker.ts';
import type { CommitAnswer, PartitionOffset, TopicPartition } from './poller/client.ts';
import type { KafkaRecord } from './wire/record.ts';

/** The states of a consumer; see `consumer.ts` for the edges between them. */
export type ConsumerState = 'starting' | 'running' | 'rebalancing' | 'draining' | 'closed' | 'failed';

/** Every event of a consumer and what its listeners get. */
export interface ConsumerEvents {
  /** The consumer went from one state to another. */
  state: { readonly from: ConsumerState; readonly to: ConsumerState };
  /** The group gave this consumer partitions. */
  assigned: { readonly partitions: readonly TopicPartition[] };
  /** Partitions were drained, committed and given back. */
  revoked: { readonly partitions: readonly TopicPartition[] };
  /** The group took partitions away without asking; nothing was committed for them. */
  lost: { readonly partitions: readonly TopicPartition[] };
  /** The broker confirmed these offsets. */
  committed: { readonly offsets: readonly CommitAnswer[] };
  /**
   * A record failed and will run again after `delayMs`; its key waits, every other goes on. While the breaker is not
   * closed it waits at least as long as that is so.
   */
  retry: { readonly error: HandlerError; readonly delayMs: number };
  /** A record was exhausted, and the brokers have its dead letter at `destination`. */
  'dead-letter': { readonly error: HandlerError; readonly destination: PartitionOffset };
  /**
   * A record is in the park topic, at `destination`: it was exhausted, or, without an `error`, follows one of its key
   * that was.
   */
  parked: {
    readonly record: KafkaRecord;
    readonly error: HandlerError | undefined;
    readonly destination: PartitionOffset;
  };
  /** A parked key is handled again: this record was the last one parked, came back and completed. */
  released: { readonly record: KafkaRecord };
  /** A record was exhausted, and is complete without having been handled. */
  skipped: { readonly error: HandlerError };
  /** Too many records of a partition were exhausted: nothing more of it is handed out until `consumer.resume()`. */
  halted: TopicPartition;
  /**
   * The breaker went from one state to another. `failureShare` (from 0 to 1) of `records` runs is what opened it; when
   * it opens, `error` is the failure that was too much, and a record is tried again after `openMs`.
   */
  breaker: {
    readonly from: BreakerState;
    readonly to: BreakerState;
    readonly failureShare: number;
    readonly records: number;
    readonly openMs?: number;
    readonly error?: HandlerError;
  };
  /**
   * Something is wrong that the consumer copes with: a refused commit, a refused dead letter, a lost thread, a broker
   * that is away, a drain or a step of the close that ran out of time, a topic that does not exist, a flood of
   * failures. Where nobody listens it becomes a Node process warning.
   */
  warning: KeylaneError;
}

export type Listener<Name extends keyof ConsumerEvents> = (event: ConsumerEvents[Name]) => void;

/** A typed emitter whose listeners cannot break whoever emits. */
export class Events {
  readonly #listeners: { [Name in keyof ConsumerEvents]?: Set<Listener<Name>> } = {};

  /** Adds a listener; returns the function that removes it. */
  on<Name extends keyof ConsumerEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners = (this.#listeners[name] ?? new Set()) as Set<Listener<Name>>;
    Object.assign(this.#listeners, { [name]: listeners });
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  emit<Name extends keyof ConsumerEvents>(name: Name, event: ConsumerEvents[Name]): void {
    const listeners = this.#listeners[name];
    if (listeners === undefined || listeners.size === 0) {
      if (name === 'warning') process.emitWarning(event as KeylaneError);
      return;
    }
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        // A listener's fault belongs to the application, not into the middle of a station: it surfaces as uncaught.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

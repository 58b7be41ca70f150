/**
 * What a consumer tells the application while it runs: the contract for logs, metrics and dashboards.
 */
import type { HandlerError, KeylaneError } from './errors.ts';
import type { CommitAnswer, TopicPartition } from './poller/client.ts';

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
  /** A record failed and will run again after `delayMs`; its key waits, every other goes on. */
  retry: { readonly error: HandlerError; readonly delayMs: number };
  /**
   * Something is wrong that the consumer copes with: a refused commit, a lost thread, a broker that is away, a drain or
   * a step of the close that ran out of time, a topic that does not exist. Where nobody listens it becomes a Node
   * process warning.
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

/**
 * The handler of one instance, and what the log hears of its runs: everything while their partition is this instance's,
 * nothing afterwards.
 */
import type { ClientRecord, TopicPartition } from '../src/poller/client.ts';
import type { Clock } from '../src/poller/clock.ts';
import type { Delivery } from '../src/poller/delivery.ts';
import type { Failures } from './failures.ts';
import type { FakeClient } from './fake-client.ts';
import { nameOf } from './fake-cluster.ts';
import type { FakeGroup } from './fake-group.ts';
import type { Invariants } from './invariants.ts';
import type { Random } from './random.ts';
import type { Weather } from './weather.ts';

/** One record with a handler, or one whose outcome was not told yet. */
export interface Run {
  readonly record: ClientRecord;
  readonly ends: 'completed' | 'failed' | 'undecodable' | 'timeout' | 'kills';
  readonly durationMs: number;
  /** The log follows it. */
  owned: boolean;
  over: boolean;
}

/** Which records kill the thread that runs them, and how often they still will. */
export type Poison = Map<ClientRecord, number>;

/** Until then everything fails that runs, unless its thread dies. */
export interface Outage {
  endsAt: number;
}

export interface RunsParts {
  readonly random: Random;
  readonly weather: Weather;
  readonly poison: Poison;
  readonly failures: Failures | undefined;
  readonly outage: Outage;
  readonly clock: Clock;
  readonly group: FakeGroup;
  readonly client: () => FakeClient;
  /** The poller hears of one of this partition. */
  readonly onCompleted: (name: string) => void;
  readonly invariants: Invariants;
}

export class Runs {
  /** What completed, and the poller knows, of the partitions that are this instance's now. */
  readonly completed: Set<ClientRecord> = new Set();
  readonly #open: Set<Run> = new Set();
  readonly #parts: RunsParts;

  constructor(parts: RunsParts) {
    this.#parts = parts;
  }

  start({ record }: Delivery): Run {
    const { invariants, failures } = this.#parts;
    const name = nameOf(record);
    if (!this.#parts.client().assigned.has(name))
      invariants.violation(`${name}@${record.offset} began, and is not assigned`);
    const owned = this.owns(record);
    const run: Run = { record, owned, over: false, ends: this.#end(record), durationMs: this.#durationMs() };
    this.#open.add(run);
    if (owned) {
      invariants.onRecord('started', record);
      failures?.accounts.started(record);
    }
    return run;
  }

  /** A member that was fenced and does not know yet is a zombie: what it does is none of the group's business. */
  owns(at: TopicPartition): boolean {
    const client = this.#parts.client();
    const name = nameOf(at);
    return client.assigned.has(name) && this.#parts.group.owners.get(name) === client.member && !client.member?.fenced;
  }

  end(run: Run): void {
    run.over = true;
    if (!run.owned || run.ends === 'kills') return;
    const { invariants, failures } = this.#parts;
    invariants.onRecord(run.ends === 'completed' ? 'completed' : 'failed', run.record);
    if (run.ends === 'completed') failures?.accounts.ended(run.record);
  }

  /** The poller knows. */
  told(run: Run): void {
    if (run.ends === 'completed') this.#parts.onCompleted(nameOf(run.record));
    if (run.owned && run.ends === 'completed') this.completed.add(run.record);
    this.#open.delete(run);
  }

  /** The poller will never know. */
  lost(run: Run): void {
    if (run.owned) this.#parts.invariants.onRecord('interrupted', run.record);
    run.owned = false;
    this.#open.delete(run);
  }

  /**
   * These partitions are no longer this instance's, or are read again (`again`) without what its poller does not know;
   * what it still does with them is not logged.
   */
  disown(names: readonly string[], again = false): void {
    for (const run of this.#open) {
      if (!names.includes(nameOf(run.record))) continue;
      if (run.owned && (again || !run.over)) this.#parts.invariants.onRecord('interrupted', run.record);
      run.owned = false;
    }
    for (const record of this.completed) if (names.includes(nameOf(record))) this.completed.delete(record);
  }

  /** Runs of these partitions, or of all, whose end the poller does not know. */
  unsettled(names?: readonly string[]): number {
    let count = 0;
    for (const { owned, record } of this.#open)
      if (owned && (names === undefined || names.includes(nameOf(record)))) count += 1;
    return count;
  }

  #end(record: ClientRecord): Run['ends'] {
    const { random, weather, poison, failures, outage, clock } = this.#parts;
    const kills = poison.get(record) ?? 0;
    if (kills > 0) poison.set(record, kills - 1);
    if (kills > 0 || random.chance(weather.threadDies)) return 'kills';
    const decreed = failures?.endOf(record);
    if (decreed !== undefined) return decreed;
    if (clock.now() < outage.endsAt || random.chance(weather.fails)) return 'failed';
    return random.chance(weather.timesOut) ? 'timeout' : 'completed';
  }

  #durationMs(): number {
    const { random, weather, outage, clock } = this.#parts;
    const factor = random.chance(weather.slow) ? random.pick([50, 50, 50, 200]) : 1;
    const durationMs = random.next() * weather.durationMaxMs * factor;
    // To find out that something is down takes a while; retries of no time at all would be all that ever happens.
    return clock.now() < outage.endsAt ? Math.max(1, durationMs) : durationMs;
  }
}

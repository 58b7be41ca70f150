/**
 * What became of every record, by its first place in the log: one that is produced again from a park topic is the same
 * record still. Each must end in one way, and nothing of a key may run before what came earlier in it has ended.
 */
import type { Ordering } from '../src/options.ts';
import type { ClientRecord, PartitionOffset } from '../src/poller/client.ts';
import { nameOf } from './fake-cluster.ts';

/** One record, with all the places it was produced to. */
export interface Account {
  readonly record: ClientRecord;
  readonly lane: Lane | undefined;
  /** How often it was completed, became a dead letter or was skipped: no handler needs to run it any more. */
  ends: number;
  /** Deleted before any of that. */
  deleted: boolean;
  /** It lies in a park topic and was not produced again. */
  parked: boolean;
}

interface Lane {
  readonly accounts: Account[];
  /** All before this one have ended. */
  first: number;
}

export class Accounts {
  /** By place, copies among them. */
  readonly #all: Map<string, Account> = new Map();
  /** Every record once. */
  readonly #accounts: Account[] = [];
  readonly #records: Map<string, ClientRecord> = new Map();
  readonly #lanes: Map<string, Lane> = new Map();
  /** Neither ended nor parked. */
  readonly #open: Set<Account> = new Set();
  readonly #laneOf: (record: ClientRecord) => string | undefined;
  readonly #onViolation: (text: string) => void;

  constructor(
    { ordering, nullKeys }: { readonly ordering: Ordering; readonly nullKeys: 'unordered' | 'partition' },
    onViolation: (text: string) => void,
  ) {
    this.#onViolation = onViolation;
    this.#laneOf = (record) => {
      if (ordering === 'unordered') return undefined;
      if (ordering === 'partition') return nameOf(record);
      if (record.key === null) return nullKeys === 'partition' ? `${nameOf(record)} without` : undefined;
      return `${nameOf(record)} of ${record.key.toString('latin1')}`;
    };
  }

  produced(record: ClientRecord): Account {
    const name = this.#laneOf(record);
    const lane = name === undefined ? undefined : this.#laneAt(name);
    const account: Account = { record, lane, ends: 0, deleted: false, parked: false };
    lane?.accounts.push(account);
    this.#accounts.push(account);
    this.#open.add(account);
    this.#note(record, account);
    return account;
  }

  /** The record at `from` was produced again, as `copy`. */
  replayed(copy: ClientRecord, from: PartitionOffset): void {
    const account = this.#all.get(placeOf(from)) as Account;
    account.parked = false;
    if (account.ends === 0) this.#open.add(account);
    this.#note(copy, account);
  }

  of(record: PartitionOffset): Account {
    return this.#all.get(placeOf(record)) as Account;
  }

  /** The record as it was produced to this place. */
  at(place: PartitionOffset): ClientRecord | undefined {
    return this.#records.get(placeOf(place));
  }

  started(record: ClientRecord): void {
    const account = this.of(record);
    const { lane } = account;
    if (lane === undefined) return;
    let due = lane.accounts[lane.first];
    for (; due !== undefined && (due.ends > 0 || due.deleted); due = lane.accounts[lane.first]) lane.first += 1;
    if (due !== undefined && due.record.offset < account.record.offset)
      this.#onViolation(`${placeOf(record)} ran before ${placeOf(due.record)} of its key had ended`);
  }

  ended(record: PartitionOffset): void {
    const account = this.of(record);
    account.ends += 1;
    this.#open.delete(account);
  }

  parked(record: PartitionOffset): void {
    const account = this.of(record);
    account.parked = true;
    this.#open.delete(account);
  }

  /** Everything below this offset was deleted. */
  deleted(below: PartitionOffset): void {
    for (const account of this.#accounts) {
      const { record } = account;
      if (nameOf(record) !== nameOf(below) || record.offset >= below.offset || account.ends > 0) continue;
      account.deleted = true;
      this.#open.delete(account);
    }
  }

  /** Whether all but some have ended or are parked. */
  allEnded(but: (account: Account) => boolean): boolean {
    for (const account of this.#open) if (!but(account)) return false;
    return true;
  }

  finish(exactlyOnce: boolean): void {
    for (const { record, ends, deleted } of this.#accounts) {
      if (ends === 0 && !deleted) this.#onViolation(`${placeOf(record)} was neither handled nor anything else`);
      else if (exactlyOnce && ends > 1) this.#onViolation(`${placeOf(record)} ended ${ends} times`);
    }
  }

  #note(record: ClientRecord, account: Account): void {
    this.#all.set(placeOf(record), account);
    this.#records.set(placeOf(record), record);
  }

  #laneAt(name: string): Lane {
    const lane = this.#lanes.get(name) ?? { accounts: [], first: 0 };
    this.#lanes.set(name, lane);
    return lane;
  }
}

export function placeOf({ topic, partition, offset }: PartitionOffset): string {
  return `${topic}[${partition}]@${offset}`;
}

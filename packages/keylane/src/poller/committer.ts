/**
 * Commits what is committable, every `commitIntervalMs` and after `commitRecordsMax` completed records. Runs on the
 * poller's thread; pulls from the partitions, nobody pushes.
 *
 * Invariant: one commit is in flight at a time, and a partition counts as committed only when the broker's own answer
 * says so. A refused or lost commit leaves it as it was, so the next one tries again.
 */
import { KafkaError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { ResolvedOptions } from '../options.ts';
import { type Client, type CommitAnswer, type PartitionOffset, partitionName } from './client.ts';
import type { Clock, Timer } from './clock.ts';

/**
 * The client answers every commit, at the latest after its own request time-outs; past this the answer is taken as
 * lost.
 */
const ANSWER_MS = 90_000;

/** What the committer needs of the partitions; `assignment.ts` implements it. */
export interface OffsetStore {
  /** Offsets that are committable and not yet committed, of partitions that are ours. */
  uncommitted(): PartitionOffset[];
  /** The broker has this offset now. */
  confirm(offset: PartitionOffset): void;
}

export interface CommitterParts {
  readonly options: Pick<ResolvedOptions, 'commitIntervalMs' | 'commitRecordsMax'>;
  readonly client: Pick<Client, 'commit'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly store: OffsetStore;
}

export class Committer {
  #stopped = false;
  #interval: Timer | undefined = undefined;
  #answerTimer: Timer | undefined = undefined;
  /** The offsets of the commit in flight, by name, and who waits to learn whether all were taken. */
  #inFlight: { readonly names: ReadonlySet<string>; readonly waiting: ((taken: boolean) => void)[] } | undefined =
    undefined;
  #completedAtCommit = 0;
  readonly #parts: CommitterParts;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock, options } = this.#parts;
    this.#interval = clock.after(options.commitIntervalMs, () => {
      this.#commit();
      if (!this.#stopped) this.start();
    });
  }

  /** Records completed since the consumer started; commits early where that is many. */
  onCompleted(completed: number): void {
    if (completed - this.#completedAtCommit < this.#parts.options.commitRecordsMax) return;
    // With one in flight this one has to wait: the next records that complete ask again.
    if (this.#inFlight !== undefined) return;
    this.#completedAtCommit = completed;
    this.#commit();
  }

  onAnswered(answers: readonly CommitAnswer[], error: KafkaError | undefined): void {
    const taken = answers.filter((answer) => error === undefined && answer.error === undefined);
    for (const offset of taken) this.#parts.store.confirm(offset);
    if (taken.length > 0) this.#parts.events.emit('committed', { offsets: taken });
    if (taken.length < answers.length || error !== undefined)
      this.#parts.events.emit('warning', refusal(answers, error));
    // An answer that comes after it was given up may find another commit in flight: that one still has its own to come.
    const names = this.#inFlight?.names;
    if (names?.size === answers.length && answers.every((answer) => names.has(offsetName(answer)))) {
      this.#answered(error === undefined && taken.length === answers.length);
    }
  }

  /**
   * Commits all that is committable now: waits for the commit in flight, then sends what is left. Resolves with
   * whether the broker has it all; a refusal is reported as a warning and not tried again here.
   */
  async flush(): Promise<boolean> {
    while (this.#inFlight !== undefined) await this.#answer();
    if (this.#stopped) return false;
    return this.#commit() ? this.#answer() : true;
  }

  /** No further commits, and no waiting for an answer. */
  stop(): void {
    this.#stopped = true;
    this.#interval?.stop();
    this.#answered(false);
  }

  /** Sends a commit unless one is in flight or nothing is to commit; returns whether one is in flight now. */
  #commit(): boolean {
    if (this.#stopped || this.#inFlight !== undefined) return this.#inFlight !== undefined;
    const offsets = this.#parts.store.uncommitted();
    if (offsets.length === 0) return false;
    this.#inFlight = { names: new Set(offsets.map(offsetName)), waiting: [] };
    this.#answerTimer = this.#parts.clock.after(ANSWER_MS, () => {
      const error = new KafkaError('ERR_COMMIT', `a commit was not answered within ${ANSWER_MS} ms`, {
        kafkaCode: -185,
      });
      this.#parts.events.emit('warning', error);
      this.#answered(false);
    });
    this.#parts.client.commit(offsets.map((offset) => ({ ...offset, metadata: '' })));
    return true;
  }

  #answer(): Promise<boolean> {
    return new Promise((resolve) => this.#inFlight?.waiting.push(resolve));
  }

  #answered(taken: boolean): void {
    this.#answerTimer?.stop();
    const waiting = this.#inFlight?.waiting ?? [];
    this.#inFlight = undefined;
    for (const resolve of waiting) resolve(taken);
  }
}

function offsetName(offset: PartitionOffset): string {
  return `${partitionName(offset)}@${offset.offset}`;
}

function refusal(answers: readonly CommitAnswer[], error: KafkaError | undefined): KafkaError {
  const refused = answers.filter((answer) => error !== undefined || answer.error !== undefined);
  const cause = error ?? refused[0]?.error;
  const where = refused.map(offsetName).join(', ');
  const message = `a commit was refused and will be tried again: ${cause?.message ?? 'unknown reason'} (${where})`;
  return new KafkaError('ERR_COMMIT', message, { kafkaCode: cause?.kafkaCode ?? -1, cause });
}

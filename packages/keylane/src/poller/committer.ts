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
import type { Uncommitted } from './uncommitted.ts';

/**
 * The client answers every commit, at the latest after its own request time-outs; past this the answer is taken as
 * lost.
 */
const ANSWER_MS = 90_000;
/** So many commits that were given up are remembered; an answer that is later still is nobody's. */
const GIVEN_UP_MAX = 10;
/** A flush waits this long before it tries a refused commit again: a rebalance refuses some for a moment. */
const RETRY_MS = 100;

/** What was sent, and who waits to learn whether all of it was taken. */
interface Commit {
  readonly offsets: readonly Uncommitted[];
  readonly waiting: ((taken: boolean) => void)[];
}

/** What the committer needs of the partitions; `assignment.ts` implements it. */
export interface OffsetStore {
  /** What a commit would tell the broker that it does not have, of partitions that are ours. */
  uncommitted(): Uncommitted[];
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
  #inFlight: Commit | undefined = undefined;
  /** Those whose answer may still come, the oldest first. */
  #givenUp: Commit[] = [];
  #completedAtCommit = 0;
  /** Ends of the pauses of flushes, of which a close and a rebalance may each have one. */
  readonly #pauses: Set<() => void> = new Set();
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
    if (taken.length > 0) this.#parts.events.emit('committed', { offsets: taken });
    const whole = taken.length === answers.length && error === undefined;
    if (!whole) this.#parts.events.emit('warning', refusal(answers, error));
    const late = this.#givenUp.find((commit) => answered(commit, answers, error) !== undefined);
    const inFlight = this.#inFlight && answered(this.#inFlight, answers, error);
    const offsets = (late && answered(late, answers, error)) ?? inFlight;
    if (offsets === undefined) return;
    // A late one may tell of something older than what was confirmed since: then that is said again.
    for (const [index, offset] of offsets.entries()) {
      const refused = error ?? answers[index]?.error;
      if (refused === undefined) offset.confirm();
      else offset.refuse(refused);
    }
    if (late === undefined) {
      this.#answered(whole);
      return;
    }
    this.#givenUp.splice(this.#givenUp.indexOf(late), 1);
    // Nobody can tell the answers to two commits of the same offsets apart, and their maps may differ. Whichever this
    // one was of, the broker has the older map or more; the newer one is sent again.
    if (inFlight !== undefined) this.#giveUp(whole);
  }

  /**
   * Commits what is committable now until nothing is left for which `wanted` holds: waits for the commit in flight,
   * sends the rest, and tries again what was refused. Gives up only when the committer stops.
   */
  async flush(wanted: () => boolean): Promise<void> {
    while (this.#inFlight !== undefined) await this.#answer();
    while (wanted() && this.#commit()) {
      if (!(await this.#answer())) await this.#pause();
    }
  }

  /** No further commits, and no waiting for an answer. */
  stop(): void {
    this.#stopped = true;
    for (const end of this.#pauses) end();
    this.#interval?.stop();
    this.#answered(false);
  }

  /** Sends a commit unless one is in flight or nothing is to commit; returns whether one is in flight now. */
  #commit(): boolean {
    if (this.#stopped || this.#inFlight !== undefined) return this.#inFlight !== undefined;
    const offsets = this.#parts.store.uncommitted();
    if (offsets.length === 0) return false;
    this.#parts.client.commit(offsets);
    // Only now: one that throws is not in flight, and nobody may wait for its answer.
    this.#inFlight = { offsets, waiting: [] };
    this.#answerTimer = this.#parts.clock.after(ANSWER_MS, () => {
      const error = new KafkaError('ERR_COMMIT', `a commit was not answered within ${ANSWER_MS} ms`, {
        kafkaCode: -185,
      });
      this.#parts.events.emit('warning', error);
      this.#giveUp(false);
    });
    return true;
  }

  #answer(): Promise<boolean> {
    return new Promise((resolve) => this.#inFlight?.waiting.push(resolve));
  }

  /** Between a refusal and the next try. */
  async #pause(): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        timer.stop();
        this.#pauses.delete(end);
        resolve();
      };
      const timer = this.#parts.clock.after(RETRY_MS, end);
      this.#pauses.add(end);
    });
  }

  /** Goes on without the answer to the commit in flight. */
  #giveUp(taken: boolean): void {
    this.#givenUp = [...this.#givenUp, this.#inFlight as Commit].slice(-GIVEN_UP_MAX);
    this.#answered(taken);
  }

  #answered(taken: boolean): void {
    this.#answerTimer?.stop();
    const waiting = this.#inFlight?.waiting ?? [];
    this.#inFlight = undefined;
    for (const resolve of waiting) resolve(taken);
  }
}

/**
 * The offsets of the commit, in the order of the answers; `undefined` where these are not the answers to it. A request
 * that failed as a whole may name no partition at all.
 */
function answered(
  { offsets }: Commit,
  answers: readonly CommitAnswer[],
  error: KafkaError | undefined,
): readonly Uncommitted[] | undefined {
  if (answers.length === 0) return error === undefined ? undefined : [];
  if (answers.length !== offsets.length) return undefined;
  // Mostly in the order in which they were sent. To name thousands of partitions would cost more than all else of it.
  if (offsets.every((offset, index) => isSame(offset, answers[index] as CommitAnswer))) return offsets;
  // Of another commit none of them is, mostly: after one that was given up that is asked at every answer.
  if (!offsets.some((offset) => isSame(offset, answers[0] as CommitAnswer))) return undefined;
  const byName = new Map(offsets.map((offset) => [offsetName(offset), offset]));
  const found = answers.map((answer) => byName.get(offsetName(answer))).filter((offset) => offset !== undefined);
  return found.length === answers.length ? found : undefined;
}

function isSame(one: PartitionOffset, other: PartitionOffset): boolean {
  return one.offset === other.offset && one.partition === other.partition && one.topic === other.topic;
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

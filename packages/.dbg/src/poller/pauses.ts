/**
 * The one place that decides which partitions the client is told to pause: those the application paused, those whose
 * hand-out stopped, those that hold too much, and all of them while the buffer stays full. Runs on the poller's thread.
 *
 * A pause throws away what the client has fetched, so it is the last means of back-pressure, not the first: the
 * poller just asks for no more than there is room for.
 */
import type { Budget } from './budget.ts';
import type { Client } from './client.ts';
import type { Partition } from './partition.ts';

export class Pauses {
  /** Partitions that hold as much as one may. */
  readonly #full: Set<Partition> = new Set();
  /** Why everything is paused, where it is. */
  #all: 'stalled' | 'closing' | undefined = undefined;
  readonly #client: Pick<Client, 'pause' | 'resume'>;
  readonly #budget: Budget;
  readonly #open: () => Partition[];

  constructor(client: Pick<Client, 'pause' | 'resume'>, budget: Budget, open: () => Partition[]) {
    this.#client = client;
    this.#budget = budget;
    this.#open = open;
  }

  /** Whether everything is paused. */
  get all(): boolean {
    return this.#all !== undefined;
  }

  /** Notes a partition that took a record in. */
  onRegistered(partition: Partition): void {
    if (!partition.full || this.#full.has(partition)) return;
    this.#full.add(partition);
    this.apply([partition]);
  }

  /** Outcomes came in: what was full may be relieved. */
  onSettled(): void {
    if (this.#all === 'stalled' && this.#budget.relieved) this.#pauseAll(undefined);
    for (const partition of this.#full) {
      if (partition.state === 'active' && !partition.relieved) continue;
      this.#full.delete(partition);
      this.apply([partition]);
    }
  }

  /** The buffer stayed full: everything is paused until it is relieved. */
  stall(): void {
    if (this.#all === undefined) this.#pauseAll('stalled');
  }

  /** The consumer closes: everything is paused for good. */
  close(): void {
    this.#pauseAll('closing');
  }

  #pauseAll(why: 'stalled' | 'closing' | undefined): void {
    this.#all = why;
    this.apply(this.#open());
  }

  /** Tells the client what changed for these partitions. */
  apply(partitions: readonly Partition[]): void {
    const changed = partitions.filter(
      (partition) => partition.state !== 'closed' && this.#wanted(partition) !== partition.clientPaused,
    );
    for (const partition of changed) partition.clientPaused = !partition.clientPaused;
    const names = (paused: boolean) =>
      changed
        .filter(({ clientPaused }) => clientPaused === paused)
        .map(({ topic, partition }) => ({ topic, partition }));
    const [paused, resumed] = [names(true), names(false)];
    if (paused.length > 0) this.#client.pause(paused);
    if (resumed.length > 0) this.#client.resume(resumed);
  }

  /** What drains is given back soon: resuming it would only fetch what nobody takes. */
  #wanted(partition: Partition): boolean {
    return (
      this.#all !== undefined ||
      partition.state === 'draining' ||
      partition.userPaused ||
      partition.halted ||
      this.#full.has(partition)
    );
  }
}

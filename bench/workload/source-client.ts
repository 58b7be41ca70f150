/**
 * A client without a broker: it always has as many records as it is asked for, and every commit is taken.
 */
import type {
  Client,
  ClientListener,
  ClientRecord,
  CommittedOffset,
  OnConsumed,
} from '../../packages/keylane/dist/poller/client.js';
import type { RecordSource } from './record-source.ts';

const NO_RECORDS: readonly ClientRecord[] = [];

export class SourceClient implements Client {
  /** Whether there are records: from the assignment until somebody ends it. */
  flows = false;
  #listener: ClientListener | undefined = undefined;
  #asked: { readonly recordsMax: number; readonly done: OnConsumed } | undefined = undefined;
  #committed: readonly CommittedOffset[] | undefined = undefined;
  readonly #source: RecordSource;

  constructor(source: RecordSource) {
    this.#source = source;
  }

  /** Answers what it was asked. */
  step(): void {
    const [asked, committed] = [this.#asked, this.#committed];
    if (committed !== undefined) {
      this.#committed = undefined;
      this.#listener?.onCommitAnswered(committed, undefined);
    }
    if (asked === undefined) return;
    this.#asked = undefined;
    asked.done(undefined, this.flows ? this.#source.take(asked.recordsMax) : NO_RECORDS, []);
  }

  async connect(listener: ClientListener): Promise<void> {
    this.#listener = listener;
  }

  async subscribe(): Promise<readonly string[]> {
    const { topic, offsets } = this.#source;
    const partitions = Array.from(offsets, (_, partition) => ({ topic, partition }));
    setImmediate(() => this.#listener?.onAssigned(partitions));
    return [];
  }

  consume(recordsMax: number, done: OnConsumed): void {
    this.#asked = { recordsMax, done };
  }

  async committed(): Promise<readonly CommittedOffset[]> {
    return [];
  }

  watermarks(): undefined {
    return undefined;
  }

  commit(offsets: readonly CommittedOffset[]): void {
    this.#committed = offsets;
  }

  assign(): void {
    this.flows = true;
  }

  unassign(): void {}
  pause(): void {}
  resume(): void {}
  async seek(): Promise<void> {}
  async disconnect(): Promise<void> {}
}

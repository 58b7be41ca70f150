/**
 * What happened in a chaos run: the entries every process appended to a file of its own, merged by their time, which
 * is of one clock for the whole machine. The files are followed while they grow.
 */
import { closeSync, openSync, readSync } from 'node:fs';

type Offsets = readonly (readonly [partition: number, offset: number])[];

/** What an entry says; written by handler threads, by main threads, and by the process that runs it all. */
export type Happening =
  /** A record exists. */
  | {
      readonly kind: 'produced';
      readonly partition: number;
      readonly offset: number;
      readonly number: number;
      readonly key: string;
    }
  /** A thread opened its handler, or is about to end itself. */
  | { readonly kind: 'open' | 'exit'; readonly thread: number }
  | {
      readonly kind: 'start';
      readonly thread: number;
      readonly partition: number;
      readonly offset: number;
      /** The record's number as its value says. */
      readonly number: number;
    }
  /** A run completed, or threw. */
  | { readonly kind: 'end' | 'fail'; readonly thread: number; readonly partition: number; readonly offset: number }
  | { readonly kind: 'assigned' | 'revoked' | 'lost'; readonly partitions: readonly number[] }
  /** The broker confirmed these to the consumer; or it told them to us, when asked. */
  | { readonly kind: 'committed' | 'observed'; readonly offsets: Offsets }
  /** A warning; a start that was refused; a consumer that failed; a fault of the run itself. */
  | {
      readonly kind: 'warning' | 'refused' | 'failed';
      readonly code: string;
      readonly text: string;
    }
  /** Done to the process: killed by us, stopped, continued, told to close; what it says of its close; and its end. */
  | { readonly kind: 'spawned' | 'killed' | 'frozen' | 'thawed' | 'closing' | 'closed' }
  | { readonly kind: 'exited'; readonly code: number | null; readonly signal: string | null }
  /** The broker goes away, or is back. */
  | { readonly kind: 'broker'; readonly up: boolean };

/** One entry; `at` in nanoseconds since the run began, `who` the instance and its incarnation. */
export type Entry = Happening & { readonly at: number; readonly who: string };

/** An entry as text, for a person to read. */
export function describeEntry({ at, who, kind, ...rest }: Entry): string {
  return `${(at / 1e9).toFixed(6)} s ${who} ${kind} ${JSON.stringify(rest)}`;
}

/** A ledger file that grows; an unfinished last line waits for its rest. */
export class LedgerFile {
  #position = 0;
  #rest: Buffer = Buffer.alloc(0);
  readonly #path: string;
  readonly #who: string;
  readonly #base: bigint;

  /** @param base the time the run began, of `process.hrtime.bigint()` */
  constructor(path: string, who: string, base: bigint) {
    this.#path = path;
    this.#who = who;
    this.#base = base;
  }

  /** What was added since the last call. */
  read(): Entry[] {
    const entries: Entry[] = [];
    const lines = this.#lines();
    for (const line of lines) {
      const { at, ...happening } = JSON.parse(line) as { at: string };
      entries.push({ who: this.#who, ...happening, at: Number(BigInt(at) - this.#base) } as Entry);
    }
    return entries;
  }

  #lines(): string[] {
    const bytes = Buffer.concat([this.#rest, this.#added()]);
    const end = bytes.lastIndexOf(10) + 1;
    this.#rest = bytes.subarray(end);
    return bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  }

  #added(): Buffer {
    let file: number;
    try {
      file = openSync(this.#path, 'r');
    } catch {
      // The process has not come so far.
      return Buffer.alloc(0);
    }
    const chunks: Buffer[] = [];
    for (;;) {
      const chunk = Buffer.allocUnsafe(2 ** 18);
      const size = readSync(file, chunk, 0, chunk.length, this.#position);
      if (size === 0) break;
      this.#position += size;
      chunks.push(chunk.subarray(0, size));
    }
    closeSync(file);
    return Buffer.concat(chunks);
  }
}

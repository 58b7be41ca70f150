/**
 * Replays what was planned: chunk by chunk, each in one transaction with the note of what was replayed. A process that
 * ends anywhere leaves whole chunks only.
 */
import { type CliError, RefusedError } from '../errors.ts';
import type { Reader, Span } from '../kafka/client.ts';
import type { OutgoingRecord, TransactionalProducer } from '../kafka/producer.ts';
import { at, type Entry, entriesOf, keyOf } from './entry.ts';
import type { Memory } from './memory.ts';
import { outgoing, type Targets } from './outgoing.ts';
import type { Selection, SelectionFlags } from './selection.ts';

const CHUNK_RECORDS_MAX = 500;
const CHUNK_BYTES_MAX = 8 * 2 ** 20;

export interface ReplayOptions {
  readonly topic: string;
  readonly flags: SelectionFlags;
  /** Records a second; left out: as fast as the brokers take them. */
  readonly ratePerSecond?: number;
  /** Stops after the chunk that is under way. */
  readonly signal: AbortSignal;
  readonly onReplayed: (records: number) => void;
}

/** A parked key, and how far it was replayed. */
export interface ReplayedKey {
  readonly key: Buffer | null;
  records: number;
  /** `topic[partition]@offset` in the park topic. */
  upTo: string;
}

type Producer = Pick<TransactionalProducer, 'transaction'>;

export class Replay {
  replayed = 0;
  /** By lane; of a park topic only. */
  readonly keys: Map<string, ReplayedKey> = new Map();
  readonly #reader: Reader;
  readonly #producer: Producer;
  readonly #targets: Targets;
  readonly #selection: Selection;
  readonly #options: ReplayOptions;
  #memory: Memory;
  /** The log's own beginning and end, for what is committed. */
  #log: readonly Span[];
  #begun = performance.now();

  constructor(
    reader: Reader,
    producer: Producer,
    targets: Targets,
    selection: Selection,
    start: { readonly memory: Memory; readonly log: readonly Span[] },
    options: ReplayOptions,
  ) {
    this.#reader = reader;
    this.#producer = producer;
    this.#targets = targets;
    this.#selection = selection;
    this.#memory = start.memory;
    this.#log = start.log;
    this.#options = options;
  }

  /** Replays what is selected of these spans. `isNew` where they were not in the plan. */
  async run(spans: readonly Span[], isNew: boolean = false): Promise<void> {
    const { topic, signal, ratePerSecond = Infinity } = this.#options;
    const chunkMax = Math.max(1, Math.min(CHUNK_RECORDS_MAX, Math.floor(ratePerSecond)));
    let chunk: Entry[] = [];
    let bytes = 0;
    const flush = async () => {
      if (chunk.length > 0) await this.#produce(chunk);
      chunk = [];
      bytes = 0;
    };
    for await (const entry of entriesOf(this.#reader, topic, spans, this.#memory)) {
      if (signal.aborted) return;
      if (this.#selection.choose(entry, isNew) !== 'take') continue;
      chunk.push(entry);
      bytes += (entry.record.key?.length ?? 0) + (entry.record.value?.length ?? 0);
      if (chunk.length >= chunkMax || bytes >= CHUNK_BYTES_MAX) await flush();
    }
    if (!signal.aborted) await flush();
  }

  /** Goes on with what was parked meanwhile, since a key's records follow it until the last one is through. */
  async catchUp(held: ReadonlyMap<string, Entry>): Promise<void> {
    const { topic, signal } = this.#options;
    this.#selection.hold(held);
    while (!signal.aborted && !this.#selection.isFull) {
      const log = await this.#reader.spans(topic);
      const grown = log.flatMap((span) => {
        const from = this.#log[span.partition]?.to ?? span.from;
        return span.to > from ? [{ ...span, from }] : [];
      });
      if (grown.length === 0) return;
      this.#log = log;
      await this.run(grown, true);
    }
  }

  async #produce(chunk: readonly Entry[]): Promise<void> {
    const { topic, flags, signal, ratePerSecond, onReplayed } = this.#options;
    if (ratePerSecond !== undefined) {
      await pause(this.#begun + (this.replayed / ratePerSecond) * 1_000 - performance.now(), signal);
      if (signal.aborted) return;
    }
    const records: OutgoingRecord[] = [];
    for (const entry of chunk) records.push(await outgoing(entry, this.#targets, flags.to));
    const { memory, offsets } = this.#memory.with(chunk, this.#log);
    try {
      await this.#producer.transaction(records, this.#reader, topic, offsets);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (chunk.length === 1) throw refusal(chunk[0] as Entry, error);
      // It is one of them, or all are too large together; what comes before it goes through.
      const half = chunk.length >> 1;
      await this.#produce(chunk.slice(0, half));
      return this.#produce(chunk.slice(half));
    }
    this.#memory = memory;
    this.replayed += chunk.length;
    for (const entry of chunk) this.#noteKey(entry);
    onReplayed(chunk.length);
  }

  #noteKey(entry: Entry): void {
    if (entry.lane === undefined) return;
    const known = this.keys.get(entry.lane);
    if (known === undefined) this.keys.set(entry.lane, { key: keyOf(entry), records: 1, upTo: at(entry.record) });
    else Object.assign(known, { records: known.records + 1, upTo: at(entry.record) });
  }
}

function refusal({ record }: Entry, error: RefusedError): CliError {
  return new RefusedError(`${at(record)} was not replayed, nor what comes after it: ${error.message}`);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}

/**
 * Sends what Keylane itself produces: dead letters and parked records. Runs on the poller's thread, between `settle.ts`
 * and the producer.
 *
 * Invariant: what came from one partition is sent one after the other in the order it was given, and nothing is dropped
 * while its partition is ours: what the brokers refuse is sent again, and all behind it waits, and so does the commit.
 */
import { asError, assert, KafkaError } from '../errors.ts';
import type { Events } from '../events.ts';
import { type PartitionOffset, partitionName } from './client.ts';
import type { Clock, Timer } from './clock.ts';
import type { Guard } from './guard.ts';
import type { OutgoingRecord, Producer } from './producer.ts';

/** Between a refusal and the next try; doubles up to the longest. */
const AGAIN_MS = 500;
const AGAIN_MS_MAX = 10_000;

/** The partition a letter comes from. */
export interface LetterSource {
  readonly topic: string;
  readonly partition: number;
  readonly state: 'active' | 'draining' | 'closed';
}

/** One record on its way out. */
export interface Letter {
  readonly source: LetterSource;
  /** What it is, for people: `the dead letter of orders[3]@17`. */
  readonly what: string;
  /** Goes to the partition of its source's number, or, where the topic has fewer, to that number modulo theirs. */
  readonly record: Omit<OutgoingRecord, 'partition'>;
  /** The brokers have it. */
  readonly onSent: (at: PartitionOffset) => void;
}

export interface OutboxParts {
  /** Absent where nothing is ever produced. */
  readonly producer: Producer | undefined;
  readonly clock: Clock;
  readonly events: Events;
  readonly guard: Guard;
}

export class Outbox {
  /** Letters that wait or are under way, by the partition they come from. */
  readonly #queues: Map<LetterSource, Letter[]> = new Map();
  readonly #timers: Set<Timer> = new Set();
  /** Of topics that were found. */
  readonly #partitions: Map<string, number> = new Map();
  #stopped = false;
  readonly #parts: OutboxParts;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  send(letter: Letter): void {
    if (this.#stopped) return;
    const queue = this.#queues.get(letter.source);
    if (queue !== undefined) {
      queue.push(letter);
      return;
    }
    this.#forgetClosed();
    const started = [letter];
    this.#queues.set(letter.source, started);
    this.#next(started, AGAIN_MS);
  }

  /** Nothing more is sent, and nothing more is told. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.stop();
    this.#timers.clear();
    this.#queues.clear();
  }

  /** Of partitions that went away only the letter that is with the producer is left, which may never be answered. */
  #forgetClosed(): void {
    for (const [{ state }, queue] of this.#queues) if (state === 'closed') queue.splice(1);
  }

  #next(queue: Letter[], againMs: number): void {
    const [letter] = queue;
    if (letter === undefined) return;
    // Whoever has the partition now consumes the record again.
    if (letter.source.state === 'closed') {
      this.#queues.delete(letter.source);
      return;
    }
    const { guard } = this.#parts;
    const onSent = guard((at: PartitionOffset) => this.#sent(queue, letter, at));
    const onRefused = guard((error: unknown) => this.#refused(queue, letter, asError(error), againMs));
    this.#produce(letter).then(onSent, onRefused);
  }

  #sent(queue: Letter[], letter: Letter, at: PartitionOffset): void {
    if (this.#stopped) return;
    queue.shift();
    if (queue.length === 0) this.#queues.delete(letter.source);
    if (letter.source.state !== 'closed') letter.onSent(at);
    this.#next(queue, AGAIN_MS);
  }

  #refused(queue: Letter[], { what, record, source }: Letter, error: Error, againMs: number): void {
    if (this.#stopped) return;
    if (source.state === 'closed') {
      this.#next(queue, againMs);
      return;
    }
    const { clock, events } = this.#parts;
    const message =
      `${what} was refused by topic ${record.topic} and is tried again in ${againMs} ms; until then nothing behind it ` +
      `in ${partitionName(source)} is committed: ${error.message}`;
    const kafkaCode = error instanceof KafkaError ? error.kafkaCode : -1;
    events.emit('warning', new KafkaError('ERR_PRODUCE', message, { kafkaCode, cause: error }));
    // What the topic is like may be what was wrong.
    this.#partitions.delete(record.topic);
    const timer = clock.after(againMs, () => {
      this.#timers.delete(timer);
      this.#next(queue, Math.min(AGAIN_MS_MAX, againMs * 2));
    });
    this.#timers.add(timer);
  }

  async #produce({ record, source, what }: Letter): Promise<PartitionOffset> {
    const { producer, events } = this.#parts;
    assert(producer !== undefined, 'a record was to be produced, and there is no producer');
    const count = (await this.#partitionsOf(producer, record.topic)) ?? Number.POSITIVE_INFINITY;
    return producer.produce({ ...record, partition: source.partition % count }, (error) => {
      const message = `${what} is not confirmed yet, and nothing behind it is committed: ${error.message}`;
      events.emit('warning', new KafkaError('ERR_PRODUCE', message, { kafkaCode: error.kafkaCode, cause: error }));
    });
  }

  async #partitionsOf(producer: Producer, topic: string): Promise<number | undefined> {
    const known = this.#partitions.get(topic);
    if (known !== undefined) return known;
    const found = await producer.partitions(topic);
    if (found !== undefined) this.#partitions.set(topic, found);
    return found;
  }
}

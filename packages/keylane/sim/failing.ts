/**
 * One instance's application and outgoing records where records fail: what it answers, and whether what it was told,
 * and what was produced for it, fits that.
 */
import type { RunningConsumer } from '../src/consumer.ts';
import { readDeadLetter } from '../src/dead-letter.ts';
import type { HandlerError } from '../src/errors.ts';
import type { ResolvedOptions } from '../src/options.ts';
import { headersOf, type PartitionOffset, type TopicPartition } from '../src/poller/client.ts';
import { KEYLANE } from '../src/poller/dead-letter-headers.ts';
import type { OutgoingRecord } from '../src/poller/producer.ts';
import { type Disposal, type FailureContext, later, retry, type Verdict } from '../src/poller/verdict.ts';
import { placeOf } from './accounts.ts';
import type { Answer, Failures } from './failures.ts';
import { nameOf } from './fake-cluster.ts';
import type { Invariants } from './invariants.ts';
import type { Random } from './random.ts';

/** The last word on a record of one delivery. */
interface Sentence {
  /** The order in which they were spoken. */
  readonly order: number;
  readonly error: HandlerError;
  readonly disposal: Disposal;
  /** Exhausted one after the other in its partition, this one among them. */
  readonly consecutive: number;
}

export interface FailingParts {
  readonly failures: Failures;
  readonly random: Random;
  readonly invariants: Invariants;
  readonly options: ResolvedOptions;
  /** Whether the log follows what this instance does with this partition. */
  readonly owns: (at: TopicPartition) => boolean;
  /** The application said stop. */
  readonly onStop: (error: HandlerError) => void;
  readonly onHalted: (at: TopicPartition) => void;
}

export class Failing {
  /** With the application's functions in it. */
  readonly options: ResolvedOptions;
  /** What its producer writes to. */
  readonly topics = {
    partitions: (topic: string): number | undefined => this.#parts.failures.topics.partitions(topic),
    append: (at: TopicPartition, record: OutgoingRecord, sentAt: number): PartitionOffset =>
      this.#append(at, record, sentAt),
  };
  readonly #parts: FailingParts;
  /** By trace, which is a delivery's own. */
  readonly #sentences: Map<string, Sentence> = new Map();
  readonly #attempts: Map<string, number> = new Map();
  readonly #consecutive: Map<string, number> = new Map();
  readonly #halted: Set<string> = new Set();
  /** The order of the last one produced, by source partition. */
  readonly #producedLast: Map<string, number> = new Map();
  readonly #assignedAt: Map<string, number> = new Map();
  readonly #told = { deadLettered: 0, parked: 0, skipped: 0 };
  #spoken = 0;

  constructor(parts: FailingParts) {
    this.#parts = parts;
    const { plan } = parts.failures;
    const [only] = plan.onExhausted;
    this.options = {
      ...parts.options,
      onError: (error, context) => this.#onError(error, context),
      onExhausted:
        plan.asText && plan.onExhausted.length === 1 ? (only as Disposal) : (_, error) => this.#exhausted(error),
    };
  }

  listen(consumer: RunningConsumer): void {
    consumer.on('dead-letter', ({ error }) => this.#left('deadLettered', error));
    consumer.on('parked', ({ error }) => this.#left('parked', error));
    consumer.on('skipped', ({ error }) => this.#onSkipped(error));
    consumer.on('halted', (at) => {
      this.#halted.add(nameOf(at));
      this.#parts.onHalted(at);
    });
  }

  /** What was sent for an earlier assignment of this partition is nothing to this one. */
  assigned(name: string, now: number): void {
    this.#assignedAt.set(name, now);
  }

  /** Whether too many records of this partition were exhausted. */
  isHalted(name: string): boolean {
    return this.#halted.has(name);
  }

  /** A record of this partition completed. */
  completed(name: string): void {
    this.#consecutive.delete(name);
  }

  /** These partitions begin anew: the application resumed them, or they are gone. */
  anew(names: Iterable<string>): void {
    for (const name of names) {
      this.#consecutive.delete(name);
      this.#halted.delete(name);
    }
  }

  /** What its counters have wrong, if anything. */
  wrongIn({ pipeline: { leaving } }: RunningConsumer): string | undefined {
    const [counted, told] = [JSON.stringify(leaving.counts), JSON.stringify(this.#told)];
    return counted === told ? undefined : `${counted} counted of ${told}`;
  }

  #onError(error: HandlerError, { record, errors }: FailureContext): Verdict | undefined {
    const { failures, random, options } = this.#parts;
    const { attempt, traceId, stage } = error;
    const { attemptsMax } = options.retry;
    const due = this.#attempts.get(traceId) ?? 1;
    if (attempt !== due) this.#violation(`${placeOf(error)} failed on attempt ${attempt}, and ${due} was due`);
    if (errors.at(-1) !== error) this.#violation(`${placeOf(error)} failed, and its errors do not say so`);
    const stubborn = failures.isStubborn(record.key);
    const answer: Answer = stubborn ? 'later' : random.pick(failures.plan.answers);
    this.#attempts.set(traceId, due);
    if (answer === 'later') return later(random.pick([20, 100]));
    if (answer === 'retry' || answer === 'policy') {
      const again = attempt < attemptsMax && (answer === 'retry' || stage !== 'deserialize');
      if (again) this.#attempts.set(traceId, due + 1);
      else if (typeof this.options.onExhausted === 'string') this.#speak(error, this.options.onExhausted);
      if (answer === 'policy') return undefined;
      return random.chance(0.5) ? 'retry' : retry(random.pick([0, 50]));
    }
    return this.#speak(error, answer);
  }

  #exhausted(error: HandlerError): Disposal {
    if (this.#attempts.get(error.traceId) !== error.attempt)
      this.#violation(`${placeOf(error)} was given up after attempt ${error.attempt}`);
    const { failures, random, onStop } = this.#parts;
    if (failures.stops > 0 && random.chance(0.2)) {
      failures.stops -= 1;
      onStop(error);
      return 'stop';
    }
    return this.#speak(error, random.pick(failures.plan.onExhausted));
  }

  #speak(error: HandlerError, disposal: Disposal): Disposal {
    const name = nameOf(error);
    const consecutive = (this.#consecutive.get(name) ?? 0) + 1;
    this.#consecutive.set(name, consecutive);
    this.#spoken += 1;
    this.#sentences.set(error.traceId, { order: this.#spoken, error, disposal, consecutive });
    return disposal;
  }

  #onSkipped(error: HandlerError): void {
    const { owns, invariants, failures } = this.#parts;
    this.#left('skipped', error);
    const record = failures.accounts.at(error);
    if (record === undefined || !owns(error)) return;
    invariants.onRecord('left', record);
    failures.accounts.ended(record);
  }

  #left(how: 'deadLettered' | 'parked' | 'skipped', error: HandlerError | undefined): void {
    this.#told[how] += 1;
    if (error === undefined) return;
    const { consecutiveMax } = this.#parts.options.deadLetter;
    const { consecutive = 0 } = this.#sentences.get(error.traceId) ?? {};
    if (consecutive > consecutiveMax)
      this.#violation(`${placeOf(error)} left as number ${consecutive} in a row of at most ${consecutiveMax}`);
  }

  /** Something was produced: it must be what a record became, in the place where that belongs. */
  #append(at: TopicPartition, record: OutgoingRecord, sentAt: number): PartitionOffset {
    const { failures, invariants, owns } = this.#parts;
    const { accounts, topics, replayer } = failures;
    const said = new Map(record.headers);
    const letter = readDeadLetter(record.headers);
    const source = letter && accounts.at(letter);
    if (letter === undefined || source === undefined) {
      this.#violation(`what was produced to ${nameOf(at)} does not say of what`);
      return topics.append(at, record);
    }
    const name = placeOf(source);
    if (at.partition !== source.partition % (topics.partitions(at.topic) as number))
      this.#violation(`${name} was produced to ${nameOf(at)}`);
    const isRelease = said.has(KEYLANE.released);
    const kept = headersOf(source).every(([header, content], place) => {
      const [found, bytes] = record.headers[place] ?? [];
      return found === header && bytes?.equals(content) === true;
    });
    const sameValue = source.value === null ? record.value === null : record.value?.equals(source.value) === true;
    if (!isRelease && (record.key !== source.key || !sameValue || !kept || record.timestamp !== source.timestamp))
      this.#violation(`${name} was changed on its way to ${nameOf(at)}`);
    if (isRelease) return topics.append(at, record);
    if (letter.parked !== 'follows') this.#checkSentence(source, letter.traceId, letter);
    const parks = letter.parked !== undefined;
    if (parks !== at.topic.endsWith('-parked')) this.#violation(`${name} was produced to ${nameOf(at)}`);
    invariants.onRecord('left', source);
    const isLate = !owns(source) || sentAt < (this.#assignedAt.get(nameOf(source)) ?? 0);
    if (parks && isLate) replayer.late.add(record);
    if (parks) accounts.parked(source);
    else accounts.ended(source);
    return topics.append(at, record);
  }

  /** What was produced is what was said last, in the order in which it was said. */
  #checkSentence(
    source: PartitionOffset,
    traceId: string | undefined,
    said: { readonly attempts?: number; readonly stage?: string; readonly parked?: string },
  ): void {
    const name = placeOf(source);
    const sentence = this.#sentences.get(traceId ?? '');
    if (sentence === undefined) {
      this.#violation(`${name} was produced, and nobody had said so`);
      return;
    }
    const { order, error, disposal } = sentence;
    if (disposal !== (said.parked === undefined ? 'dead-letter' : 'park'))
      this.#violation(`${name} was produced, and to ${disposal} it was said`);
    if (said.attempts !== error.attempt || said.stage !== error.stage)
      this.#violation(`${name} says attempt ${said.attempts}, ${said.stage} of ${error.attempt}, ${error.stage}`);
    const last = this.#producedLast.get(nameOf(source)) ?? 0;
    if (order <= last) this.#violation(`${name} was produced after what was exhausted after it`);
    this.#producedLast.set(nameOf(source), order);
  }

  #violation(text: string): void {
    this.#parts.invariants.violation(text);
  }
}

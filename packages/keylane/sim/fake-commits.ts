/**
 * The commits of one client: on their way to the coordinator, refused, taken, answered late or never. No consumer may
 * send one while another is in flight, or with more metadata than a broker takes.
 */
import { KafkaError } from '../src/errors.ts';
import type { CommitAnswer, CommittedOffset, PartitionOffset } from '../src/poller/client.ts';
import type { Clock } from '../src/poller/clock.ts';
import { nameOf } from './fake-cluster.ts';
import { METADATA_MAX } from './fake-group.ts';
import type { Random } from './random.ts';
import type { Weather } from './weather.ts';

/** A consumer waits so long for an answer; one that is late comes after that. */
const PATIENCE_MS = 89_999;
const LATE_MS = 100_000;
/** Often enough for each client. */
const LATE_TIMES = 3;
/** What a broker says that will work another time. */
const PASSING_CODES = [7, 14, 15, 16, 27];

export interface CommitsParts {
  readonly random: Random;
  readonly weather: Weather;
  /** The process's event loop. */
  readonly inbox: Clock;
  /** To the coordinator, in order. */
  readonly send: (callback: () => void) => void;
  /** An answer arrived. */
  readonly onAnswer: (answers: readonly CommitAnswer[], error: KafkaError | undefined) => void;
  readonly onViolation: (text: string) => void;
}

export class FakeCommits {
  readonly #parts: CommitsParts;
  /** The last one that has no answer yet. */
  #inFlight: { readonly at: number; readonly what: string } | undefined = undefined;
  #refusals = 0;
  #late = 0;

  constructor(parts: CommitsParts) {
    this.#parts = parts;
  }

  /** Sends one; `take` gives the coordinator what the weather lets through, and returns the code of a refusal. */
  send(offsets: readonly CommittedOffset[], take: (offsets: readonly CommittedOffset[]) => number | undefined): void {
    const { random, weather, inbox, send } = this.#parts;
    this.#check(offsets);
    const what = JSON.stringify(offsets.map(placeAndOffset));
    this.#inFlight = { at: inbox.now(), what };
    if (random.chance(weather.answerLost)) return;
    send(() => {
      const passing = this.#refusal();
      const partly = passing !== undefined && offsets.length > 1 && random.chance(0.3);
      const taken = passing === undefined ? offsets : partly ? offsets.slice(1) : [];
      const code = take(taken);
      if (random.chance(weather.answerLost)) return;
      const answers = offsets.map((sent): CommitAnswer => {
        const refused = code ?? (taken.includes(sent) ? undefined : passing);
        const offset = placeAndOffset(sent);
        return refused === undefined ? offset : { ...offset, error: kafkaError(refused) };
      });
      const whole = code ?? (partly ? undefined : passing);
      const error = whole === undefined ? undefined : kafkaError(whole);
      inbox.after(this.#answerMs(), () => this.#parts.onAnswer(answers, error));
    });
  }

  /** The consumer has the answer to a commit of these. */
  told(answers: readonly CommitAnswer[]): void {
    // Nobody can tell the answers to two commits of the same offsets apart, nor has to.
    if (this.#inFlight?.what === JSON.stringify(answers.map(placeAndOffset))) this.#inFlight = undefined;
  }

  #check(offsets: readonly CommittedOffset[]): void {
    const { inbox, onViolation } = this.#parts;
    if (this.#inFlight !== undefined && inbox.now() - this.#inFlight.at < PATIENCE_MS)
      onViolation('a commit was sent while another one was in flight');
    for (const offset of offsets) {
      const { length } = offset.metadata;
      if (length > METADATA_MAX) onViolation(`${nameOf(offset)} was committed with metadata of ${length} characters`);
    }
  }

  #refusal(): number | undefined {
    const { random, weather } = this.#parts;
    if (this.#refusals > 0) this.#refusals -= 1;
    else if (random.chance(weather.commitRefused)) this.#refusals = random.int(0, 3);
    else return undefined;
    return random.pick(PASSING_CODES);
  }

  #answerMs(): number {
    const { random, weather } = this.#parts;
    if (this.#late === LATE_TIMES || !random.chance(weather.answerLate)) return random.next() * 5;
    this.#late += 1;
    return LATE_MS;
  }
}

/** All that an answer names: no metadata. */
function placeAndOffset({ topic, partition, offset }: PartitionOffset): PartitionOffset {
  return { topic, partition, offset };
}

export function kafkaError(kafkaCode: number): KafkaError {
  return new KafkaError('ERR_KAFKA', `the broker answered ${kafkaCode}`, { kafkaCode });
}

/**
 * Makes a dead letter of an exhausted record. Pure.
 */
import { answerError, HandlerError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import type { KafkaRecord } from '../wire/record.ts';
import { type DeadLetterHeaders, deadLetterHeaders } from './dead-letter-headers.ts';
import type { FloodLimits } from './flood.ts';
import type { OutgoingRecord } from './producer.ts';
import { called } from './verdict.ts';

/** Where dead letters go, what they say, and how many are too many. */
export interface DeadLetterPolicy extends FloodLimits {
  /**
   * The topic, or a function of the record that names it. Default: `orders-dlt` for `orders`. A dead letter goes to the
   * partition of its record's number, where there is one.
   */
  readonly topic: string | ((record: KafkaRecord) => string);
  /**
   * The headers it gets beside Keylane's own: as Spring Kafka writes them (`'spring'`, the default; numbers are
   * binary), as Kafka Connect does (`'connect'`; text), `'both'`, or those that a function returns. The record's own
   * come first, byte for byte.
   */
  readonly headers: DeadLetterHeaders;
  /** Stack traces are cut to so many characters. Default 4,096. */
  readonly stackCharactersMax: number;
  /** Default 0.5. */
  readonly shareMax: number;
  /** Default 200. */
  readonly windowRecords: number;
  /** Default 50. */
  readonly consecutiveMax: number;
  /** librdkafka's configuration of the producer, beside what it takes over from `kafka`. */
  readonly producer: Readonly<Record<string, unknown>>;
}

/** What all dead letters of a consumer have in common. */
export interface DeadLetterBasis {
  readonly policy: DeadLetterPolicy;
  readonly group: string;
}

/**
 * The dead letter of a record.
 *
 * @param failedAt milliseconds since the epoch
 * @throws HandlerError where one of the application's functions throws
 */
export function deadLetterOf(
  { policy, group }: DeadLetterBasis,
  record: KafkaRecord,
  error: HandlerError,
  failedAt: number,
): Omit<OutgoingRecord, 'partition'> {
  const { topic, headers, stackCharactersMax } = policy;
  const { stage, attempt, traceId } = error;
  const name = typeof topic === 'string' ? topic : called('deadLetter.topic', error, () => topic(record));
  if (name === record.topic) {
    const why = answerError(`deadLetter.topic names ${name}, the record's own topic: it would come back for ever`);
    throw new HandlerError(error, why, stage, 'there is no dead letter for');
  }
  const facts = { record, error, stage, attempts: attempt, group, traceId, failedAt };
  return {
    topic: name,
    key: record.key,
    value: record.value,
    headers: called('deadLetter.headers', error, () => deadLetterHeaders(facts, headers, stackCharactersMax)),
    timestamp: record.timestamp,
  };
}

/** The dead-letter topic of every record of a topic, where one can be named without a record. */
export function deadLetterTopicOf(policy: ResolvedOptions['deadLetter'], topic: string): string | undefined {
  if (typeof policy.topic === 'string') return policy.topic;
  return policy.topic === defaultDeadLetterTopic ? `${topic}${DEAD_LETTER_SUFFIX}` : undefined;
}

const DEAD_LETTER_SUFFIX = '-dlt';

export function defaultDeadLetterTopic({ topic }: KafkaRecord): string {
  return `${topic}${DEAD_LETTER_SUFFIX}`;
}

const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-/;

/**
 * The trace a record belongs to: that of its `traceparent` header (W3C Trace Context), else one that is made for it.
 *
 * @param random in [0, 1)
 */
export function traceIdOf({ headers }: KafkaRecord, random: () => number): string {
  const traceparent = headers.find(([name]) => name === 'traceparent')?.[1].toString();
  const given = TRACEPARENT.exec(traceparent ?? '')?.[1];
  if (given !== undefined) return given;
  const digit = () => Math.floor(random() * 16).toString(16);
  return Array.from({ length: 32 }, digit).join('');
}

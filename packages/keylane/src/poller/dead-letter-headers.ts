/**
 * What a dead letter says about itself in its headers, in the forms that other tools read: Spring Kafka's (binary
 * numbers), Kafka Connect's (text), and always a few of our own. Pure; `dead-letter.ts` at the top reads them back.
 *
 * @see https://docs.spring.io/spring-kafka/reference/kafka/annotation-error-handling.html
 * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-298%3A+Error+Handling+in+Connect
 */
import type { FailureStage, HandlerError } from '../errors.ts';
import type { KafkaRecord, RecordHeader } from '../wire/record.ts';

/** All that is known about a record that goes to a dead-letter or park topic. */
export interface DeadLetterFacts {
  /** As it was consumed, its headers among it. */
  readonly record: KafkaRecord;
  /** How it failed last. */
  readonly error: HandlerError;
  readonly stage: FailureStage;
  /** How often its handler was called with it. */
  readonly attempts: number;
  readonly group: string;
  /** The trace it belongs to (of its `traceparent` header, or made for it), 32 hexadecimal digits. */
  readonly traceId: string;
  /** Milliseconds since the epoch. */
  readonly failedAt: number;
}

/** Which headers a dead letter gets beside its own: a form that is known, or a function's. */
export type DeadLetterHeaders = 'spring' | 'connect' | 'both' | ((facts: DeadLetterFacts) => Iterable<RecordHeader>);

/** Ours, on every dead letter and parked record; text all of them. */
export const KEYLANE = {
  topic: 'keylane_origin-topic',
  partition: 'keylane_origin-partition',
  offset: 'keylane_origin-offset',
  group: 'keylane_group',
  stage: 'keylane_stage',
  attempts: 'keylane_attempts',
  traceId: 'keylane_trace-id',
  /** When it failed, or went after one of its key that did. */
  failedAt: 'keylane_failed-at',
  /** What the watchdog knew where a record hung or ended its thread; JSON. */
  evidence: 'keylane_evidence',
  /** Of a parked record: `failed`, or `follows` one of its key that did. */
  parked: 'keylane_parked',
  /** Of a parked record: the key it was ordered by; to be compared, not to be read. */
  parkKey: 'keylane_park-key',
  /** Of a park topic: the key goes on from here, all up to this offset of the park topic was replayed. */
  released: 'keylane_released',
  /** Of a parked record, and kept when it is produced again: `topic[partition]@offset` where it was consumed first. */
  parkedFrom: 'keylane_parked-from',
  /** Of a record that was produced again: `topic[partition]@offset` of its dead letter. */
  replayedFrom: 'keylane_replayed-from',
} as const;

/** `DeadLetterPublishingRecoverer`'s: partition int32, offset and timestamp int64, big-endian; the rest text. */
export const SPRING = {
  topic: 'kafka_dlt-original-topic',
  partition: 'kafka_dlt-original-partition',
  offset: 'kafka_dlt-original-offset',
  timestamp: 'kafka_dlt-original-timestamp',
  group: 'kafka_dlt-original-consumer-group',
  name: 'kafka_dlt-exception-fqcn',
  causeName: 'kafka_dlt-exception-cause-fqcn',
  message: 'kafka_dlt-exception-message',
  stack: 'kafka_dlt-exception-stacktrace',
} as const;

/** `DeadLetterQueueReporter`'s: text all of them. */
export const CONNECT = {
  topic: '__connect.errors.topic',
  partition: '__connect.errors.partition',
  offset: '__connect.errors.offset',
  connector: '__connect.errors.connector.name',
  task: '__connect.errors.task.id',
  stage: '__connect.errors.stage',
  className: '__connect.errors.class.name',
  name: '__connect.errors.exception.class.name',
  message: '__connect.errors.exception.message',
  stack: '__connect.errors.exception.stacktrace',
} as const;

/** What says where a record came from stays as it was when it fails again; all else is of the last failure. */
const ORIGINS: ReadonlySet<string> = new Set([
  ...[SPRING.topic, SPRING.partition, SPRING.offset, SPRING.timestamp, SPRING.group],
  ...[CONNECT.topic, CONNECT.partition, CONNECT.offset],
]);
/** Ours as well, and part of the record for as long as it may come back. */
const TRAVELLING: ReadonlySet<string> = new Set([KEYLANE.replayedFrom, KEYLANE.parkedFrom]);
/** Causes nested deeper than this are left out. */
const CAUSES_MAX = 5;
const OURS: ReadonlySet<string> = new Set([SPRING, CONNECT, KEYLANE].flatMap((form) => Object.values(form)));

/**
 * The record's own headers, byte for byte and in their order, and behind them what the form says about its failure.
 *
 * @param stackCharactersMax stack traces are cut to this: unbounded ones have made records too large to produce
 */
export function deadLetterHeaders(
  facts: DeadLetterFacts,
  form: DeadLetterHeaders,
  stackCharactersMax: number,
): RecordHeader[] {
  const kept = keptHeaders(facts.record.headers);
  const has = new Set(kept.map(([name]) => name));
  const stack = stackOf(facts.error.cause).slice(0, stackCharactersMax);
  const said = [
    ...ours(facts),
    ...(form === 'spring' || form === 'both' ? spring(facts, stack) : []),
    ...(form === 'connect' || form === 'both' ? connect(facts, stack) : []),
    ...(typeof form === 'function' ? form(facts) : []),
  ];
  return [...kept, ...said.filter(([name]) => !ORIGINS.has(name) || !has.has(name))];
}

/** A record's headers, without what is said anew of it. */
export function keptHeaders(headers: readonly RecordHeader[]): RecordHeader[] {
  return headers.filter(([name]) => !OURS.has(name) || ORIGINS.has(name) || TRAVELLING.has(name));
}

/** Headers without what a dead letter was given for itself, for a record that is produced again. */
export function withoutDeadLetterHeaders(headers: readonly RecordHeader[]): RecordHeader[] {
  return headers.filter(([name]) => !OURS.has(name) || name === KEYLANE.parkedFrom);
}

/** Where a record came from, and whose it was. */
export function originHeaders({ topic, partition, offset }: KafkaRecord, group: string): RecordHeader[] {
  return [
    textHeader(KEYLANE.topic, topic),
    textHeader(KEYLANE.partition, partition),
    textHeader(KEYLANE.offset, offset),
    textHeader(KEYLANE.group, group),
  ];
}

function ours({ record, error, stage, attempts, group, traceId, failedAt }: DeadLetterFacts): RecordHeader[] {
  const { evidence } = error;
  return [
    ...originHeaders(record, group),
    textHeader(KEYLANE.stage, stage),
    textHeader(KEYLANE.attempts, attempts),
    textHeader(KEYLANE.traceId, traceId),
    timeHeader(KEYLANE.failedAt, failedAt),
    ...(evidence === undefined ? [] : [textHeader(KEYLANE.evidence, JSON.stringify(evidence))]),
  ];
}

function spring({ record, error, group }: DeadLetterFacts, stack: string): RecordHeader[] {
  const thrown = thrownBy(error);
  const partition = Buffer.alloc(4);
  partition.writeInt32BE(record.partition);
  return [
    textHeader(SPRING.topic, record.topic),
    [SPRING.partition, partition],
    [SPRING.offset, int64(record.offset)],
    [SPRING.timestamp, int64(record.timestamp)],
    textHeader(SPRING.group, group),
    textHeader(SPRING.name, thrown.name),
    ...(thrown.cause instanceof Error ? [textHeader(SPRING.causeName, thrown.cause.name)] : []),
    textHeader(SPRING.message, thrown.message),
    textHeader(SPRING.stack, stack),
  ];
}

function connect({ record, error, stage, group }: DeadLetterFacts, stack: string): RecordHeader[] {
  const thrown = thrownBy(error);
  return [
    textHeader(CONNECT.topic, record.topic),
    textHeader(CONNECT.partition, record.partition),
    textHeader(CONNECT.offset, record.offset),
    textHeader(CONNECT.connector, group),
    textHeader(CONNECT.task, 0),
    textHeader(CONNECT.stage, connectStage(stage, thrown)),
    textHeader(CONNECT.className, 'keylane'),
    textHeader(CONNECT.name, thrown.name),
    textHeader(CONNECT.message, thrown.message),
    textHeader(CONNECT.stack, stack),
  ];
}

/** Connect's own names of its stages. What cannot be decoded says whether it is the key. */
function connectStage(stage: FailureStage, { message }: Error): string {
  if (stage !== 'deserialize') return 'TASK_PUT';
  return message.startsWith('key:') ? 'KEY_CONVERTER' : 'VALUE_CONVERTER';
}

/** What the handler threw; the error around it only says where. */
function thrownBy({ cause }: HandlerError): Error {
  return cause as Error;
}

/** The stack trace and, as Java writes them, those of what caused it. */
function stackOf(thrown: unknown, depth = 0): string {
  if (!(thrown instanceof Error) || depth > CAUSES_MAX) return '';
  const cause = stackOf(thrown.cause, depth + 1);
  const stack = thrown.stack ?? `${thrown.name}: ${thrown.message}`;
  return cause === '' ? stack : `${stack}\nCaused by: ${cause}`;
}

/** A header whose value is text. */
export function textHeader(name: string, value: string | number): RecordHeader {
  return [name, Buffer.from(String(value))];
}

/** A header that says when, as ISO 8601. */
export function timeHeader(name: string, at: number): RecordHeader {
  return textHeader(name, new Date(at).toISOString());
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(Math.trunc(value)));
  return bytes;
}

/**
 * Every error Keylane throws, rejects with or reports, by who must act on it. Nothing else in Keylane
 * makes an error of its own, but for what `wire/wire-error.ts` rebuilds.
 */

/** The codes of every {@link KeylaneError}, stable across versions. */
export type KeylaneErrorCode =
  | 'ERR_OPTION_INVALID'
  | 'ERR_HANDLER_LOAD'
  | 'ERR_HANDLER_THREW'
  | 'ERR_HANDLER_TIMEOUT'
  | 'ERR_HANDLER_CRASHED'
  | 'ERR_RECORD_UNDECODABLE'
  | 'ERR_THREAD_LOST'
  | 'ERR_THREAD_OUT_OF_MEMORY'
  | 'ERR_THREAD_CRASH_LOOP'
  | 'ERR_KAFKA'
  | 'ERR_COMMIT'
  | 'ERR_PRODUCE'
  | 'ERR_FLOOD'
  | 'ERR_OFFSET_SKIPPED'
  | 'ERR_OFFSET_BACK'
  | 'ERR_OFFSET_MAP'
  | 'ERR_COMMIT_BACK'
  | 'ERR_DRAIN_TIMEOUT'
  | 'ERR_CLOSE_TIMEOUT'
  | 'ERR_CLOSED'
  | 'ERR_INVARIANT';

/** The base of every error of Keylane; `code` is stable, the message is for people. */
export class KeylaneError extends Error {
  readonly code: KeylaneErrorCode;

  constructor(code: KeylaneErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The caller must change an option or the handler module. `startConsumer` rejects with it; nothing was started. */
export class ConfigurationError extends KeylaneError {
  /** One line for each thing that is wrong. */
  readonly problems: readonly string[];

  constructor(code: 'ERR_OPTION_INVALID' | 'ERR_HANDLER_LOAD', problems: readonly string[], options?: ErrorOptions) {
    super(code, problems.length === 1 ? (problems[0] as string) : `\n  - ${problems.join('\n  - ')}`, options);
    this.problems = problems;
  }
}

/**
 * How a record failed: a decoder could not read it, its handler threw (or `orderingKey` did), took longer than
 * `handlerTimeoutMs`, or ended its whole thread.
 */
export type FailureStage = 'deserialize' | 'handle' | 'timeout' | 'thread-lost';

const FAILURES = {
  deserialize: { code: 'ERR_RECORD_UNDECODABLE', did: 'the decoder failed' },
  handle: { code: 'ERR_HANDLER_THREW', did: 'the handler threw' },
  timeout: { code: 'ERR_HANDLER_TIMEOUT', did: 'the handler ran out of time' },
  'thread-lost': { code: 'ERR_HANDLER_CRASHED', did: 'the handler ended its thread' },
} as const;

/** What was seen of a record that hung or ended its thread. */
export interface FailureEvidence {
  /** Of the handler thread, where it ended. */
  readonly threadId?: number;
  /** What the thread exited with, where that is known. */
  readonly exitCode?: number | undefined;
  /** Milliseconds the record had run for when it was given up. */
  readonly ranForMs?: number | undefined;
  /** What else was with a handler in the thread. */
  readonly running?: ThreadLostError['running'];
}

/** The handler's author must act: this record failed. What it threw, or what ended it, is the `cause`. */
export class HandlerError extends KeylaneError {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly stage: FailureStage;
  /** Of a record that hung or ended its thread; absent elsewhere. */
  readonly evidence: FailureEvidence | undefined;
  /**
   * The trace the record belongs to (of its `traceparent` header, or made for it): 32 hexadecimal digits, the same in
   * every failure of this delivery and in its dead letter.
   */
  readonly traceId: string;

  constructor(
    at: { topic: string; partition: number; offset: number; attempt: number; traceId?: string },
    cause: Error,
    stage: FailureStage = 'handle',
    what = `${FAILURES[stage].did} on attempt ${at.attempt} of`,
  ) {
    const where = `${at.topic}[${at.partition}]@${at.offset}`;
    super(FAILURES[stage].code, `${what} ${where}: ${cause.message}`, { cause });
    this.stage = stage;
    this.evidence = evidenceOf(cause);
    this.topic = at.topic;
    this.partition = at.partition;
    this.offset = at.offset;
    this.attempt = at.attempt;
    this.traceId = at.traceId ?? '';
  }
}

/**
 * The operator must act: failures flood a partition, so its hand-out stopped; or they flood the buffer. Nothing is lost
 * meanwhile.
 */
export class FloodError extends KeylaneError {
  /** Whose hand-out stopped; `undefined` where it is the buffer. */
  readonly at: { readonly topic: string; readonly partition: number } | undefined;

  constructor(what: string, at?: { readonly topic: string; readonly partition: number }) {
    super('ERR_FLOOD', at === undefined ? what : `${at.topic}[${at.partition}]: ${what}`);
    this.at = at && { topic: at.topic, partition: at.partition };
  }
}

function evidenceOf(cause: Error): FailureEvidence | undefined {
  if ('evidence' in cause) return cause.evidence as FailureEvidence;
  if (!(cause instanceof ThreadLostError)) return undefined;
  const { threadId, exitCode, running } = cause;
  return { threadId, exitCode, running };
}

/** Why and with what a thread was lost. */
export interface ThreadLoss {
  readonly cause?: unknown;
  readonly running?: ThreadLostError['running'];
  readonly exitCode?: number | undefined;
}

/** The operator must look: a handler thread ended, or was ended because a handler hung. Its records run again. */
export class ThreadLostError extends KeylaneError {
  readonly threadId: number;
  /** The records that were with a handler at that moment: what ended the thread is most likely one of them. */
  readonly running: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[];
  /** What the thread exited with, where that is known. */
  readonly exitCode: number | undefined;

  constructor(
    code: 'ERR_THREAD_LOST' | 'ERR_THREAD_OUT_OF_MEMORY' | 'ERR_THREAD_CRASH_LOOP',
    threadId: number,
    message: string,
    { cause, running = [], exitCode }: ThreadLoss = {},
  ) {
    super(code, message, cause === undefined ? undefined : { cause });
    this.threadId = threadId;
    this.running = running;
    this.exitCode = exitCode;
  }
}

/** The operator must look: Kafka, or the way to it, refused something. */
export class KafkaError extends KeylaneError {
  /** librdkafka's own error code, such as -195 for a broken transport. */
  readonly kafkaCode: number;
  /** True where the client cannot go on; the consumer then fails. */
  readonly fatal: boolean;

  constructor(
    code: 'ERR_KAFKA' | 'ERR_COMMIT' | 'ERR_PRODUCE',
    message: string,
    details: { kafkaCode: number; fatal?: boolean; cause?: unknown },
  ) {
    super(code, message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kafkaCode = details.kafkaCode;
    this.fatal = details.fatal ?? false;
  }
}

/**
 * The operator must look: a partition's log is not what the committed offset promised.
 *
 * - `ERR_OFFSET_SKIPPED`: records were deleted (retention, or by hand) before they were consumed. They are lost.
 * - `ERR_OFFSET_BACK`: the log was cut off, or made anew, below what was consumed. Delivery began again further back.
 * - `ERR_OFFSET_MAP`: what completed above the committed offset cannot be read. Some records run again.
 * - `ERR_COMMIT_BACK`: the group has less committed than this consumer committed before. Records run again.
 */
export class OffsetError extends KeylaneError {
  readonly topic: string;
  readonly partition: number;
  /** The offset that was due. */
  readonly expected: number;
  /** The offset that came instead. */
  readonly offset: number;

  constructor(
    code: 'ERR_OFFSET_SKIPPED' | 'ERR_OFFSET_BACK' | 'ERR_OFFSET_MAP' | 'ERR_COMMIT_BACK',
    at: { topic: string; partition: number; expected: number; offset: number },
    what: string,
  ) {
    super(code, `${at.topic}[${at.partition}]: ${what}`);
    this.topic = at.topic;
    this.partition = at.partition;
    this.expected = at.expected;
    this.offset = at.offset;
  }
}

/**
 * The operator must look: handlers were still running when the drain's time was up, or dead letters not confirmed.
 * Their records come again.
 */
export class DrainError extends KeylaneError {
  /** Records that were with a handler, or on their way to another topic, when the time was up. */
  readonly abandoned: number;

  constructor(abandoned: number, drainTimeoutMs: number) {
    super(
      'ERR_DRAIN_TIMEOUT',
      `${abandoned} record(s) were still with a handler, or not yet confirmed in a dead-letter or park topic, after ` +
        `drainTimeoutMs = ${drainTimeoutMs}; they are not committed and will be delivered again`,
    );
    this.abandoned = abandoned;
  }
}

/** The operator must look: a step of the close took too long and was given up. The steps behind it were made. */
export class CloseError extends KeylaneError {
  constructor(step: string, limitMs: number) {
    super(
      'ERR_CLOSE_TIMEOUT',
      `the close gave up on ${step} after ${limitMs} ms and went on. ` +
        'What is left of it may keep the process from ending by itself: end it with process.exit() once closed settles',
    );
  }
}

/** Why a record failed whose handler had to be given up: the cause of its {@link HandlerError}. */
export function hungError(
  { topic, partition, offset }: { topic: string; partition: number; offset: number },
  { handlerTimeoutMs, handlerAbortGraceMs }: { handlerTimeoutMs: number; handlerAbortGraceMs: number },
): Error {
  const error = new Error(
    `${topic}[${partition}]@${offset} still ran handlerAbortGraceMs = ${handlerAbortGraceMs} after ` +
      `handlerTimeoutMs = ${handlerTimeoutMs}. Raise handlerTimeoutMs if its work takes that long, or make the handler ` +
      'end when context.signal aborts',
  );
  const evidence = { ranForMs: handlerTimeoutMs + handlerAbortGraceMs };
  return Object.assign(error, { name: 'TimeoutError', code: 'ERR_HANDLER_TIMEOUT', evidence });
}

/** Why it is not known what becomes of a failed record: a function of the application answered what it may not. */
export function answerError(text: string): Error {
  return new TypeError(text);
}

/** A call that needs a running consumer came after it closed. */
export class ClosedError extends KeylaneError {
  constructor(call: string) {
    super('ERR_CLOSED', `${call} was called on a consumer that is closing or closed`);
  }
}

/** A fault of ours: something that cannot happen did. The consumer fails, loudly. */
export class InvariantError extends KeylaneError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_INVARIANT', `${message} (this is a fault of Keylane: please report it)`, options);
  }
}

/**
 * Throws an {@link InvariantError} unless `condition` holds.
 *
 * @param found what there was instead, for the message: it is only made where it is needed
 */
export function assert(condition: boolean, message: string, found?: unknown): asserts condition {
  if (!condition) throw new InvariantError(found === undefined ? message : `${message}: ${found}`);
}

/** What was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new Error(`a value was thrown that is no Error: ${String(thrown)}`, { cause: thrown });
}

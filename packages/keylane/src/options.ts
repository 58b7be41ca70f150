/**
 * The options of a consumer: what they mean, what they default to, what they may be. Every default is here and nowhere
 * else.
 */

import { pathToFileURL } from 'node:url';
import type { ResourceLimits } from 'node:worker_threads';
import { z } from 'zod';
import { ConfigurationError, type HandlerError } from './errors.ts';
import { type BreakerPolicy, defaultIsFailure } from './poller/breaker.ts';
import { type DeadLetterPolicy, defaultDeadLetterTopic } from './poller/dead-letter.ts';
import { defaultParkTopic, type ParkPolicy } from './poller/park.ts';
import type { RetryPolicy } from './poller/retry.ts';
import { topicPattern } from './poller/topic-pattern.ts';
import { DISPOSALS, type Disposal, type FailureContext, type Verdict } from './poller/verdict.ts';
import { usableCpus } from './usable-cpus.ts';
import type { AnyHandler, HandleFunction, KafkaRecord } from './worker/handler.ts';

/** Whether records wait for one another: those of one key, of one partition, or none. */
export type Ordering = 'key' | 'partition' | 'unordered';

/** What `startConsumer` takes. */
export interface ConsumerOptions {
  /**
   * The Kafka client's configuration under librdkafka's own names, handed on untouched. `bootstrap.servers` and
   * `group.id` are required. Those that Keylane must own itself (such as `enable.auto.commit`) are refused by name.
   *
   * @see https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
   */
  readonly kafka: Readonly<Record<string, unknown>>;
  /** Topic names and regular expressions, together. An expression also takes in topics that appear later. */
  readonly topics: readonly (string | RegExp)[];
  /**
   * A module (URL, or path to a file) whose default export handles records in threads; or a function, or what
   * `defineHandler` returns, that handles them on this thread, for I/O-bound work that needs the application's own
   * objects.
   */
  readonly handler: URL | string | HandleFunction | AnyHandler;
  /** What must stay in order. Default `'key'`: records of one key of one partition, one after the other. */
  readonly ordering?: Ordering;
  /**
   * What records without a key wait for, under `ordering: 'key'`. Default `'unordered'`: nothing; or their
   * `'partition'`.
   */
  readonly nullKeys?: 'unordered' | 'partition';
  /**
   * Names the key to order by, instead of the record's own; `null` for none. Only under `ordering: 'key'`. It gets the
   * record as it came, its key and value as bytes: decoders run in the handler's thread, and this one before.
   */
  readonly orderingKey?: (record: KafkaRecord) => string | Uint8Array | null | undefined;
  /** Handler threads. Default: the CPUs this process may use, as its container says. */
  readonly threads?: number;
  /** Handlers in flight at once in one thread, or on this thread for a handler function. Default 16. */
  readonly concurrencyPerThread?: number;
  /**
   * Whether a key always runs in its own thread (`'strict'`), or another one may take it over while it idles
   * (`'preferred'`, the default).
   */
  readonly affinity?: 'preferred' | 'strict';
  /** Records held between the client and the end of their handlers. Default 10,000. */
  readonly bufferedRecordsMax?: number;
  /** The same in bytes: keys, values, headers and 200 bytes for each record. Default 64 MiB. */
  readonly bufferedBytesMax?: number;
  /**
   * Records held of one partition; past it only that partition is paused. Default half of `bufferedRecordsMax`, less
   * beside one that has more left and comes short while handlers are slow, and no limit for a consumer's only one.
   */
  readonly bufferedRecordsPerPartitionMax?: number;
  /**
   * The most records taken from the client in one call. Default 1,000. While handlers take a millisecond or more it is
   * 50 at a time, so that threads are fed in between.
   */
  readonly recordsPerPollMax?: number;
  /** Milliseconds between commits. Default 1,000. */
  readonly commitIntervalMs?: number;
  /** Completed records after which a commit is made early. Default 100,000. */
  readonly commitRecordsMax?: number;
  /**
   * Characters that a commit's metadata may have, for the map of what completed above the committed offset. Records
   * are handed out only as far as the map is sure to hold them. Default 4,095: the broker's default of
   * `offset.metadata.max.bytes`, less the character the client adds.
   */
  readonly offsetMapCharactersMax?: number;
  /**
   * Milliseconds that running handlers are awaited before a partition is given back, or at the close. Default 20,000.
   */
  readonly drainTimeoutMs?: number;
  /**
   * Milliseconds a handler may take for a record. Past it `context.signal` aborts, and a handler that then rejects has
   * failed with the stage `'timeout'`. Default 30,000, as long as Kafka's share groups lock a record for a consumer
   * (`group.share.record.lock.duration.ms`). 0 for no limit.
   *
   * A handler function that never waits cannot be timed: it runs on the thread that would have to look.
   */
  readonly handlerTimeoutMs?: number;
  /**
   * Milliseconds more that a handler has to end once `context.signal` aborted for time. Past it its thread is ended and
   * replaced: the record has failed, and whatever else ran in the thread runs again as the same attempt. A handler
   * function's record has failed then too, but its call cannot be ended: it may still run, beside the record's next
   * attempt. Default 1,000.
   */
  readonly handlerAbortGraceMs?: number;
  /** Milliseconds the first broker may take to answer before `startConsumer` rejects. Default 30,000. */
  readonly startTimeoutMs?: number;
  /** How a record that failed is tried again. Its key waits; every other goes on. */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Says what becomes of a record that failed, at every failure: `'retry'`, `retry(delayMs)`, `later(delayMs)` (no
   * attempt), `'dead-letter'`, `'park'`, `'skip'` or `'stop'`. Where it answers `undefined` the `retry` policy
   * decides, and then `onExhausted`. Runs on the main thread; what it throws makes the consumer fail.
   */
  readonly onError?: (error: HandlerError, context: FailureContext) => Verdict | undefined;
  /**
   * What becomes of a record that is not tried again (its attempts are used up, or the error says that none makes
   * sense), or a function that says so. Default: `'dead-letter'` where `deadLetter` is set, else `'stop'`.
   */
  readonly onExhausted?: Disposal | ((record: KafkaRecord, error: HandlerError) => Disposal);
  /** Where dead letters go, what they say, and how many are too many. */
  readonly deadLetter?: Partial<DeadLetterPolicy>;
  /**
   * Where parked records go. Where it is set, or `onExhausted` is `'park'`, every partition's park topic is read before
   * its first record is handed out, so that parked keys stay so over restarts.
   */
  readonly park?: Partial<ParkPolicy>;
  /** Stops the hand-out while what handlers depend on is down. Default: no breaker; `{}` for one with its defaults. */
  readonly breaker?: Partial<BreakerPolicy>;
  /** Handed to each thread's `open`, by structured clone. */
  readonly handlerData?: unknown;
  /** Limits, environment and arguments of the handler threads, as Node's `Worker` takes them. */
  readonly threadOptions?: {
    readonly resourceLimits?: ResourceLimits;
    readonly env?: Record<string, string>;
    readonly argv?: string[];
    /** Such as `['--import', 'tsx']`, for handlers in TypeScript. */
    readonly execArgv?: string[];
  };
  /** Closes the consumer when it aborts; during the start, `startConsumer` rejects with its reason. */
  readonly signal?: AbortSignal;
  /**
   * Closes the consumer on SIGTERM and SIGINT, as `close()` does: in at most `drainTimeoutMs` and 15 seconds. The
   * process then ends by itself when nothing else keeps it (the client itself may, for `session.timeout.ms`, where no
   * broker is there to take its last commit); a second signal ends it at once. Default false.
   */
  readonly installSignalHandlers?: boolean;
}

/** The options with every default filled in; frozen. */
export type ResolvedOptions = Readonly<
  Omit<
    Required<ConsumerOptions>,
    | 'retry'
    | 'deadLetter'
    | 'park'
    | 'breaker'
    | 'onError'
    | 'orderingKey'
    | 'signal'
    | 'handler'
    | 'bufferedRecordsPerPartitionMax'
  > & {
    /** `undefined` where it is not given; see `Pipeline`. */
    bufferedRecordsPerPartitionMax: number | undefined;
    retry: RetryPolicy;
    deadLetter: DeadLetterPolicy;
    /** `undefined` where nothing is ever parked. */
    park: ParkPolicy | undefined;
    breaker: BreakerPolicy | undefined;
    onError: ConsumerOptions['onError'] | undefined;
    orderingKey: ConsumerOptions['orderingKey'] | undefined;
    signal: AbortSignal | undefined;
    /** A module's URL, or what runs on this thread. */
    handler: string | HandleFunction | AnyHandler;
  }
>;

/** Keys of the client's configuration that Keylane must own, and why. */
const RESERVED: Readonly<Record<string, string>> = {
  'enable.auto.commit': 'Keylane commits what is complete; see commitIntervalMs',
  'enable.auto.offset.store': 'Keylane commits what is complete; see commitIntervalMs',
  'auto.commit.interval.ms': 'use commitIntervalMs',
  'enable.partition.eof': 'Keylane follows the ends of partitions itself',
  rebalance_cb: "Keylane answers rebalances itself; listen to 'assigned', 'revoked' and 'lost'",
  offset_commit_cb: "Keylane reads the broker's answers itself; listen to 'committed'",
  queue_non_empty_cb: 'Keylane polls itself',
  event_cb: "Keylane reads the client's events itself; listen to 'warning'",
};

const count = z.int().min(1);
/** Milliseconds, up to what a timer can wait. */
const duration = (least = 0) =>
  z
    .number()
    .min(least)
    .max(2 ** 31 - 1);

const kafkaSchema = z.record(z.string(), z.unknown()).superRefine((kafka, context) => {
  for (const name of ['bootstrap.servers', 'group.id']) {
    const alias = name === 'bootstrap.servers' ? kafka['metadata.broker.list'] : undefined;
    const value = kafka[name] ?? alias;
    if (typeof value !== 'string' || value === '') {
      context.addIssue({
        code: 'custom',
        path: [name],
        message: `is required, such as ${name === 'group.id' ? "'billing'" : "'localhost:9092'"}`,
      });
    }
  }
  if (kafka['auto.offset.reset'] === 'error' && Number(kafka['statistics.interval.ms'] ?? 1) === 0) {
    const message = "must not be 0 with 'auto.offset.reset': 'error': that an offset is missing may show only there";
    context.addIssue({ code: 'custom', path: ['statistics.interval.ms'], message });
  }
  for (const [name, reason] of Object.entries(RESERVED)) {
    if (name in kafka) context.addIssue({ code: 'custom', path: [name], message: `is reserved: ${reason}` });
  }
});

const topicSchema = z.custom<string | RegExp>().superRefine((topic, context) => {
  if (typeof topic === 'string' && topic !== '' && !topic.startsWith('^')) return;
  if (topic instanceof RegExp) {
    const { problem } = topicPattern(topic);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    return;
  }
  const hint = typeof topic === 'string' && topic.startsWith('^') ? '; write an expression as a RegExp' : '';
  context.addIssue({ code: 'custom', message: `must be a topic name or a RegExp${hint}` });
});

const functionSchema = <T>() => z.custom<T>((value) => typeof value === 'function', 'must be a function');

const HANDLER_KINDS = 'must be a URL, a path, a function or an object with a function handle';

const inlineHandler = z.custom<HandleFunction | AnyHandler>(
  (given) => typeof given === 'function' || typeof (given as Partial<AnyHandler> | null)?.handle === 'function',
  HANDLER_KINDS,
);

const schema = z.strictObject({
  kafka: kafkaSchema,
  topics: z.array(topicSchema).min(1, 'must name at least one topic'),
  handler: z
    .union([z.instanceof(URL), z.string().min(1, HANDLER_KINDS), inlineHandler], HANDLER_KINDS)
    .transform((given) => (typeof given === 'string' || given instanceof URL ? handlerUrl(given) : given)),
  ordering: z.enum(['key', 'partition', 'unordered']).default('key'),
  nullKeys: z.enum(['unordered', 'partition']).default('unordered'),
  orderingKey: functionSchema<NonNullable<ConsumerOptions['orderingKey']>>().optional(),
  threads: count.max(1_024).default(() => usableCpus()),
  concurrencyPerThread: count.max(10_000).default(16),
  affinity: z.enum(['preferred', 'strict']).default('preferred'),
  bufferedRecordsMax: count.default(10_000),
  bufferedBytesMax: count.default(64 * 2 ** 20),
  bufferedRecordsPerPartitionMax: count.optional(),
  recordsPerPollMax: count.max(100_000).default(1_000),
  commitIntervalMs: duration(1).default(1_000),
  commitRecordsMax: count.default(100_000),
  offsetMapCharactersMax: count
    .min(64)
    .max(2 ** 15)
    .default(4_095),
  drainTimeoutMs: duration().default(20_000),
  handlerTimeoutMs: duration().default(30_000),
  handlerAbortGraceMs: duration().default(1_000),
  startTimeoutMs: duration(1).default(30_000),
  retry: z
    .strictObject({
      attemptsMax: count.default(5),
      delayMs: z.union([duration(), functionSchema<() => number>()]).default(200),
      delayMaxMs: duration().default(30_000),
      factor: z.number().min(1).default(2),
      jitter: z.enum(['full', 'none']).default('full'),
      retryable: functionSchema<NonNullable<RetryPolicy['retryable']>>().optional(),
      waitingRecordsMax: z.int().min(0).optional(),
    })
    .prefault({}),
  onError: functionSchema<NonNullable<ConsumerOptions['onError']>>().optional(),
  onExhausted: z
    .union([z.enum(DISPOSALS), functionSchema<() => Disposal>()], `must be ${DISPOSALS.join(', ')} or a function`)
    .optional(),
  deadLetter: z
    .strictObject({
      topic: z
        .union([z.string().min(1), functionSchema<typeof defaultDeadLetterTopic>()])
        .default(() => defaultDeadLetterTopic),
      headers: z.union([z.enum(['spring', 'connect', 'both']), functionSchema<() => []>()]).default('spring'),
      stackCharactersMax: z.int().min(0).default(4_096),
      shareMax: z.number().min(0).max(1).default(0.5),
      windowRecords: z.int().min(2).max(100_000).default(200),
      consecutiveMax: count.default(50),
      producer: z.record(z.string(), z.unknown()).default({}),
    })
    .optional(),
  park: z
    .strictObject({
      topic: z.union([z.string().min(1), functionSchema<typeof defaultParkTopic>()]).default(() => defaultParkTopic),
    })
    .optional(),
  breaker: z
    .strictObject({
      failureShareMax: z.number().min(0).lt(1).default(0.5),
      windowMs: duration(10).default(10_000),
      recordsMin: count.default(20),
      openMs: duration(1).default(5_000),
      openMsMax: duration(1).default(60_000),
      isFailure: functionSchema<BreakerPolicy['isFailure']>().default(() => defaultIsFailure),
    })
    .optional(),
  handlerData: z.unknown().optional(),
  threadOptions: z
    .strictObject({
      resourceLimits: z.record(z.string(), z.number()).optional(),
      env: z.record(z.string(), z.string()).optional(),
      argv: z.array(z.string()).optional(),
      execArgv: z.array(z.string()).optional(),
    })
    .prefault({}),
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
  installSignalHandlers: z.boolean().default(false),
});

/**
 * Checks the options and fills in the defaults.
 *
 * @throws ConfigurationError (`ERR_OPTION_INVALID`) that names every wrong option at once
 */
export function resolveOptions(options: ConsumerOptions): ResolvedOptions {
  const { success, data, error } = schema.safeParse(options);
  if (!success) throw new ConfigurationError('ERR_OPTION_INVALID', error.issues.flatMap(describe));
  const { bufferedRecordsMax, retry, deadLetter, park } = data;
  return Object.freeze({
    ...data,
    bufferedRecordsPerPartitionMax: data.bufferedRecordsPerPartitionMax,
    retry: { ...retry, waitingRecordsMax: retry.waitingRecordsMax ?? bufferedRecordsMax },
    onExhausted: data.onExhausted ?? (deadLetter === undefined ? 'stop' : 'dead-letter'),
    deadLetter: deadLetter ?? schema.shape.deadLetter.unwrap().parse({}),
    park: park ?? (data.onExhausted === 'park' ? schema.shape.park.unwrap().parse({}) : undefined),
  }) as ResolvedOptions;
}

function describe(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${[...issue.path, key].join('.')} is not an option`);
  const name =
    issue.path[0] === 'kafka' && issue.path.length > 1 ? `kafka['${String(issue.path[1])}']` : issue.path.join('.');
  return [`${name === '' ? 'the options' : name}: ${issue.message}`];
}

function handlerUrl(handler: URL | string): string {
  if (handler instanceof URL) return handler.href;
  return /^(file|data):/.test(handler) ? handler : pathToFileURL(handler).href;
}

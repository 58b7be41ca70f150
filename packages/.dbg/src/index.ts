/**
 * Everything an application imports from `keylane`. Handler modules import `keylane/handler`.
 */
export { type Consumer, startConsumer } from './consumer.ts';
export {
  ClosedError,
  CloseError,
  ConfigurationError,
  DrainError,
  type FailureEvidence,
  type FailureStage,
  FloodError,
  HandlerError,
  InvariantError,
  KafkaError,
  KeylaneError,
  type KeylaneErrorCode,
  OffsetError,
  ThreadLostError,
} from './errors.ts';
export type { ConsumerEvents, ConsumerState, Listener } from './events.ts';
export type { ConsumerOptions, Ordering } from './options.ts';
export type { BreakerPolicy, BreakerState } from './poller/breaker.ts';
export type { CommitAnswer, PartitionOffset, TopicPartition } from './poller/client.ts';
export type { DeadLetterPolicy } from './poller/dead-letter.ts';
export type { DeadLetterFacts, DeadLetterHeaders } from './poller/dead-letter-headers.ts';
export type { ParkPolicy } from './poller/park.ts';
export type { RetryPolicy } from './poller/retry.ts';
export {
  type Disposal,
  type FailureContext,
  type LaterVerdict,
  later,
  type RetryVerdict,
  retry,
  type Verdict,
} from './poller/verdict.ts';
export type {
  BreakerSnapshot,
  ConsumerSnapshot,
  PartitionSnapshot,
  RunningRecord,
  ThreadSnapshot,
} from './snapshot.ts';
export {
  type AnyHandler,
  bytes,
  type DecodeFunction,
  type Decoder,
  defineHandler,
  type HandleFunction,
  type Handler,
  type HandlerContext,
  json,
  type KafkaRecord,
  NonRetryableError,
  type OpenContext,
  type RecordHeader,
  type SchemaIssue,
  type SchemaResult,
  type StandardSchema,
  string,
} from './worker/handler.ts';

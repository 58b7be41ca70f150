/**
 * The test kit: a broker without Docker or Java, producing and looking into a cluster, and the guarantees as checks.
 */
export {
  type Cluster,
  type CommittedOffset,
  connectCluster,
  type ProducedRecord,
  type ProduceOptions,
  type RecordToProduce,
} from './cluster.ts';
export { type EmbeddedBroker, startEmbeddedBroker } from './embedded-broker.ts';
export {
  AtLeastOnce,
  CommitNeverAhead,
  expectGuarantees,
  type Guarantee,
  GuaranteeError,
  guaranteesFor,
  KeyOrder,
  type LogEntry,
  NothingTwice,
  OneAtATimePerKey,
  type Ordering,
} from './guarantees.ts';
export { SharedLog } from './shared-log.ts';
export type { Transactions } from './transactions.ts';

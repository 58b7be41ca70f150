/**
 * Everything that must hold, checked as it happens: the promises over the log of what the handlers and the brokers did,
 * and the books of each consumer after every step that touched it.
 */
import { type Guarantee, guaranteesFor, type LogEntry, NothingTwice } from '../../testing/src/guarantees.ts';
import type { RunningConsumer } from '../src/consumer.ts';
import type { Ordering, ResolvedOptions } from '../src/options.ts';
import { RECORD_OVERHEAD_BYTES } from '../src/poller/budget.ts';
import type { ClientRecord, CommittedOffset, TopicPartition } from '../src/poller/client.ts';

export class Invariants {
  readonly log: LogEntry[] = [];
  readonly violations: string[] = [];
  readonly #guarantees: readonly Guarantee[];

  constructor(ordering: Ordering, exactlyOnce: boolean) {
    this.#guarantees = [...guaranteesFor(ordering), ...(exactlyOnce ? [new NothingTwice()] : [])];
  }

  violation(text: string): void {
    this.violations.push(text);
  }

  onRecord(kind: 'produced' | 'started' | 'completed' | 'failed' | 'interrupted', record: ClientRecord): void {
    const { topic, partition, offset, key, leaderEpoch } = record;
    const epoch = leaderEpoch === undefined ? {} : { epoch: leaderEpoch };
    this.#note({ kind, topic, partition, offset, key: key === null ? null : key.toString('latin1'), ...epoch });
  }

  onAssigned({ topic, partition }: TopicPartition): void {
    this.#note({ kind: 'assigned', topic, partition });
  }

  onCommitted({ topic, partition, offset, leaderEpoch }: CommittedOffset): void {
    const epoch = leaderEpoch === undefined ? {} : { epoch: leaderEpoch };
    this.#note({ kind: 'committed', topic, partition, offset, ...epoch });
  }

  onOffset(kind: 'deleted' | 'truncated' | 'reset', { topic, partition }: TopicPartition, offset: number): void {
    this.#note({ kind, topic, partition, offset });
  }

  /** Whether every record that exists was completed. */
  get allCompleted(): boolean {
    return this.#guarantees.every(
      (guarantee) => guarantee.name !== 'at least once' || guarantee.violations().length === 0,
    );
  }

  /** What only the end can tell. */
  finish(): void {
    if (this.violations.length > 0) return;
    for (const guarantee of this.#guarantees) this.violations.push(...guarantee.violations());
  }

  #note(entry: LogEntry): void {
    this.log.push(entry);
    for (const guarantee of this.#guarantees) {
      guarantee.on(entry);
      if (guarantee.name !== 'at least once' && this.violations.length === 0)
        for (const text of guarantee.violations()) this.violations.push(`${guarantee.name}: ${text}`);
    }
  }
}

/** What is counted must be what is there, and within its limits; what is wrong, if anything. */
export function checkBooks({ pipeline }: RunningConsumer, options: ResolvedOptions): string | undefined {
  const { budget, assignment } = pipeline;
  let records = 0;
  let bytes = 0;
  let waiting = 0;
  for (const partition of assignment.open()) {
    records += partition.bufferedRecords;
    waiting += partition.waiting.records;
    const behind = partition.waiting.lanes().reduce((sum, { length }) => sum + length, 0);
    if (behind !== partition.waiting.records) return `${partition.waiting.records} counted as waiting of ${behind}`;
    bytes += partition.bufferedBytes;
    if (partition.tracker.incomplete !== partition.bufferedRecords)
      return `${partition.tracker.incomplete} tracked, ${partition.bufferedRecords} buffered`;
    if (partition.inFlight < 0 || partition.inFlight > partition.bufferedRecords)
      return `${partition.inFlight} in flight of ${partition.bufferedRecords}`;
    if (partition.state !== 'active' && partition.waiting.size > 0)
      return `${partition.waiting.size} retries wait in a partition that is ${partition.state}`;
  }
  if (records !== budget.records || bytes !== budget.bytes)
    return `the budget counts ${budget.records} records and ${budget.bytes} bytes of ${records} and ${bytes}`;
  if (waiting !== budget.waiting) return `the budget counts ${budget.waiting} waiting records of ${waiting}`;
  const { bufferedRecordsMax, bufferedBytesMax, recordsPerPollMax, retry } = options;
  // One fetch may overshoot, and while everything is paused each ask may bring one record that was on its way.
  const overshoot = recordsPerPollMax + 8;
  const recordsMax = bufferedRecordsMax + retry.waitingRecordsMax;
  if (records > recordsMax + overshoot) return `${records} records held of ${recordsMax}`;
  if (bytes > bufferedBytesMax + overshoot * (RECORD_OVERHEAD_BYTES + 20))
    return `${bytes} bytes held of ${bufferedBytesMax}`;
  return undefined;
}

/** After a close nothing may be left; what is, if anything. */
export function checkClosed({ pipeline }: RunningConsumer, pendingTimers: number): string | undefined {
  const { budget, assignment } = pipeline;
  if (budget.records !== 0 || budget.bytes !== 0)
    return `after the close ${budget.records} records and ${budget.bytes} bytes are still counted`;
  if (assignment.open().length !== 0) return 'after the close partitions are still open';
  if (pendingTimers !== 0) return `after the close ${pendingTimers} timers are still pending`;
  return undefined;
}

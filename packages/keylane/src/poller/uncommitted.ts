/**
 * What a commit tells the broker about one partition, and whom to tell what became of it. Runs on the poller's thread.
 *
 * One object for each partition, from the partition to the client and back: a commit of thousands of partitions should
 * cost no more than it must.
 */
import type { KafkaError } from '../errors.ts';
import type { CommittedOffset } from './client.ts';

/** Where it comes from. */
export interface CommitSource {
  /** The broker has it. */
  onTaken(offset: CommittedOffset, version: number): void;
  /** The broker refused it. */
  onRefused(error: KafkaError): void;
}

export class Uncommitted implements CommittedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
  readonly leaderEpoch: number | undefined;
  // Not enumerable, so of no interest to the client.
  readonly #source: CommitSource;
  readonly #version: number;

  /** @param version of what it was gathered from */
  constructor(
    source: CommitSource,
    version: number,
    { topic, partition, offset, metadata, leaderEpoch }: CommittedOffset,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
    this.metadata = metadata;
    this.leaderEpoch = leaderEpoch;
    this.#source = source;
    this.#version = version;
  }

  confirm(): void {
    this.#source.onTaken(this, this.#version);
  }

  refuse(error: KafkaError): void {
    this.#source.onRefused(error);
  }
}

/**
 * Finds partitions that the client gave up, under `auto.offset.reset: 'error'`. It says so once, as an error behind the
 * records it has, and `consume` keeps such an error to itself where it brings records: so the client's statistics are
 * watched for partitions that are ours and not fetched. Runs on the poller's thread; pure.
 */
import { partitionName, type TopicPartition } from './client.ts';

/** Statistics may be taken while a partition is about to begin, or to end; twice in a row it is neither. */
const LOOKS = 2;

/** Of a partition, as the statistics have it. */
export interface FetchState extends TopicPartition {
  /** librdkafka's `fetch_state`: `none` before the first fetch, and after it gave up. */
  readonly fetchState: string;
}

interface Watched {
  /** Where it began is known, or it was seen being fetched: what stands still now was given up. */
  begun: boolean;
  looks: number;
}

export class ResetWatch {
  readonly #partitions: Map<string, Watched> = new Map();

  onAssigned(partitions: readonly (TopicPartition & { readonly offset?: number })[]): void {
    for (const at of partitions) this.#partitions.set(partitionName(at), { begun: at.offset !== undefined, looks: 0 });
  }

  onUnassigned(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#partitions.delete(partitionName(at));
  }

  /**
   * Partitions that were given up; and those that may have been, or whose committed offset the client still asks for:
   * whoever knows that offset can tell.
   */
  look(states: readonly FetchState[]): { readonly givenUp: TopicPartition[]; readonly unknown: TopicPartition[] } {
    const [givenUp, unknown]: [TopicPartition[], TopicPartition[]] = [[], []];
    for (const { topic, partition, fetchState } of states) {
      const watched = this.#partitions.get(partitionName({ topic, partition }));
      if (watched === undefined) continue;
      watched.begun ||= fetchState !== 'none';
      watched.looks = fetchState === 'none' ? watched.looks + 1 : 0;
      if (watched.looks >= LOOKS) (watched.begun ? givenUp : unknown).push({ topic, partition });
    }
    return { givenUp, unknown };
  }
}

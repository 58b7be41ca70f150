/**
 * Whoever produces parked records again: each once, in the order of its park topic, to where it came from.
 */
import { readDeadLetter } from '../src/dead-letter.ts';
import type { ClientRecord, TopicPartition } from '../src/poller/client.ts';
import { KEYLANE, textHeader, withoutDeadLetterHeaders } from '../src/poller/dead-letter-headers.ts';
import { defaultParkTopic } from '../src/poller/park.ts';
import type { OutgoingRecord } from '../src/poller/producer.ts';
import { type Accounts, placeOf } from './accounts.ts';
import { type FakeCluster, nameOf } from './fake-cluster.ts';
import type { ProducedTopics } from './fake-producer.ts';

export interface ReplayerParts {
  readonly cluster: FakeCluster;
  readonly topics: ProducedTopics;
  readonly accounts: Accounts;
  readonly onReplayed: (copy: ClientRecord) => void;
  readonly onViolation: (text: string) => void;
}

export class Replayer {
  readonly #parts: ReplayerParts;
  /** What came from an instance whose partition was another's by then: nobody knew of it in time to release its key. */
  readonly late: Set<OutgoingRecord> = new Set();
  /** What comes next in each partition. */
  readonly #next: Map<string, number> = new Map();

  constructor(parts: ReplayerParts) {
    this.#parts = parts;
  }

  /** Produces up to so many records of each partition again; how many there were. */
  replay(most: number): number {
    let replayed = 0;
    for (const at of this.#partitions()) {
      const log = this.#parts.topics.log(at);
      let offset = this.#next.get(nameOf(at)) ?? 0;
      for (let left = most; left > 0 && offset < log.length; offset += 1) {
        if (!this.#again(at, offset)) continue;
        left -= 1;
        replayed += 1;
      }
      this.#next.set(nameOf(at), offset);
    }
    return replayed;
  }

  /** Once everything was produced again and handled, no key may be parked. */
  finish(): void {
    const { topics, onViolation } = this.#parts;
    for (const at of this.#partitions()) {
      const parked = new Map<string, number>();
      for (const [offset, record] of topics.log(at).entries()) {
        if (this.late.has(record)) continue;
        const said = new Map(record.headers);
        const key = said.get(KEYLANE.parkKey)?.toString();
        if (key === undefined) continue;
        const lane = `${said.get(KEYLANE.topic)}[${said.get(KEYLANE.partition)}] ${key}`;
        const released = said.get(KEYLANE.released);
        if (released === undefined) parked.set(lane, offset);
        else if (Number(released.toString()) >= (parked.get(lane) ?? -1)) parked.delete(lane);
      }
      for (const [lane, offset] of parked) onViolation(`${lane} is still parked, by ${placeOf({ ...at, offset })}`);
    }
  }

  #partitions(): TopicPartition[] {
    const { cluster, topics } = this.#parts;
    return [...cluster.topics.keys()].map(defaultParkTopic).flatMap((topic) => {
      return Array.from({ length: topics.partitions(topic) ?? 0 }, (_, partition) => ({ topic, partition }));
    });
  }

  #again(at: TopicPartition, offset: number): boolean {
    const { cluster, topics, accounts, onReplayed } = this.#parts;
    const { key, value, headers, timestamp } = topics.log(at)[offset] as OutgoingRecord;
    const letter = readDeadLetter(headers);
    if (letter?.parked === undefined) return false;
    const from = textHeader(KEYLANE.replayedFrom, placeOf({ ...at, offset }));
    const kept = [...withoutDeadLetterHeaders(headers), from].map(([name, content]) => ({ [name]: content }));
    const copy = cluster.append(cluster.get(letter), { key, value, headers: kept, timestamp });
    accounts.replayed(copy, letter);
    onReplayed(copy);
    return true;
  }
}

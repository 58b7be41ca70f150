/**
 * A dead letter as the record it was: key, value, headers and time of its own, and one header that says where it was.
 */
import { KEYLANE_HEADERS, withoutDeadLetterHeaders } from 'keylane/dead-letter';
import { CliError } from '../errors.ts';
import type { Reader } from '../kafka/client.ts';
import type { OutgoingRecord } from '../kafka/producer.ts';
import { at, type Entry } from './entry.ts';

/** How many partitions the topics have that are replayed to; asked once each. */
export class Targets {
  readonly #reader: Pick<Reader, 'partitions'>;
  readonly #counts = new Map<string, number>();

  constructor(reader: Pick<Reader, 'partitions'>) {
    this.#reader = reader;
  }

  /** Rejects where the topic does not exist: producing to it might make it, with settings nobody chose. */
  async partitions(topic: string): Promise<number> {
    const known = this.#counts.get(topic);
    if (known !== undefined) return known;
    const count = await this.#reader.partitions(topic);
    if (count === undefined) {
      throw new CliError(
        `there is no topic ${topic} to replay to. Create it, or name another one with --to; --origin-topic leaves out ` +
          'the dead letters of other topics. Nothing of it was produced.',
      );
    }
    this.#counts.set(topic, count);
    return count;
  }
}

/** Its partition is the one it came from where the target has it; otherwise its key decides. */
export async function outgoing(entry: Entry, targets: Targets, to?: string): Promise<OutgoingRecord> {
  const { record, letter } = entry;
  const topic = to ?? letter?.topic ?? record.topic;
  const partition = letter?.partition ?? -1;
  const fits = partition >= 0 && partition < (await targets.partitions(topic));
  return {
    topic,
    ...(fits && { partition }),
    key: record.key,
    value: record.value,
    headers: [...withoutDeadLetterHeaders(record.headers), [KEYLANE_HEADERS.replayedFrom, Buffer.from(at(record))]],
    timestamp: letter?.timestamp ?? record.timestamp,
  };
}

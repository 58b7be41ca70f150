/**
 * What was replayed of a topic, as the group `keylane-dlq.<topic>` has it committed: an offset for each partition, and
 * in its metadata an offset map of what was replayed above it.
 *
 * A broker forgets a group that nobody used for `offsets.retention.minutes` (7 days unless set otherwise).
 */
import { CliError } from '../errors.ts';
import type { CommittedOffset, Reader, Span } from '../kafka/client.ts';
import type { Entry } from './entry.ts';
import { OffsetSet } from './offset-set.ts';

/** The group that remembers, and the id of the transactions that write to it. */
export function memoryName(topic: string): string {
  return `keylane-dlq.${topic}`;
}

export class Memory {
  /** Why it cannot be believed; nothing counts as replayed then. */
  readonly problem: string | undefined;
  /** Whether anything was ever noted. */
  readonly known: boolean;
  readonly #sets: ReadonlyMap<number, OffsetSet>;

  private constructor(sets: ReadonlyMap<number, OffsetSet>, known: boolean, problem?: string) {
    this.#sets = sets;
    this.known = known;
    this.problem = problem;
  }

  static unreadable(problem: string): Memory {
    return new Memory(new Map(), false, problem);
  }

  static async load(reader: Reader, topic: string, spans: readonly Span[]): Promise<Memory> {
    const partitions = spans.map(({ partition }) => partition);
    const committed = await reader.committed(topic, partitions);
    const sets = new Map<number, OffsetSet>();
    for (const { partition, offset, metadata } of committed) {
      const where = `group ${memoryName(topic)} has ${topic}[${partition}]`;
      const set = OffsetSet.restore(offset, metadata);
      if ('problem' in set) return Memory.unreadable(`${where} with metadata that tells nothing: ${set.problem}`);
      const end = spans.find((span) => span.partition === partition)?.to ?? 0;
      if (set.end > end) {
        return Memory.unreadable(`${where} up to ${set.end}, and the log ends at ${end}: it was cut off, or made anew`);
      }
      sets.set(partition, set);
    }
    return new Memory(sets, committed.length > 0);
  }

  has({ partition, offset }: { partition: number; offset: number }): boolean {
    return this.#sets.get(partition)?.has(offset) ?? false;
  }

  /** The same with these entries, and what a commit has to say of it. */
  with(entries: readonly Entry[], spans: readonly Span[]): { memory: Memory; offsets: CommittedOffset[] } {
    const sets = new Map(this.#sets);
    const touched = new Map<number, OffsetSet>();
    for (const { record, from } of entries) {
      const { partition, offset } = record;
      const set = touched.get(partition) ?? sets.get(partition)?.copy() ?? OffsetSet.empty();
      // What lies between this record and the one before it is no record.
      set.add(from, offset + 1);
      touched.set(partition, set);
      sets.set(partition, set);
    }
    const offsets = [...touched].map(([partition, set]) => ({ partition, ...set.committable(low(spans, partition)) }));
    return { memory: new Memory(sets, true), offsets };
  }

  /** Rejects a replay whose steps a commit could not tell, before its first one. */
  assertFits(larger: ReadonlyMap<number, OffsetSet>, topic: string, spans: readonly Span[]): void {
    for (const [partition, set] of larger) {
      const now = this.#sets.get(partition) ?? OffsetSet.empty();
      if (now.canGrowTo(set, low(spans, partition))) continue;
      throw new CliError(
        `what is asked for of ${topic}[${partition}] lies too far apart to be remembered: the note of what was ` +
          'replayed has 4,095 characters. Nothing was produced. Replay a part of it (--until, --limit, --partition), ' +
          'or everything in order (no filter).',
      );
    }
  }

  /** A set to plan on. */
  copyOf(partition: number): OffsetSet {
    return this.#sets.get(partition)?.copy() ?? OffsetSet.empty();
  }
}

function low(spans: readonly Span[], partition: number): number {
  return spans.find((span) => span.partition === partition)?.from ?? 0;
}

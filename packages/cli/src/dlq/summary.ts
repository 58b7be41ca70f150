/**
 * How many dead letters there are, by stage and error. Bounded: past so many kinds, the rest is counted together.
 */
import { type Column, table } from '../output/table.ts';
import { count, oneLine } from '../output/text.ts';
import type { Entry } from './entry.ts';

const KINDS_MAX = 1_000;
const KINDS_SHOWN_MAX = 20;
const REST = '(others)';

interface Kind {
  readonly stage: string;
  readonly error: string;
  count: number;
  replayed: number;
}

const COLUMNS: readonly Column[] = [
  { heading: 'COUNT', alignRight: true },
  { heading: 'REPLAYED', alignRight: true },
  { heading: 'STAGE' },
  { heading: 'ERROR', columnsMin: 20 },
];

export class Summary {
  total = 0;
  #replayed = 0;
  readonly #kinds = new Map<string, Kind>();

  add({ letter, replayed }: Entry): void {
    this.total += 1;
    if (replayed) this.#replayed += 1;
    let stage = letter?.parked === 'follows' ? 'follows' : (letter?.stage ?? '');
    let error = letter === undefined ? '(no dead letter)' : (letter.error.name ?? '');
    if (!this.#kinds.has(`${stage} ${error}`) && this.#kinds.size >= KINDS_MAX) [stage, error] = ['', REST];
    const kind = this.#kinds.get(`${stage} ${error}`) ?? { stage, error, count: 0, replayed: 0 };
    kind.count += 1;
    if (replayed) kind.replayed += 1;
    this.#kinds.set(`${stage} ${error}`, kind);
  }

  /** @param offsets how many were looked through */
  lines(topic: string, offsets: number, columns: number): string[] {
    if (this.total === 0) {
      return [offsets === 0 ? `${topic} is empty.` : `None of the ${count(offsets, 'record')} of ${topic} matches.`];
    }
    const kinds = this.#sorted();
    const rest = kinds.length - KINDS_SHOWN_MAX;
    const rows = kinds
      .slice(0, KINDS_SHOWN_MAX)
      .map((kind) => [
        kind.count.toLocaleString('en'),
        kind.replayed === 0 ? '' : kind.replayed.toLocaleString('en'),
        oneLine(kind.stage),
        oneLine(kind.error),
      ]);
    return [
      `${count(this.total, 'dead letter')} in ${topic}${this.#replayed > 0 ? `, ${this.#replayed} replayed` : ''}`,
      ...table(COLUMNS, rows, columns),
      ...(rest > 0 ? [`and ${count(rest, 'more kind')}`] : []),
    ];
  }

  toJson(topic: string): Record<string, unknown> {
    return { topic, total: this.total, replayed: this.#replayed, kinds: this.#sorted() };
  }

  #sorted(): Kind[] {
    return [...this.#kinds.values()].sort((a, b) => b.count - a.count);
  }
}

/**
 * Rows under headings, within the columns a terminal has. Pure.
 */
import stringWidth from 'string-width';
import { cut, cutStart, pad } from './text.ts';

export interface Column {
  readonly heading: string;
  /** May be cut down to this where there is no room; left out: stays as wide as it is. */
  readonly columnsMin?: number;
  /** Keeps its end when it is cut. */
  readonly keepEnd?: boolean;
  readonly alignRight?: boolean;
}

const GAP = '  ';

/** The lines of a table, its heading first. Columns that are empty in every row are left out. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], columnsMax: number): string[] {
  const shown = columns.flatMap((column, index) => {
    const cells = rows.map((row) => row[index] ?? '');
    if (rows.length > 0 && cells.every((cell) => cell === '')) return [];
    const widest = cells.reduce((width, cell) => Math.max(width, stringWidth(cell)), stringWidth(column.heading));
    return [{ ...column, cells, width: widest }];
  });
  let over = shown.reduce((sum, { width }) => sum + width, GAP.length * (shown.length - 1)) - columnsMax;
  while (over > 0) {
    // The one that has the most to give gives one.
    const spare = ({ width, columnsMin = width }: { width: number; columnsMin?: number }) => width - columnsMin;
    const widest = shown.reduce((most, column) => (spare(column) > spare(most) ? column : most));
    if (spare(widest) <= 0) break;
    widest.width -= 1;
    over -= 1;
  }
  const line = (cell: (column: (typeof shown)[number]) => string) =>
    shown
      .map((column) => {
        const text = column.keepEnd ? cutStart(cell(column), column.width) : cut(cell(column), column.width);
        return column.alignRight ? ' '.repeat(column.width - stringWidth(text)) + text : pad(text, column.width);
      })
      .join(GAP)
      .trimEnd();
  return [line(({ heading }) => heading), ...rows.map((_, index) => line(({ cells }) => cells[index] as string))];
}

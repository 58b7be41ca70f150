/**
 * What a benchmark tells: a table on the terminal, and a JSON document with a picture beside it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import Table from 'cli-table3';
import { type Bench, CORRECTNESS, type Column, type Findings, type Row, type Scenario, type Size } from './bench.ts';
import { svgOf } from './chart.ts';
import { figure, NOTHING, spreadOf } from './figures.ts';
import { type JudgedTarget, judged, sentenceOf } from './judge.ts';
import { versionsOf } from './versions.ts';

/** The results that bench/README.md shows: those of full runs. */
export const RESULTS: URL = new URL('../results/', import.meta.url);
/** Those of quick ones, which are nobody else's. */
const QUICK_RESULTS = new URL('quick/', RESULTS);

/** The JSON document of a run. */
export interface Result extends Omit<Findings, 'targets'> {
  readonly scenario: string;
  readonly title: string;
  readonly size: Size;
  readonly date: string;
  readonly broker: string;
  readonly machine: { readonly cpus: number; readonly cpu: string; readonly memoryGiB: number };
  readonly versions: Readonly<Record<string, string>>;
  readonly targets: readonly JudgedTarget[];
}

/** What a run was measured on. */
export interface MeasuredOn {
  readonly name: string;
  /** Where we know it. */
  readonly version?: string;
}

export async function resultOf(
  name: string,
  { title }: Scenario,
  { size }: Pick<Bench, 'size'>,
  broker: MeasuredOn,
  findings: Findings,
): Promise<Result> {
  return {
    scenario: name,
    title,
    size,
    date: new Date().toISOString().slice(0, 10),
    broker: broker.name,
    machine: {
      cpus: cpus().length,
      cpu: cpus()[0]?.model ?? 'unknown',
      memoryGiB: Math.round(totalmem() / 2 ** 30),
    },
    versions: await versionsOf(findings, broker.version),
    ...findings,
    columns: correctnessFirst(findings.columns),
    targets: judged(findings),
  };
}

function correctnessFirst(columns: readonly Column[]): Column[] {
  const rank = ({ key }: Column) => (CORRECTNESS.includes(key) ? 0 : 1);
  return [...columns].sort((a, b) => rank(a) - rank(b));
}

/** `124,637 ±3 %`; counts of what must not happen have no spread. */
export function cellOf({ values, spread }: Row, { key, digits = 0 }: Column): string {
  const value = values[key];
  if (typeof value !== 'number') return NOTHING;
  const around = CORRECTNESS.includes(key) ? '' : spreadOf(value, spread[key]);
  return [figure(value, digits), around].filter((part) => part !== '').join(' ');
}

/** On standard error: the table, what was to be reached, and the notes. */
export function printFindings({ columns, rows, ratios, targets, notes }: Result): void {
  const table = new Table({
    head: ['', ...columns.map(({ title }) => title)],
    colAligns: ['left', ...columns.map(() => 'right' as const)],
    style: { head: [], border: [] },
  });
  for (const row of rows) table.push([row.name, ...columns.map((column) => cellOf(row, column))]);
  const untargeted = Object.entries(ratios).filter(([name]) => targets.every(({ ratio }) => ratio !== name));
  const lines = [
    table.toString(),
    ...targets.map(sentenceOf),
    ...untargeted.map(([name, value]) => `  ${name} ${figure(value)}`),
    ...notes,
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** `<scenario>.json` and `<scenario>.svg`, in bench/results, or of a quick run in bench/results/quick. */
export async function writeResult(result: Result): Promise<void> {
  const folder = result.size === 'full' ? RESULTS : QUICK_RESULTS;
  await mkdir(folder, { recursive: true });
  await writeFile(new URL(`${result.scenario}.json`, folder), `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(new URL(`${result.scenario}.svg`, folder), svgOf(result));
}

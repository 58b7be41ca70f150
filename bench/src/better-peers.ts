/**
 * Where a peer does better than Keylane, in what a scenario's picture shows. What is ideal is no peer.
 */
import type { Chart, Findings, Row } from './bench.ts';
import { figure } from './figures.ts';
import { kindOf } from './kind.ts';

interface Measured {
  readonly name: string;
  readonly value: number;
}

/** A sentence for each; none where the chart does not say what is better. */
export function betterPeers({ rows, chart }: Pick<Findings, 'rows' | 'chart'>): string[] {
  if (chart.better === undefined) return [];
  const drawn = rows.filter(({ name }) => chart.rows?.includes(name) ?? true);
  return chart.series.some(({ name }) => kindOf(name) === 'keylane') ? inRows(drawn, chart) : inSeries(drawn, chart);
}

/** Keylane and its peers are series beside each other: each row compares them. */
function inRows(rows: readonly Row[], chart: Chart): string[] {
  return rows.flatMap((row) => {
    const all = chart.series.flatMap(({ key, name }) => measured(name, row.values[key]));
    return losses(all, () => all.filter(isOurs), chart).map((loss) => `${row.name}: ${loss}`);
  });
}

/** They are rows below each other: each peer is held against Keylane's best row of the same load, or else of all. */
function inSeries(rows: readonly Row[], chart: Chart): string[] {
  return chart.series.flatMap(({ key, name: series }) => {
    const all = rows.flatMap(({ name, values }) => measured(name, values[key]));
    const ours = all.filter(isOurs);
    const likeThis = ({ name }: Measured) => ours.filter((own) => conditionOf(own.name) === conditionOf(name));
    const against = (peer: Measured) => (likeThis(peer).length > 0 ? likeThis(peer) : ours);
    const losing = losses(all, against, chart);
    return chart.series.length > 1 ? losing.map((loss) => `${series}: ${loss}`) : losing;
  });
}

/** What a row's name says last: `50 %` of `Keylane, 1 thread, 50 %`. */
const conditionOf = (name: string): string => name.slice(name.lastIndexOf(',') + 1).trim();

const isOurs = ({ name }: Measured): boolean => kindOf(name) === 'keylane';

function measured(name: string, value: number | null | undefined): Measured[] {
  return typeof value === 'number' ? [{ name, value }] : [];
}

function losses(
  all: readonly Measured[],
  against: (peer: Measured) => readonly Measured[],
  { better, axis }: Chart,
): string[] {
  const beats = (a: Measured, b: Measured) => (better === 'less' ? a.value < b.value : a.value > b.value);
  return all
    .filter(({ name }) => ['peer', 'unsafe'].includes(kindOf(name)))
    .flatMap((peer) => {
      const [first, ...rest] = against(peer);
      if (first === undefined) return [];
      const best = rest.reduce((one, other) => (beats(other, one) ? other : one), first);
      if (!beats(peer, best)) return [];
      return [`${peer.name}: ${figure(peer.value)} against ${figure(best.value)} of ${best.name} (${axis})`];
    });
}

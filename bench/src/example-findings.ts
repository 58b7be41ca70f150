/** What a scenario might have found, for the tests. */
import type { Findings, Measures, Row } from './bench.ts';
import type { JudgedTarget } from './judge.ts';
import type { Result } from './report.ts';

export function row(name: string, values: Measures, spread: Row['spread'] = {}): Row {
  return { name, runs: 3, values, spread };
}

export const EXAMPLE_FINDINGS: Findings = {
  rows: [
    row('raw client, consume(1000)', { lost: 0, rate: 124_637.4 }, { lost: [0, 0], rate: [122_000, 127_000] }),
    row('Keylane, 1 thread', { lost: 0, rate: 98_000 }, { lost: [0, 0], rate: [98_000, 98_000] }),
    row('unsafe: loses <all> & "more"', { lost: 12, rate: null }, { lost: [0, 12] }),
  ],
  columns: [
    { key: 'lost', title: 'lost' },
    { key: 'rate', title: 'records/s' },
  ],
  ratios: { vsRawClient: 0.786, another: 2 },
  targets: [{ ratio: 'vsRawClient', atLeast: 0.92 }],
  chart: {
    title: 'A handler that does nothing',
    axis: 'records/s',
    series: [{ key: 'rate', name: 'records/s' }],
    better: 'more',
  },
  notes: ['What was left out.'],
  promises: ['Keylane, 1 thread'],
};

const MISSED: JudgedTarget = { ratio: 'vsRawClient', atLeast: 0.92, value: 0.786, reached: false };

export const EXAMPLE_RESULT: Result = {
  ...EXAMPLE_FINDINGS,
  scenario: 'overhead',
  title: 'a handler that does nothing',
  size: 'full',
  date: '2001-02-03',
  broker: 'a real Kafka of its own',
  machine: { cpus: 2, cpu: 'a CPU', memoryGiB: 24 },
  versions: { node: '20.0.0', keylane: '0.1.0' },
  targets: [MISSED],
};

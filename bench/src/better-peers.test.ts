import { expect, test } from 'vitest';
import { betterPeers } from './better-peers.ts';
import { EXAMPLE_FINDINGS, row } from './example-findings.ts';

const chart = EXAMPLE_FINDINGS.chart;
const rates = (all: Readonly<Record<string, number | null>>) =>
  Object.entries(all).map(([name, rate]) => row(name, { rate }));

test('a peer that is faster than the best of Keylane', () => {
  const rows = rates({ raw: 120, slow: 90, none: null, 'Keylane, 1 thread': 80, 'Keylane, 2 threads': 100 });
  expect(betterPeers({ rows, chart })).toEqual(['raw: 120 against 100 of Keylane, 2 threads (records/s)']);
});

test('less is better where the chart says so', () => {
  const rows = rates({ raw: 120, quick: 90, 'Keylane, 1 thread': 100 });
  expect(betterPeers({ rows, chart: { ...chart, better: 'less' } })).toEqual([
    'quick: 90 against 100 of Keylane, 1 thread (records/s)',
  ]);
});

test('rows of one load are compared with each other', () => {
  const rows = rates({ 'Keylane, 20 %': 20, 'Keylane, 80 %': 80, 'loop, 20 %': 21, 'loop, 80 %': 79 });
  expect(betterPeers({ rows, chart })).toEqual(['loop, 20 %: 21 against 20 of Keylane, 20 % (records/s)']);
});

test('series beside each other are compared row by row; an ideal is no peer', () => {
  const series = ['Keylane', 'Parallel Consumer', 'ideal'].map((name) => ({ key: name, name }));
  const rows = [
    row('1 key', { Keylane: 30, 'Parallel Consumer': 31, ideal: 25 }),
    row('2 keys', { Keylane: 17, 'Parallel Consumer': 16, ideal: 12 }),
  ];
  expect(betterPeers({ rows, chart: { title: '', axis: 's', series, better: 'less' } })).toEqual([
    '2 keys: Parallel Consumer: 16 against 17 of Keylane (s)',
  ]);
});

test('of several series, each is compared', () => {
  const series = ['p50', 'p99'].map((name) => ({ key: name, name }));
  const rows = [row('Keylane', { p50: 5, p99: 10 }), row('loop', { p50: 6, p99: 9 })];
  expect(betterPeers({ rows, chart: { title: '', axis: 'ms', series, better: 'less' } })).toEqual([
    'p99: loop: 9 against 10 of Keylane (ms)',
  ]);
});

test('only rows that are drawn count, and nothing where the chart does not say what is better', () => {
  const rows = rates({ raw: 120, other: 130, Keylane: 100 });
  expect(betterPeers({ rows, chart: { ...chart, rows: ['raw', 'Keylane'] } })).toHaveLength(1);
  const { better: _, ...silent } = chart;
  expect(betterPeers({ rows, chart: silent })).toEqual([]);
});

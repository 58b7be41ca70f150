import { DOMParser } from '@xmldom/xmldom';
import { describe, expect, test } from 'vitest';
import type { Chart } from './bench.ts';
import { svgOf } from './chart.ts';
import { EXAMPLE_FINDINGS, row } from './example-findings.ts';

const { rows, chart } = EXAMPLE_FINDINGS;

/** Throws where it is not well-formed. */
function parse(svg: string) {
  const onError = (_level: string, message: string): never => {
    throw new Error(message);
  };
  return new DOMParser({ onError }).parseFromString(svg, 'image/svg+xml');
}

const textsOf = (svg: string) => [...parse(svg).getElementsByTagName('text')].map(({ textContent }) => textContent);
const widthOf = (svg: string) => Number(parse(svg).documentElement?.getAttribute('width'));

describe('the chart', () => {
  test("is well-formed and has the title, the axis, each row's name and each value", () => {
    const texts = textsOf(svgOf(EXAMPLE_FINDINGS));
    expect(texts).toEqual(expect.arrayContaining([chart.title, chart.axis, ...rows.map(({ name }) => name)]));
    expect(texts).toEqual(expect.arrayContaining(['124,637', '98,000']));
  });

  test('has only the rows that it is to have', () => {
    const texts = textsOf(svgOf({ ...EXAMPLE_FINDINGS, chart: { ...chart, rows: ['Keylane, 1 thread'] } }));
    expect(texts).toContain('Keylane, 1 thread');
    expect(texts).not.toContain('raw client, consume(1000)');
  });

  test('has a legend where there are several series', () => {
    const series = ['p50', 'p99'].map((name) => ({ key: name, name }));
    const several: Chart = { title: 'Latency', axis: 'ms', series, logarithmic: true };
    const texts = textsOf(svgOf({ rows: [row('Keylane', { p50: 0.5, p99: 1_200 })], columns: [], chart: several }));
    expect(texts).toEqual(expect.arrayContaining(['p50', 'p99', '0.500', '1,200', 'ms (logarithmic)']));
  });

  test('grows with the longest name, so that none is cut off', () => {
    const long = 'a name that says much more than it would have to say '.repeat(3);
    const svg = svgOf({ ...EXAMPLE_FINDINGS, rows: [row(long, { rate: 1 })] });
    expect(textsOf(svg)).toContain(long);
    expect(widthOf(svg)).toBeGreaterThan(long.length * 7);
  });

  test('has whiskers where the runs differ, and hatches what is unsafe', () => {
    const lines = (spread: readonly [number, number]) =>
      svgOf({ ...EXAMPLE_FINDINGS, rows: [row('Keylane', { rate: 10 }, { rate: spread })] }).split('<path').length;
    expect(lines([9, 11])).toBeGreaterThan(lines([10, 10]));
    const patterns = (name: string) =>
      svgOf({ ...EXAMPLE_FINDINGS, rows: [row(name, { rate: 10 })] }).includes('<pattern');
    expect([patterns('unsafe: loses records'), patterns('Keylane')]).toEqual([true, false]);
  });

  test('draws small values and 0 on a logarithmic axis: bars grow to the right, and labels stay in the picture', () => {
    const values = [0, 0.05, 0.63, 900];
    const svg = svgOf({
      columns: [],
      rows: values.map((rate) => row(`a row of ${rate}`, { rate })),
      chart: { ...chart, logarithmic: true },
    });
    const xOf = (text: string) => {
      const label = [...parse(svg).getElementsByTagName('text')].find(({ textContent }) => textContent === text);
      return Number(/[\d.-]+/.exec(label?.getAttribute('transform') ?? label?.getAttribute('x') ?? '')?.[0]);
    };
    const places = ['0', '0.050', '0.630', '900'].map(xOf);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(100);
  });

  test('without rows is refused', () => {
    expect(() => svgOf({ ...EXAMPLE_FINDINGS, rows: [] })).toThrow('has no rows');
  });
});

import { expect, test } from 'vitest';
import { EXAMPLE_FINDINGS, row } from './example-findings.ts';
import { cellOf, resultOf } from './report.ts';

test.each([
  [{ key: 'rate', title: '' }, '1,234 ±10 %'],
  [{ key: 'rate', title: '', digits: 2 }, '1,234.00 ±10 %'],
  [{ key: 'lost', title: '' }, '5'],
  [{ key: 'unknown', title: '' }, '–'],
])('the cell of %o: %s', (column, text) => {
  const spread = { rate: [1_110.6, 1_357.4], lost: [0, 5] } as const;
  expect(cellOf(row('a row', { rate: 1_234, lost: 5 }, spread), column)).toBe(text);
});

test('the document has what was found, correctness first, and what it was measured with', async () => {
  const scenario = { title: 'a title', run: async () => EXAMPLE_FINDINGS };
  const findings = { ...EXAMPLE_FINDINGS, columns: [...EXAMPLE_FINDINGS.columns].reverse() };
  const result = await resultOf('overhead', scenario, { size: 'quick' }, { name: 'a broker', version: '4' }, findings);
  expect(result.columns.map(({ key }) => key)).toEqual(['lost', 'rate']);
  expect(result).toMatchObject({
    scenario: 'overhead',
    rows: findings.rows,
    ratios: findings.ratios,
    targets: [{ ratio: 'vsRawClient', value: 0.786, reached: false }],
    versions: { node: process.versions.node, kafka: '4', librdkafka: expect.stringMatching(/^\d+\.\d+\.\d+/) },
  });
  for (const name of ['keylane', 'kafkajs', 'piscina', '@confluentinc/kafka-javascript']) {
    expect(result.versions[name]).toMatch(/^\d+\.\d+\.\d+/);
  }
  expect(result.versions).not.toHaveProperty('parallel-consumer');
});

test("the Java peer's version is that of its project, where a row is its own", async () => {
  const scenario = { title: 'a title', run: async () => EXAMPLE_FINDINGS };
  const findings = { ...EXAMPLE_FINDINGS, rows: [row('Parallel Consumer (Java), key order', { rate: 1 })] };
  const { versions } = await resultOf('overhead', scenario, { size: 'quick' }, { name: 'a broker' }, findings);
  expect(versions['parallel-consumer']).toMatch(/^\d+\.\d+/);
  expect(versions).not.toHaveProperty('kafka');
});

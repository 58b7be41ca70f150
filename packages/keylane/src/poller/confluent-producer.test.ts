import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { producerConfig } from './confluent-producer.ts';

/** librdkafka's properties of one kind, by its own list: of consumers (`C`), of producers (`P`) or of both (`*`). */
function properties(kind: string): string[] {
  const entry = createRequire(import.meta.url).resolve('@confluentinc/kafka-javascript/package.json');
  const list = readFileSync(join(dirname(entry), 'deps', 'librdkafka', 'CONFIGURATION.md'), 'utf8');
  const rows = list.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  return rows.filter(([, of]) => of === kind).map(([name]) => name as string);
}

describe('what a producer takes over of the consumer', () => {
  const taken = (names: readonly string[]) =>
    Object.keys(producerConfig(Object.fromEntries(names.map((name) => [name, 'given'])), {}));

  test('nothing that is a matter of consumers', () => {
    const names = properties('C').filter((name) => !properties('P').includes(name));
    expect(names.length).toBeGreaterThan(25);
    expect(taken(names)).toEqual(taken([]));
  });

  test('everything else, connection and security above all', () => {
    const ours = ['statistics.interval.ms', 'max.in.flight.requests.per.connection'];
    const names = properties('*').filter((name) => !ours.includes(name));
    expect(names).toEqual(expect.arrayContaining(['bootstrap.servers', 'sasl.password', 'ssl.ca.pem', 'debug']));
    const config = producerConfig(Object.fromEntries(names.map((name) => [name, 'given'])), {});
    expect(names.filter((name) => config[name] !== 'given')).toEqual([]);
  });

  test('overrides go before both, but not before what the port promises', () => {
    const overrides = { 'client.id': 'mine', 'linger.ms': 50, acks: 1, 'enable.idempotence': false, dr_cb: false };
    expect(producerConfig({ 'client.id': 'theirs', debug: 'all' }, overrides)).toMatchObject({
      'client.id': 'mine',
      debug: 'all',
      'linger.ms': 50,
      acks: 'all',
      'enable.idempotence': true,
      'max.in.flight.requests.per.connection': 1,
      dr_cb: true,
    });
  });
});

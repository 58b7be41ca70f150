import { expect, test } from 'vitest';
import { kindOf } from './kind.ts';

test.each([
  ['Keylane', 'keylane'],
  ['Keylane, 2 threads', 'keylane'],
  ['computes 1 ms: Keylane, 1 thread', 'keylane'],
  ['raw client, as Keylane sets it', 'peer'],
  ['unsafe: loses records', 'unsafe'],
  ['ideal', 'ideal'],
  ['computes 1 ms: bare 1 thread, no Kafka', 'ideal'],
  ['2 keys: the ideal', 'ideal'],
  ['kafkajs', 'peer'],
] as const)('%s is of the kind %s', (name, kind) => {
  expect(kindOf(name)).toBe(kind);
});

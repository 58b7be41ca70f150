/**
 * `keylane dlq replay` of a park topic: each key in order, until the end that moves meanwhile, and nothing of a key
 * past its failure.
 */
import { describe, expect, test } from 'vitest';
import { brokers, until, useBroker } from '../../keylane/test/support.ts';
import { contents, keylane, parked, start } from './support.ts';

const value = (key: string, number: number) => `${key} ${number}`;

describe.each(brokers)('on the %s broker', (kind) => {
  const broker = useBroker(kind);
  // The embedded broker forgets what was replayed; see dlq-replay.test.ts.
  const isReal = kind === 'real';

  async function topics() {
    const [origin, park] = [await broker.topic(1), await broker.topic(1)];
    await broker.cluster.produce([{ topic: origin, partition: 0, key: 'old', value: 'old' }]);
    return { origin, park };
  }

  /** The records of these keys in turn, numbered from `first` on. */
  function inTurn(park: string, origin: string, keys: readonly string[], first: number, amount: number) {
    return Array.from({ length: amount }, (_, index) => {
      const key = keys[index % keys.length] as string;
      const number = first + Math.floor(index / keys.length);
      const how = number === 0 ? 'failed' : 'follows';
      return parked(park, { topic: origin, offset: first * 100 + index, key, value: value(key, number) }, how);
    });
  }

  /** The values that were replayed, by key. */
  async function replayed(origin: string): Promise<Record<string, string[]>> {
    const byKey: Record<string, string[]> = {};
    for (const record of await contents(broker.servers, origin)) {
      if (String(record.key) === 'old') continue;
      const values = byKey[String(record.key)] ?? [];
      values.push(String(record.value));
      byKey[String(record.key)] = values;
    }
    return byKey;
  }

  const numbers = (key: string, amount: number) => Array.from({ length: amount }, (_, number) => value(key, number));
  const total = async (origin: string) => Object.values(await replayed(origin)).flat().length;
  /** A transaction is seen a little after its commit was answered. */
  const untilReplayed = (origin: string, amount: number) => until(async () => (await total(origin)) >= amount);

  test('what follows meanwhile is replayed too, in order, and notes of a release are not', async () => {
    const { origin, park } = await topics();
    await broker.cluster.produce(inTurn(park, origin, ['anna', 'ben', 'cleo'], 0, 30));
    await broker.cluster.produce([
      { topic: park, partition: 0, key: 'dora', value: null, headers: [['keylane_released', '3']] },
    ]);
    const { finished } = start(broker.servers, ['dlq', 'replay', park, '--yes', '--rate', '10', '--json']);
    // The rest of the plan is two seconds away, so these come before the end is looked at again.
    await untilReplayed(origin, 10);
    await broker.cluster.produce(inTurn(park, origin, ['anna', 'cleo'], 10, 8));
    const { code, stdout } = await finished;
    expect(code).toBe(0);
    await untilReplayed(origin, 38);
    expect(await replayed(origin)).toEqual({
      anna: numbers('anna', 14),
      ben: numbers('ben', 10),
      cleo: numbers('cleo', 14),
    });
    const { keys, parked: isParkTopic } = JSON.parse(stdout);
    expect(isParkTopic).toBe(true);
    expect(keys).toEqual([
      { key: 'anna', records: 14, upTo: `${park}[0]@37`, caughtUp: true },
      { key: 'ben', records: 10, upTo: `${park}[0]@28`, caughtUp: true },
      { key: 'cleo', records: 14, upTo: `${park}[0]@38`, caughtUp: true },
    ]);
  });

  test('a key that fails again waits, and the others go on', async () => {
    const { origin, park } = await topics();
    await broker.cluster.produce(inTurn(park, origin, ['anna', 'ben'], 0, 20));
    const { finished } = start(broker.servers, ['dlq', 'replay', park, '--yes', '--rate', '10']);
    await untilReplayed(origin, 10);
    const from = [['keylane_replayed-from', Buffer.from(`${park}[0]@0`)]] as const;
    await broker.cluster.produce([
      parked(park, { topic: origin, offset: 900, key: 'anna', value: value('anna', 0), headers: from }),
      ...inTurn(park, origin, ['anna', 'ben'], 10, 2),
    ]);
    const { code, stdout } = await finished;
    expect(code).toBe(4);
    expect(stdout).toContain(`anna failed again and stays parked: ${park}[0]@20`);
    expect(stdout).toContain(`ben: 11 records, up to ${park}[0]@22`);
    await untilReplayed(origin, 21);
    expect(await replayed(origin)).toEqual({ anna: numbers('anna', 10), ben: numbers('ben', 11) });
  });

  test('a filter that would let a record overtake its key is refused, before anything is produced', async () => {
    const { origin, park } = await topics();
    await broker.cluster.produce(inTurn(park, origin, ['anna', 'ben'], 0, 6));
    const refused = await keylane(broker.servers, 'dlq', 'replay', park, '--yes', '--except', '0@1');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`${park}[0]@3 matches, but ${park}[0]@1 of the same parked key does not`);
    expect(await replayed(origin)).toEqual({});
    expect((await keylane(broker.servers, 'dlq', 'replay', park, '--yes', '--key', 'ben')).code).toBe(0);
    await untilReplayed(origin, 3);
    expect(await replayed(origin)).toEqual({ ben: numbers('ben', 3) });
  });

  test.runIf(isReal)('a part of a key first, then the rest', async () => {
    const { origin, park } = await topics();
    await broker.cluster.produce(inTurn(park, origin, ['anna', 'ben'], 0, 8));
    expect((await keylane(broker.servers, 'dlq', 'replay', park, '--yes', '--limit', '3')).code).toBe(0);
    await untilReplayed(origin, 3);
    expect(await replayed(origin)).toEqual({ anna: numbers('anna', 2), ben: numbers('ben', 1) });
    expect((await keylane(broker.servers, 'dlq', 'replay', park, '--yes', '--except', '0@1')).code).toBe(0);
    await untilReplayed(origin, 8);
    expect(await replayed(origin)).toEqual({ anna: numbers('anna', 4), ben: numbers('ben', 4) });
  });
});

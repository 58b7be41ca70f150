/**
 * Keys, values and headers of every kind reach a handler in a thread byte for byte.
 */

import { startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, handlerFile, uniqueName, until, useBroker } from './support.ts';

const BINARY = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
/** Of now: a broker deletes what is older than its retention at any moment. */
const TIMESTAMP = Date.now();
const BIG = Buffer.alloc(2 ** 20 - 1_000, BINARY);

const RECORDS = [
  { name: 'null key and value', key: null, value: null, headers: [] },
  { name: 'empty key and value', key: Buffer.alloc(0), value: Buffer.alloc(0), headers: [] },
  { name: 'binary key and value', key: BINARY, value: BINARY, headers: [] },
  { name: 'a value of a megabyte', key: 'big', value: BIG, headers: [] },
  { name: 'a key of 100 kB', key: BIG.subarray(0, 100_000), value: 'small', headers: [] },
  {
    name: 'repeated and binary headers',
    key: 'headers',
    value: 'v',
    headers: [
      ['trace', Buffer.from('one')],
      ['bytes', BINARY],
      ['trace', Buffer.from('two')],
      ['empty', Buffer.alloc(0)],
      ['__proto__', Buffer.from('three')],
      ['ünïcode', Buffer.from('ok')],
    ],
  },
] as const;

describe.each(brokers)('payloads on the %s broker', (kind) => {
  const broker = useBroker(kind);

  test('arrive as they were sent', async () => {
    const topic = await broker.topic(1);
    const produced = await broker.cluster.produce(
      RECORDS.map(({ key, value, headers }) => ({
        topic,
        partition: 0,
        key,
        value,
        headers,
        timestamp: TIMESTAMP,
      })),
    );
    const channel = new BroadcastChannel(uniqueName('payloads'));
    const seen = new Map<number, Record<string, unknown>>();
    channel.onmessage = (event) => void seen.set((event as MessageEvent).data.offset, (event as MessageEvent).data);
    await using consumer = await startConsumer({
      ...baseOptions(broker, uniqueName('g')),
      topics: [topic],
      handler: handlerFile('echo'),
      handlerData: channel.name,
      threads: 1,
    });
    await until(() => seen.size === RECORDS.length, consumer);
    channel.close();

    const bytes = (value: Uint8Array | string | null) => (value === null ? null : Buffer.from(value as string));
    for (const [index, { name, key, value, headers }] of RECORDS.entries()) {
      const { offset, partition } = produced[index] as { offset: number; partition: number };
      const record = seen.get(offset) as {
        headers: [string, Uint8Array][];
        key: Uint8Array | null;
        value: Uint8Array | null;
      };
      expect(record, name).toMatchObject({
        topic,
        partition,
        offset,
        timestamp: TIMESTAMP,
        attempt: 1,
        isBuffer: true,
      });
      expect(bytes(record.key), name).toEqual(bytes(key));
      expect(bytes(record.value)?.equals(bytes(value) as Buffer) ?? null, name).toEqual(value === null ? null : true);
      expect(
        record.headers.map(([header, data]) => [header, Buffer.from(data)]),
        name,
      ).toEqual(headers);
    }
  });
});

/**
 * Large numbers: every record handled, each once, with nothing growing on the way. Real broker only: the embedded one
 * keeps its last 100,000 records.
 */
import { type Consumer, type ConsumerOptions, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, brokers, handlerFile, isCommittedToEnd, uniqueName, until, useBroker } from './support.ts';

/** Which offsets of which partition were handled, in bits: a Set of millions would measure itself. */
class Bits {
  readonly handlerData: { readonly bits: SharedArrayBuffer; readonly partitionBits: number };
  readonly #words: Uint32Array;

  constructor(partitions: number, records: number) {
    const bits = new SharedArrayBuffer(8 + 4 * Math.ceil((partitions * records) / 32));
    this.handlerData = { bits, partitionBits: records };
    this.#words = new Uint32Array(bits);
  }

  get handled(): number {
    return Atomics.load(this.#words, 0);
  }

  get twice(): number {
    return Atomics.load(this.#words, 1);
  }
}

describe.runIf(brokers.includes('real'))('volume', () => {
  const broker = useBroker('real');

  async function scene(partitions: number, records: number, keys: number) {
    const topic = await broker.topic(partitions);
    const group = uniqueName('g');
    const bits = new Bits(partitions, records);
    const produced = (async () => {
      const batch = function* () {
        for (let index = 0; index < records; index += 1) yield { topic, key: `k${index % keys}`, value: 'v' };
      };
      await broker.cluster.produce(batch());
    })();
    const join = (options: Partial<ConsumerOptions> = {}) =>
      startConsumer({
        ...baseOptions(broker, group),
        topics: [topic],
        handler: handlerFile('counting'),
        handlerData: bits.handlerData,
        threads: 1,
        ...options,
      });
    return { topic, group, bits, produced, join };
  }

  const allDone = (consumers: readonly Consumer[], bits: Bits, records: number) =>
    until(() => bits.handled >= records, consumers[0], 240_000);

  test('VeryLargeMessageVolume: 1,000,000 records of one partition, every key its own', {
    timeout: 300_000,
  }, async () => {
    const { topic, group, bits, produced, join } = await scene(1, 1_000_000, 1_000_000);
    const consumer = await join({ recordsPerPollMax: 10_000, bufferedRecordsMax: 20_000 });
    await produced;
    await allDone([consumer], bits, 1_000_000);
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumer);
    await consumer.close();
    expect([bits.handled, bits.twice]).toEqual([1_000_000, 0]);
  });

  test('MultiInstanceHighVolume: 3,000,000 records, 12 partitions, 3 instances', { timeout: 400_000 }, async () => {
    const { topic, group, bits, produced, join } = await scene(12, 3_000_000, 10_000);
    const consumers = [await join(), await join(), await join()];
    await produced;
    await allDone(consumers, bits, 3_000_000);
    await until(() => isCommittedToEnd(broker.cluster, group, topic), consumers[0]);
    for (const consumer of consumers) await consumer.close();
    expect([bits.handled, bits.twice]).toEqual([3_000_000, 0]);
  });
});

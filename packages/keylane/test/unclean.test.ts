/**
 * A leader that has not all records: its partition's log is cut off, and grows again. On brokers of its own.
 */
import { type Cluster, connectCluster } from '@keylane/testing';
import { type Consumer, type KeylaneError, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { type KafkaBroker, startKafka } from '../../../scripts/kafka.ts';
import { brokers, until } from './support.ts';

const CONFIG = { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' };
const GROUP = 'unclean';

/** Three nodes, and a partition that only the second and the third have. */
class UncleanCluster {
  readonly #nodes: Map<number, KafkaBroker> = new Map();
  partition = -1;
  leader = -1;
  follower = -1;

  async start(): Promise<void> {
    const properties = { 'default.replication.factor': '2', 'offsets.topic.replication.factor': '3' };
    const first = await startKafka(undefined, { properties });
    this.#nodes.set(1, first);
    for (const nodeId of [2, 3])
      this.#nodes.set(nodeId, await startKafka(undefined, { properties, join: { broker: first, nodeId } }));
    await this.#with(async (cluster) => {
      await cluster.createTopic('t', 12, CONFIG);
      await until(async () => (await cluster.replicas('t')).length === 12);
      const replicas = await cluster.replicas('t');
      this.partition = replicas.findIndex(({ nodes }) => !nodes.includes(1));
      const { leader, nodes } = replicas[this.partition] as (typeof replicas)[number];
      this.leader = leader;
      this.follower = nodes.find((node) => node !== leader) as number;
    });
  }

  get servers(): string {
    return [...this.#nodes.values()].map(({ bootstrapServers }) => bootstrapServers).join(',');
  }

  /** Records whose values are these words and a number, acknowledged by all replicas that there are. */
  produce(word: string, count: number): Promise<number[]> {
    return this.#with(async (cluster) => {
      const records = Array.from({ length: count }, (_, index) => ({
        topic: 't',
        partition: this.partition,
        key: `k${index % 7}`,
        value: `${word} ${index}`,
      }));
      return (await cluster.produce(records)).map(({ offset }) => offset);
    });
  }

  /** The follower misses what is produced meanwhile, and then leads without it. */
  async cutOff(meanwhile: () => Promise<void>): Promise<void> {
    const [leader, follower] = [this.#node(this.leader), this.#node(this.follower)];
    await follower.stop();
    await meanwhile();
    await leader.stop();
    await follower.start();
    await this.#with((cluster) =>
      until(async () => (await cluster.replicas('t'))[this.partition]?.leader === this.follower),
    );
    await leader.start();
    [this.leader, this.follower] = [this.follower, this.leader];
  }

  committed(): Promise<number | undefined> {
    return this.#with(async (cluster) => (await cluster.committedOffsets(GROUP, 't'))[this.partition]);
  }

  async close(): Promise<void> {
    for (const node of [...this.#nodes.values()].reverse()) await node.close();
  }

  #node(id: number): KafkaBroker {
    return this.#nodes.get(id) as KafkaBroker;
  }

  /** With a connection of its own: a producer that went on over a cut would miss what it had sent. */
  async #with<T>(action: (cluster: Cluster) => Promise<T>): Promise<T> {
    const cluster = await connectCluster(this.servers);
    try {
      return await action(cluster);
    } finally {
      await cluster.close();
    }
  }
}

async function consume(servers: string, ran: string[], warnings: KeylaneError[]): Promise<Consumer> {
  const consumer = await startConsumer({
    kafka: {
      'bootstrap.servers': servers,
      'group.id': GROUP,
      'auto.offset.reset': 'latest',
      'statistics.interval.ms': 500,
      'topic.metadata.refresh.interval.ms': 2_000,
    },
    topics: ['t'],
    commitIntervalMs: 100,
    handler: ({ value }) => void ran.push(String(value)),
  });
  consumer.on('warning', (warning) => void warnings.push(warning));
  return consumer;
}

const words = (word: string, count: number) => Array.from({ length: count }, (_, index) => `${word} ${index}`);
const told = (warnings: readonly KeylaneError[]) => warnings.filter(({ code }) => code.startsWith('ERR_OFFSET'));

describe.runIf(brokers.includes('real'))('a leader that has not all records', { timeout: 300_000 }, () => {
  test('what it made anew runs, and nothing else again: while nobody consumes, and while somebody does', async () => {
    const cluster = new UncleanCluster();
    const [ran, warnings]: [string[], KeylaneError[]] = [[], []];
    try {
      await cluster.start();
      const first = await consume(cluster.servers, ran, warnings);
      await until(() => first.snapshot().partitions.length === 12, first);
      await until(() => first.snapshot().partitions.every(({ position }) => position !== null), first);
      await cluster.produce('kept', 40);
      await cluster.cutOff(async () => {
        await cluster.produce('gone', 60);
        await until(() => ran.length === 100, first);
        await first.close();
        expect(await cluster.committed()).toBe(100);
      });
      expect((await cluster.produce('new', 80))[0]).toBe(40);
      ran.length = 0;

      const second = await consume(cluster.servers, ran, warnings);
      await until(() => ran.length >= 80, second);
      await until(async () => (await cluster.committed()) === 120, second);
      expect(told(warnings)).toMatchObject([
        { code: 'ERR_OFFSET_BACK', partition: cluster.partition, expected: 100, offset: 40 },
      ]);
      expect(ran.sort()).toEqual(words('new', 80).sort());

      await cluster.cutOff(async () => {
        await cluster.produce('gone too', 30);
        await until(() => ran.length === 110, second);
      });
      expect((await cluster.produce('newer', 50))[0]).toBe(120);
      await until(() => ran.length >= 160, second);
      await until(async () => (await cluster.committed()) === 170, second);
      await second.close();
      expect(told(warnings).slice(1)).toMatchObject([{ code: 'ERR_OFFSET_BACK', expected: 150, offset: 120 }]);
      expect(ran.slice(110).sort()).toEqual(words('newer', 50).sort());
    } finally {
      await cluster.close();
    }
  });
});

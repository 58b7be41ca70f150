/**
 * What the cluster does to its clients: a broker that is away for a minute, leaders and coordinators that move. On
 * brokers of its own, which nobody else uses.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, connectCluster } from '@keylane/testing';
import { type Consumer, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { type KafkaBroker, startKafka } from '../../../scripts/kafka.ts';
import { brokers, isCommittedToEnd, until } from './support.ts';

const RECORDS = 6_000;
const AWAY_MS = 60_000;

/** Consumes and notes how often each record ran. */
async function consume(servers: string, topic: string, group: string) {
  const runs = new Map<string, number>();
  const consumer = await startConsumer({
    kafka: {
      'bootstrap.servers': servers,
      'group.id': group,
      'auto.offset.reset': 'earliest',
      'session.timeout.ms': 10_000,
    },
    topics: [topic],
    commitIntervalMs: 100,
    handler: async ({ partition, offset }) => {
      await sleep(2);
      const name = `${partition}@${offset}`;
      runs.set(name, (runs.get(name) ?? 0) + 1);
    },
  });
  // A broker that is away is reported, more than once; it is what this test is about.
  consumer.on('warning', () => undefined);
  return { consumer, runs };
}

const records = (topic: string) =>
  Array.from({ length: RECORDS }, (_, index) => ({ topic, key: `k${index % 500}`, value: `${index}` }));

const allCommitted = (cluster: Cluster, group: string, consumer: Consumer) =>
  until(() => isCommittedToEnd(cluster, group, 't').catch(() => false), consumer, 120_000);

/** The partition of `__consumer_offsets` whose leader coordinates a group: Java's hash of its name. */
function coordinatorPartition(group: string, partitions: number): number {
  let hash = 0;
  for (const character of group) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0;
  return (hash & 0x7f_ff_ff_ff) % partitions;
}

describe.runIf(brokers.includes('real'))('a cluster with faults', { timeout: 400_000 }, () => {
  test('a broker that is away for a minute: nothing fails, nothing is lost', async () => {
    await using broker = await startKafka();
    await using cluster = await connectCluster(broker.bootstrapServers);
    await cluster.createTopic('t', 8);
    await cluster.produce(records('t'));
    const { consumer, runs } = await consume(broker.bootstrapServers, 't', 'away');
    await until(() => runs.size > RECORDS / 4, consumer);
    await broker.stop();
    await sleep(AWAY_MS);
    expect(['running', 'rebalancing']).toContain(consumer.state);
    await broker.start();
    await cluster.produce(records('t'));
    await allCommitted(cluster, 'away', consumer);
    await consumer.close();
    expect(runs.size).toBe(2 * RECORDS);
  });

  test('leaders and coordinators move to other nodes and back: every record, and the commits go on', async () => {
    const three = {
      'default.replication.factor': '3',
      'min.insync.replicas': '1',
      'offsets.topic.replication.factor': '3',
    };
    await using first = await startKafka(undefined, { properties: three });
    const others: KafkaBroker[] = [];
    try {
      for (const nodeId of [2, 3]) {
        others.push(await startKafka(undefined, { properties: three, join: { broker: first, nodeId } }));
      }
      const servers = [first, ...others].map(({ bootstrapServers }) => bootstrapServers).join(',');
      await using cluster = await connectCluster(servers);
      await cluster.createTopic('t', 6);
      // One group for each partition of the offsets topic, so that whichever node goes coordinates one of them.
      const groups = [0, 1, 2, 3].map((wanted) => {
        let number = 0;
        while (coordinatorPartition(`g${number}`, 4) !== wanted) number += 1;
        return `g${number}`;
      });
      const members = await Promise.all(groups.map((group) => consume(servers, 't', group)));
      await cluster.produce(records('t'));
      for (const node of others) {
        await node.stop();
        await cluster.produce(records('t'));
        await node.start();
        await cluster.produce(records('t'));
      }
      for (const [index, { consumer }] of members.entries()) {
        await allCommitted(cluster, groups[index] as string, consumer);
        await consumer.close();
      }
      for (const { runs } of members) {
        expect(runs.size).toBe(5 * RECORDS);
        expect([...runs.values()].filter((count) => count > 1)).toEqual([]);
      }
    } finally {
      for (const node of others) await node.close();
    }
  });
});

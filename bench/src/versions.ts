/**
 * The versions of what was measured with, as installed.
 */
import { readFile } from 'node:fs/promises';
import confluent from '@confluentinc/kafka-javascript';
import type { Findings } from './bench.ts';

const PACKAGES = ['keylane', '@confluentinc/kafka-javascript', 'kafkajs', 'piscina'];
/** Named only where it ran: it needs a newer Node. */
const PLATFORMATIC = '@platformatic/kafka';
const POM = new URL('../peers/parallel-consumer/pom.xml', import.meta.url);

/** @param kafka the broker's version, where it is known */
export async function versionsOf(
  { rows, chart }: Pick<Findings, 'rows' | 'chart'>,
  kafka: string | undefined,
): Promise<Record<string, string>> {
  const names = [...rows, ...chart.series].map(({ name }) => name);
  const ran = (peer: string) => names.some((name) => name.startsWith(peer));
  const installed = [...PACKAGES, ...(ran(PLATFORMATIC) ? [PLATFORMATIC] : [])];
  const packages = await Promise.all(installed.map(async (name) => [name, await packageVersion(name)] as const));
  return {
    node: process.versions.node,
    ...Object.fromEntries(packages),
    librdkafka: confluent.librdkafkaVersion,
    ...(kafka !== undefined && { kafka }),
    ...(ran('Parallel Consumer') && { 'parallel-consumer': await parallelConsumerVersion() }),
  };
}

async function packageVersion(name: string): Promise<string> {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version;
}

async function parallelConsumerVersion(): Promise<string> {
  const pom = await readFile(POM, 'utf8');
  return /<artifactId>parallel-consumer-core<\/artifactId>\s*<version>([^<]+)</.exec(pom)?.[1] ?? 'unknown';
}

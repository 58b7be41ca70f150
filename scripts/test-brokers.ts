/**
 * Starts a real Kafka for the tests that want one, once for all of them: `KAFKA_BROKERS` where that is set, else a
 * broker of its own where Java and Maven are. Where neither is, it says so, and those tests are skipped.
 */
import type { TestProject } from 'vitest/node';
import { startKafka, whyNoKafka } from './kafka.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Addresses of a real cluster; empty where there is none. */
    readonly kafka: string;
    /** A listener of it that refuses everything; empty where the cluster is not our own. */
    readonly securedKafka: string;
  }
}

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const given = process.env['KAFKA_BROKERS'];
  const problem = given === undefined ? await whyNoKafka() : undefined;
  if (given !== undefined || problem !== undefined) {
    if (problem !== undefined) {
      console.warn(
        `\n*** SKIPPED: all tests on a real Kafka, because ${problem}. Set KAFKA_BROKERS to use your own. ***\n`,
      );
    }
    project.provide('kafka', given ?? '');
    project.provide('securedKafka', '');
    return undefined;
  }
  // From here on a failure is a failure: what is needed is there.
  const broker = await startKafka((line) => console.log(line));
  project.provide('kafka', broker.bootstrapServers);
  project.provide('securedKafka', broker.securedServers);
  return () => broker.close();
}

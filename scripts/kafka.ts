/**
 * A real Apache Kafka for tests and benchmarks: one KRaft node from Maven's artifacts, on free ports of the loopback
 * interface, in a temporary directory, stopped by its own process id.
 *
 *     npm run kafka        starts one, prints its address, and stops it on Ctrl-C
 *
 * Needs Java 17 or later and Maven. The artifacts (about 54 MB) are fetched once and cached.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { whyNoJava } from './java.ts';

export const KAFKA_VERSION = '4.1.0';

const run = promisify(execFile);
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'keylane', `kafka-${KAFKA_VERSION}`);
const START_MS = 120_000;

/** A running broker. */
export interface KafkaBroker extends AsyncDisposable {
  /** A listener that lets anybody do anything. */
  readonly bootstrapServers: string;
  /** A listener with SASL/PLAIN for the user `app` with the password `app-secret`, who may do nothing. */
  readonly securedServers: string;
  readonly pid: number;
  readonly clusterId: string;
  /** Where its controller listens. */
  readonly controller: number;
  /** Stops the process in an orderly way; the data stays, for `start` again on the same ports. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes its data. */
  close(): Promise<void>;
}

/** Why no broker can be started here, or `undefined` where one can. */
export async function whyNoKafka(): Promise<string | undefined> {
  const reason = await whyNoJava(existsSync(join(cache, 'libs')));
  return reason && `it ${reason}`;
}

export interface KafkaOptions {
  /** Properties of the broker beside or instead of ours. */
  readonly properties?: Readonly<Record<string, string>>;
  /** A broker to join, as a further node of its cluster: its controller serves both. */
  readonly join?: { readonly broker: KafkaBroker; readonly nodeId: number };
  /** Gets the broker's process at each start. */
  readonly onSpawned?: (child: ChildProcess) => void;
}

/** Starts a broker; `say` gets a line for each slow step. */
export async function startKafka(
  say: (line: string) => void = () => {},
  { properties = {}, join: joined, onSpawned }: KafkaOptions = {},
): Promise<KafkaBroker> {
  await fetchArtifacts(say);
  const directory = await mkdtemp(join(tmpdir(), 'keylane-kafka-'));
  const [open, secured, own] = (await freePorts(3)) as [number, number, number];
  const controller = joined?.broker.controller ?? own;
  const config = join(directory, 'server.properties');
  const more = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(
    config,
    serverProperties({ directory, open, secured, controller, nodeId: joined?.nodeId }) + more.join(''),
  );
  const java = ['-cp', join(cache, 'libs', '*')];
  const tool = async (...words: string[]) =>
    (await run('java', [...java, 'kafka.tools.StorageTool', ...words])).stdout.trim();
  const clusterId = joined?.broker.clusterId ?? (await tool('random-uuid'));
  await tool('format', '-t', clusterId, '-c', config);

  let child: ChildProcess | undefined;
  const broker: KafkaBroker = {
    bootstrapServers: `127.0.0.1:${open}`,
    securedServers: `127.0.0.1:${secured}`,
    clusterId,
    controller,
    get pid() {
      return child?.pid ?? -1;
    },
    async start() {
      say(`starting Kafka ${KAFKA_VERSION} on 127.0.0.1:${open}`);
      child = spawn('java', ['-Xms256m', '-Xmx1g', ...java, 'kafka.Kafka', config], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      onSpawned?.(child);
      await started(child);
    },
    async stop(signal = 'SIGTERM') {
      const stopping = child;
      child = undefined;
      if (stopping === undefined || stopping.exitCode !== null || stopping.signalCode !== null) return;
      const exited = new Promise((resolve) => stopping.once('exit', resolve));
      stopping.kill(signal);
      await exited;
    },
    async close() {
      await broker.stop('SIGKILL');
      await rm(directory, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => broker.close(),
  };
  try {
    await broker.start();
  } catch (error) {
    await broker.close();
    throw error;
  }
  return broker;
}

/** Lets Maven put Kafka and all it needs into the cache, once; a half-fetched cache is never used. */
async function fetchArtifacts(say: (line: string) => void): Promise<void> {
  if (existsSync(join(cache, 'libs'))) return;
  say(`fetching Kafka ${KAFKA_VERSION} through Maven (once, about 54 MB)`);
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'fetch-'));
  await writeFile(join(work, 'pom.xml'), pom());
  await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libs', '-DincludeScope=runtime'], {
    cwd: work,
  });
  await rename(join(work, 'libs'), join(cache, 'libs'));
  await rm(work, { recursive: true, force: true });
}

function pom(): string {
  const dependency = (group: string, artifact: string, version: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>keylane</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', KAFKA_VERSION)}
    ${dependency('org.slf4j', 'slf4j-simple', '1.7.36')}
  </dependencies>
</project>`;
}

interface NodeConfig {
  readonly directory: string;
  readonly open: number;
  readonly secured: number;
  readonly controller: number;
  /** Absent for the first node, which is the controller as well. */
  readonly nodeId: number | undefined;
}

function serverProperties(at: NodeConfig): string {
  const listeners = `OPEN://127.0.0.1:${at.open},SECURED://127.0.0.1:${at.secured}`;
  const controls = at.nodeId === undefined;
  return `
process.roles=${controls ? 'broker,controller' : 'broker'}
node.id=${at.nodeId ?? 1}
controller.quorum.voters=1@127.0.0.1:${at.controller}
listeners=${controls ? `${listeners},CONTROLLER://127.0.0.1:${at.controller}` : listeners}
listener.security.protocol.map=OPEN:PLAINTEXT,SECURED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=OPEN
sasl.enabled.mechanisms=PLAIN
listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
    user_app="app-secret";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs=${join(at.directory, 'data')}
num.partitions=8
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
group.consumer.min.heartbeat.interval.ms=500
group.consumer.min.session.timeout.ms=6000
message.max.bytes=16777216
log.segment.delete.delay.ms=1000
`;
}

/** Resolves when the broker says it has started; rejects with its last lines when it ends before. */
function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    const timer = setTimeout(() => finish(`Kafka did not start within ${START_MS} ms`), START_MS);
    const finish = (failure?: string) => {
      clearTimeout(timer);
      child.off('exit', onExit);
      if (failure === undefined) resolve();
      else reject(new Error(`${failure}:\n${lines.slice(-30).join('\n')}`));
    };
    const onExit = (code: number | null) => finish(`Kafka ended with ${code} at its start`);
    const onData = (data: Buffer) => {
      lines.push(...String(data).split('\n'));
      lines.splice(0, lines.length - 200);
      if (String(data).includes('Kafka Server started')) finish();
    };
    child.once('exit', onExit);
    child.stdout?.on('data', onData);
    child.stderr?.on('data', onData);
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

if (process.argv[1] !== undefined && import.meta.filename === realpathSync(process.argv[1])) {
  const problem = await whyNoKafka();
  if (problem !== undefined) {
    console.error(`Kafka cannot be started: ${problem}`);
    process.exit(1);
  }
  const broker = await startKafka((line) => console.log(line));
  console.log(`KAFKA_BROKERS=${broker.bootstrapServers}   (Ctrl-C stops it and removes its data)`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void broker.close().then(() => process.exit(0)));
}

/**
 * A Kafka cluster inside this process: librdkafka's own mock brokers, which any client can join.
 *
 * Limits: a topic appears on first use and has 4 partitions; the admin API does not work; a partition keeps its
 * last 5 MB or 100,000 records.
 */
import confluent from '@confluentinc/kafka-javascript';

/** A running embedded cluster. */
export interface EmbeddedBroker extends AsyncDisposable {
  /** What clients set as `bootstrap.servers`. */
  readonly bootstrapServers: string;
  close(): Promise<void>;
}

/**
 * Starts an embedded cluster on free ports of the loopback interface.
 *
 * @param options.brokers how many brokers, default 3
 */
export async function startEmbeddedBroker(options: { brokers?: number } = {}): Promise<EmbeddedBroker> {
  const host = new confluent.Producer({
    'test.mock.num.brokers': options.brokers ?? 3,
    'bootstrap.servers': '',
  } as never);
  const metadata = await new Promise<{ brokers: { host: string; port: number }[] }>((resolve, reject) => {
    host.connect({ timeout: 10_000 } as never, (error, answer) => (error ? reject(error) : resolve(answer as never)));
  });
  const close = () => new Promise<void>((resolve) => host.disconnect(() => resolve()));
  return {
    bootstrapServers: metadata.brokers.map(({ host: name, port }) => `${name}:${port}`).join(','),
    close,
    [Symbol.asyncDispose]: close,
  };
}

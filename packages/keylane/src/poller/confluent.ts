/**
 * What consumer and producer share of @confluentinc/kafka-javascript's callback API (librdkafka). The only importer of
 * that package, and by dynamic import: its addon loads in one thread of a process only, so a handler thread must be
 * able to import `keylane` without it.
 */
import type { EventEmitter } from 'node:events';
import type { LibrdKafkaError } from '@confluentinc/kafka-javascript';
import { KafkaError } from '../errors.ts';
import type { ClientRecord, PartitionOffset } from './client.ts';

export type {
  KafkaConsumer,
  LibrdKafkaError,
  Producer as KafkaProducer,
  TopicPartitionOffsetAndMetadata,
} from '@confluentinc/kafka-javascript';

const ALL_BROKERS_DOWN = -187;
/** `auto.offset.reset` is `error`, and there is no offset to begin at. */
export const AUTO_OFFSET_RESET = -140;
/** The client as a whole has failed, for a reason it told before. */
export const FATAL = -150;
/** Said of whoever is not connected. */
export const WRONG_STATE = -172;
/** How often a consumer that connects is asked whether it has something to tell. */
const TELL_MS = 100;

/** librdkafka's own names and values. */
export type KafkaOptions = Readonly<Record<string, unknown>>;

/** The native consumer beneath, where `consume` needs no event for every record and tells where partitions end. */
export interface NativeConsumer {
  consume(
    timeoutMs: number,
    recordsMax: number,
    timeoutOnlyForFirst: boolean,
    done: (error: LibrdKafkaError | null, records: ClientRecord[], ends: PartitionOffset[]) => void,
  ): void;
}

interface TellingConsumer {
  isConnected(): boolean;
  getClient(): NativeConsumer;
}

type OnError = (error: LibrdKafkaError) => void;

interface Connectable {
  on(event: 'event.error', listener: OnError): unknown;
  off(event: 'event.error', listener: OnError): unknown;
  connect(options: never, done: (error: LibrdKafkaError) => void): unknown;
}

/** Makes a client; a configuration that librdkafka does not take is a KafkaError. */
export async function makeClient<T>(
  make: (confluent: typeof import('@confluentinc/kafka-javascript')) => T,
): Promise<T> {
  const { default: confluent } = await import('@confluentinc/kafka-javascript');
  try {
    return make(confluent);
  } catch (error) {
    throw toKafkaError(error as LibrdKafkaError, 'the client refused its configuration');
  }
}

/** Listens to all a client has to complain about. */
export function onClientError(client: Pick<Connectable, 'on'>, onError: OnError): void {
  client.on('event.error', onError);
  // Of an application's callback for tokens that failed: without a listener it would end the process.
  (client as unknown as EventEmitter).on('error', onError);
}

/** Connects a client. Rejects with a KafkaError that says why, when no broker answered within `timeoutMs`. */
export async function connectClient(client: Connectable, kafka: KafkaOptions, timeoutMs: number): Promise<void> {
  // What goes wrong while connecting is told by events; the call itself only says that no broker answered.
  const reported = new Set<string>();
  const onError = ({ message }: LibrdKafkaError) => void reported.add(message);
  client.on('event.error', onError);
  try {
    await new Promise<void>((resolve, reject) => {
      client.connect({ timeout: timeoutMs, allTopics: false } as never, (error) => {
        if (!error) return resolve();
        const servers = kafka['bootstrap.servers'] ?? kafka['metadata.broker.list'];
        const why = [...reported].join(', ');
        const what = `no broker of ${String(servers)} let us in within ${timeoutMs} ms (${why})`;
        reject(toKafkaError(error, what));
      });
    });
  } finally {
    client.off('event.error', onError);
  }
}

/**
 * Has a consumer tell what goes wrong while it connects. It tells when it is asked for records; what it has not told by
 * the end of a connect that failed, such as why, it may never tell. What asking itself fails with, such as a group that
 * is refused, is told once only: it is for whoever consumes later.
 */
export async function whileTelling(
  consumer: TellingConsumer,
  connecting: Promise<void>,
  onFailed: OnError,
): Promise<void> {
  let asking: Promise<void> | undefined;
  const ask = async () => {
    const error = await new Promise<LibrdKafkaError | null>((resolve) =>
      consumer.getClient().consume(0, 1, false, resolve),
    );
    if (error) onFailed(error);
    asking = undefined;
  };
  const timer = setInterval(() => {
    if (consumer.isConnected()) asking ??= ask();
  }, TELL_MS);
  try {
    await connecting;
  } finally {
    clearInterval(timer);
    await asking;
  }
}

/** What the client reports, as ours. */
export function toKafkaError(
  error: Partial<LibrdKafkaError> & Pick<Error, 'message'>,
  what: string,
  code: 'ERR_KAFKA' | 'ERR_PRODUCE' = 'ERR_KAFKA',
): KafkaError {
  const { code: kafkaCode = -1, message, isFatal = false } = error;
  // A producer can be replaced; the consumer's client is the group's member.
  const isOver = kafkaCode === AUTO_OFFSET_RESET || kafkaCode === FATAL || (isFatal && kafkaCode !== ALL_BROKERS_DOWN);
  const fatal = code === 'ERR_KAFKA' && isOver;
  return new KafkaError(code, `${what}: ${message}`, { kafkaCode: Number(kafkaCode), fatal, cause: error });
}

/**
 * The options every command has that talks to a cluster, and the connection they lead to.
 */
import { type Command, Option } from 'commander';
import { CliError, UsageError } from '../errors.ts';
import { Reader } from '../kafka/client.ts';
import { type ConnectionFlags, type Settings, settingsOf, withoutSecrets } from '../kafka/settings.ts';

export interface ConnectionOptions extends ConnectionFlags {
  readonly timeout: number;
}

/** What a command works with. */
export interface Connection {
  readonly settings: Settings;
  readonly reader: Reader;
  readonly timeoutMs: number;
}

const TIMEOUT_SECONDS = 30;

export function withConnectionOptions(command: Command): Command {
  return command
    .optionsGroup('Connection:')
    .option('-b, --bootstrap-servers <servers>', 'HOST:PORT of one or more brokers (env: KAFKA_BROKERS)')
    .option(
      '-X, --kafka <name=value>',
      "a setting under librdkafka's name; may be repeated",
      (text: string, before: string[] | undefined) => collect(text, before),
    )
    .option('-c, --config <file>', 'settings as JSON or properties (librdkafka or Java names)')
    .addOption(
      new Option('--timeout <seconds>', 'how long the brokers may take for one answer')
        .default(TIMEOUT_SECONDS)
        .argParser(parseSeconds),
    );
}

/** Connects, does the work and disconnects; what fails says nothing of the secrets. */
export async function connectedTo(
  options: ConnectionOptions,
  group: string,
  work: (connection: Connection) => Promise<number>,
): Promise<number> {
  const settings = settingsOf(options, process.env);
  const timeoutMs = options.timeout * 1_000;
  try {
    const reader = await Reader.open(settings, group, timeoutMs);
    try {
      return await work({ settings, reader, timeoutMs });
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(withoutSecrets(error.message, settings), error.exitCode, { cause: error });
  }
}

/** For options that may be repeated. */
export function collect<T = string>(value: T, before: readonly T[] = []): T[] {
  return [...before, value];
}

function parseSeconds(text: string): number {
  const seconds = Number(text.replace(/s$/, ''));
  if (!(seconds > 0)) throw new UsageError(`--timeout ${text} is no number of seconds above 0`);
  return seconds;
}

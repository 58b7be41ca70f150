/**
 * Where the cluster is and how it lets us in: flags over the environment over a file. A file holds JSON, or properties
 * as librdkafka or Java names them. Pure but for reading that file.
 */
import { readFileSync } from 'node:fs';
import { UsageError } from '../errors.ts';

/** Settings of librdkafka by name. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

/** What the command line says of the connection. */
export interface ConnectionFlags {
  readonly bootstrapServers?: string;
  /** `name=value` each. */
  readonly kafka?: readonly string[];
  /** The path of a file. */
  readonly config?: string;
}

/** Set by the commands themselves; a file that an application shares with us may hold them. */
const OURS: ReadonlySet<string> = new Set([
  ...['group.id', 'group.instance.id', 'group.protocol', 'transactional.id', 'auto.offset.reset', 'isolation.level'],
  ...['enable.auto.commit', 'enable.auto.offset.store', 'enable.partition.eof', 'partition.assignment.strategy'],
]);
const SECRET = /password|secret|\.pem$|jaas|token|oauthbearer\.config/;

/** Puts the three sources together. */
export function settingsOf(flags: ConnectionFlags, env: Readonly<Record<string, string | undefined>>): Settings {
  const settings: Record<string, string | number | boolean> = {
    ...(flags.config === undefined ? {} : fileSettings(flags.config)),
  };
  const servers = env['KEYLANE_BOOTSTRAP_SERVERS'] ?? env['KAFKA_BROKERS'];
  if (servers !== undefined && servers !== '') settings['bootstrap.servers'] = servers;
  for (const pair of flags.kafka ?? []) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--kafka ${pair} is not name=value, such as --kafka security.protocol=ssl`);
    settings[pair.slice(0, at)] = pair.slice(at + 1);
  }
  if (flags.bootstrapServers !== undefined) settings['bootstrap.servers'] = flags.bootstrapServers;
  const named = settings['bootstrap.servers'] ?? settings['metadata.broker.list'];
  if (named === undefined || named === '') {
    throw new UsageError(
      'no cluster is named: add --bootstrap-servers HOST:PORT, set KAFKA_BROKERS, or put bootstrap.servers into a ' +
        'file and add --config FILE',
    );
  }
  for (const name of OURS) delete settings[name];
  return settings;
}

/** A text without any of the settings' secrets, since an error may quote what it does not like. */
export function withoutSecrets(text: string, settings: Settings): string {
  let clean = text;
  for (const [name, value] of Object.entries(settings)) {
    if (SECRET.test(name) && value !== '') clean = clean.replaceAll(String(value), '***');
  }
  return clean;
}

function fileSettings(path: string): Settings {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--config ${path} cannot be read: ${(error as Error).message}`);
  }
  return text.trimStart().startsWith('{') ? jsonSettings(path, text) : javaNames(path, properties(path, text));
}

function jsonSettings(path: string, text: string): Settings {
  let settings: Record<string, unknown>;
  try {
    settings = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // The parser's own message quotes the text around, which may be a password.
    throw new UsageError(`--config ${path} begins like JSON and is none`);
  }
  for (const [name, value] of Object.entries(settings)) {
    if (!['string', 'number', 'boolean'].includes(typeof value)) {
      throw new UsageError(`--config ${path}: ${name} must be a string, a number or a boolean`);
    }
  }
  return settings as Settings;
}

/** Lines of `name=value` or `name: value`; `#` and `!` begin comments, a backslash at its end continues a line. */
function properties(path: string, text: string): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const line of text.replace(/\\\r?\n\s*/g, '').split(/\r?\n/)) {
    if (/^\s*([#!]|$)/.test(line)) continue;
    const [, name, value] = /^\s*([^\s=:]+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new UsageError(`--config ${path} has a line that is not name=value: ${line.trim().split(/\s/)[0]} …`);
    }
    settings[name] = value;
  }
  return settings;
}

/** What Java clients call otherwise, or know alone. */
function javaNames(path: string, settings: Readonly<Record<string, string>>): Settings {
  const translated: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings)) {
    if (/serializer$/.test(name) || name.endsWith('store.type')) continue;
    if (name === 'sasl.jaas.config') {
      const [user, password] = ['username', 'password'].map((field) =>
        new RegExp(`\\b${field}\\s*=\\s*["']((?:[^"'\\\\]|\\\\.)*)["']`).exec(value)?.[1]?.replace(/\\(.)/g, '$1'),
      );
      if (user === undefined || password === undefined) {
        throw new UsageError(`--config ${path}: sasl.jaas.config has no username and password; use librdkafka's names`);
      }
      Object.assign(translated, { 'sasl.username': user, 'sasl.password': password });
    } else if (name === 'ssl.truststore.location') {
      if (settings['ssl.truststore.type']?.toUpperCase() !== 'PEM') {
        throw new UsageError(
          `--config ${path}: ssl.truststore.location is a Java key store, which librdkafka cannot read; export the ` +
            'certificates as PEM and name them in ssl.ca.location',
        );
      }
      translated['ssl.ca.location'] = value;
    } else if (name === 'ssl.endpoint.identification.algorithm' && value === '') {
      translated[name] = 'none';
    } else if (name !== 'ssl.truststore.password') {
      translated[name] = value;
    }
  }
  return translated;
}

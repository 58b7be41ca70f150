/**
 * What can go wrong for whoever runs a command, and what the process exits with. Every message names the thing, the
 * cause and the remedy. Nothing else in this package makes an error of its own.
 */

/** What the process exits with; `keylane --help` says the same. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** A dry run is over, and nobody is there to say that the rest may follow. */
  unconfirmed: 3,
  /** All that could be done was; the output says what was left. */
  partly: 4,
  interrupted: 130,
} as const;

/** Ends the command; its message is what the user reads. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.exitCode = exitCode;
  }
}

/** The command line, the environment or the configuration file says something that makes no sense. */
export class UsageError extends CliError {
  constructor(message: string) {
    super(message, EXIT.usage);
  }
}

/** The brokers do not take one of the records that were to be produced together; all of them are undone. */
export class RefusedError extends CliError {}

/** An error of librdkafka, as the binding hands it out. */
export interface ClientError {
  readonly code: number;
  readonly message: string;
  readonly isFatal?: boolean;
  readonly isRetriable?: boolean;
}

const UNREACHABLE = 'Check the address, and whether this machine may reach every broker the cluster advertises.';
const SECURE = "Check 'security.protocol' and the 'ssl.*' settings.";
const LET_IN =
  "Check 'security.protocol', 'sasl.mechanism', 'sasl.username' and 'sasl.password' (--config or --kafka).";

/** What to do about it, by librdkafka's code. */
const REMEDIES: Readonly<Record<number, string>> = {
  [-195]: UNREACHABLE,
  [-193]: UNREACHABLE,
  [-187]: UNREACHABLE,
  [-185]: `${UNREACHABLE} --timeout gives it more time.`,
  [-181]: SECURE,
  [-169]: LET_IN,
  [-144]: 'Run the command again: what was not replayed yet follows.',
  10: "Leave the record out with --except, or raise the topic's max.message.bytes.",
  12:
    "The cluster's offset.metadata.max.bytes is below Kafka's default (4096): narrow the filter so that fewer separate " +
    'records are replayed, or replay everything in order.',
  29: 'Ask for Read and Describe on the topic that is read, and for Write and Describe on those that are written.',
  30: 'Ask for Read and Describe on the group keylane-dlq.<topic>.',
  31: 'Ask for IdempotentWrite on the cluster.',
  53: 'Ask for Write and Describe on the transactional id keylane-dlq.<topic>.',
  58: LET_IN,
};

/** Nobody let us in; why, the client's log says best. */
export function unreachable(what: string, said: readonly string[], error: ClientError): CliError {
  const why = said.length === 0 ? error.message : said.join('; ');
  const remedy = /sasl|authenticat/i.test(why) ? LET_IN : /ssl|certificate/i.test(why) ? SECURE : UNREACHABLE;
  return new CliError(`${what}: ${why}. ${remedy}`, EXIT.failed, { cause: error });
}

const FENCED: ReadonlySet<number> = new Set([-144, 47, 90]);
/** Given up because of something else that failed. */
const PURGED: ReadonlySet<number> = new Set([-151, -152]);

/** What a record's refusal means: about the record, or about the producer as a whole. */
export function produceError(what: string, error: ClientError): CliError {
  const { message } = kafkaError(what, error);
  const About = PURGED.has(error.code) || FENCED.has(error.code) ? CliError : RefusedError;
  return new About(message, EXIT.failed, { cause: error });
}

/** Whether another producer took over. */
export function isFenced({ code }: ClientError): boolean {
  return FENCED.has(code);
}

/** An error of the client as one that says what was tried, why it failed and what to do. */
export function kafkaError(what: string, error: ClientError): CliError {
  const { code, message } = error;
  if (isFenced(error)) {
    return new CliError(
      `${what}: another replay of this topic has taken over, and what was under way here is undone. ${REMEDIES[-144]}`,
      EXIT.failed,
      { cause: error },
    );
  }
  const remedy = REMEDIES[code];
  return new CliError(`${what}: ${message}.${remedy === undefined ? '' : ` ${remedy}`}`, EXIT.failed, { cause: error });
}

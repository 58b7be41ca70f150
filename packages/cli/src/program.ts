/**
 * The program as a whole: its commands, and what the process exits with. A group of commands is a folder of `commands/`
 * with a function that adds it here.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addDlq } from './commands/dlq/index.ts';
import { CliError, EXIT } from './errors.ts';
import { Terminal } from './output/terminal.ts';

const EXIT_CODES = `
Exit codes:
  0    done, also where there was nothing to do
  1    failed; standard error says why
  2    wrong usage
  3    the dry run is over, and --yes is missing
  4    done in part: parked keys failed again
  130  stopped by a signal

Flags count over the environment (KEYLANE_BOOTSTRAP_SERVERS or KAFKA_BROKERS),
the environment over --config. Results go to standard output, everything else
to standard error. NO_COLOR is respected.`;

/** Runs a command line, without the two words for Node and the script. Resolves with the exit code; never rejects. */
export async function run(args: readonly string[]): Promise<number> {
  const terminal = new Terminal();
  let exitCode: number = EXIT.done;
  const program = new Command('keylane')
    .description('The command line of Keylane, a parallel consumer for Kafka')
    .version(version())
    .configureHelp({ showGlobalOptions: false })
    .showHelpAfterError('(--help says more)')
    .exitOverride()
    .addHelpText('after', EXIT_CODES);
  addDlq(program, terminal, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // It has said what is wrong already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (!(error instanceof CliError)) throw error;
    terminal.note(`${terminal.errorColors.red('error:')} ${error.message}`);
    return error.exitCode;
  }
}

function version(): string {
  const { version: said } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return said;
}

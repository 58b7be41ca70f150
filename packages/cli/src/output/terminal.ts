/**
 * Where output goes: results to standard output, everything else to standard error. Colours, bars and questions only
 * where a person looks; plain lines otherwise.
 */
import { createInterface } from 'node:readline/promises';
import { SingleBar } from 'cli-progress';
import colors from 'picocolors';
import { count } from './text.ts';

/** Between two lines of progress where there is no terminal. */
const LINE_EVERY_MS = 5_000;
/** What is over sooner needs no progress. */
const QUIET_MS = 1_000;

export interface Progress {
  add(amount: number): void;
  /** Removes a bar. */
  stop(): void;
}

export class Terminal {
  /** Columns of a line; endless where no terminal is. */
  readonly columns: number = process.stdout.isTTY ? process.stdout.columns || 80 : Infinity;
  readonly colors: ReturnType<typeof colors.createColors> = colors.createColors(hasColors(process.stdout));
  readonly errorColors: ReturnType<typeof colors.createColors> = colors.createColors(hasColors(process.stderr));

  /** Whether somebody is there to be asked. */
  get isInteractive(): boolean {
    return process.stdin.isTTY === true && process.stdout.isTTY === true;
  }

  print(...lines: readonly string[]): void {
    for (const line of lines) process.stdout.write(`${line}\n`);
  }

  printJson(value: unknown, indent?: number): void {
    this.print(JSON.stringify(value, undefined, indent));
  }

  printBytes(bytes: Buffer): void {
    process.stdout.write(bytes);
  }

  warn(line: string): void {
    process.stderr.write(`${this.errorColors.yellow('warning:')} ${line}\n`);
  }

  note(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  async confirm(question: string): Promise<boolean> {
    const lines = createInterface({ input: process.stdin, output: process.stdout });
    try {
      // The end of the input is an answer too.
      const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
      return /^y(es)?$/i.test((await Promise.race([lines.question(`${question} [y/N] `), ended])).trim());
    } finally {
      lines.close();
    }
  }

  progress(what: string, total: number): Progress {
    const bar = process.stderr.isTTY ? makeBar(what) : undefined;
    const begun = performance.now();
    let done = 0;
    let saidAt = begun;
    let shown = false;
    return {
      add: (amount) => {
        done = Math.min(total, done + amount);
        const now = performance.now();
        if (bar !== undefined && !shown && now - begun > QUIET_MS) {
          shown = true;
          bar.start(total, done);
        } else if (bar !== undefined) {
          if (shown) bar.update(done);
        } else if (now - saidAt >= LINE_EVERY_MS) {
          saidAt = now;
          this.note(`${what}: ${done.toLocaleString('en')} of ${count(total, 'record')}`);
        }
      },
      stop: () => {
        // A bar that is stopped twice is drawn again.
        if (shown) bar?.stop();
        shown = false;
      },
    };
  }
}

function makeBar(what: string): SingleBar {
  return new SingleBar({
    format: `${what} {bar} {percentage} %  {value}/{total}  {eta_formatted}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    clearOnComplete: true,
    hideCursor: true,
    stream: process.stderr,
  });
}

/** @see https://no-color.org */
function hasColors(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0') return true;
  return stream.isTTY === true && TERM !== 'dumb';
}

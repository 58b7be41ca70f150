/**
 * How far a benchmark is: one live line on a terminal, a line for each step elsewhere. On standard error, so that
 * standard output is the result's alone.
 */
import cliProgress from 'cli-progress';

export class Progress {
  readonly #bar: cliProgress.SingleBar | undefined;

  constructor(title: string) {
    if (!process.stderr.isTTY) {
      process.stderr.write(`${title}\n`);
      return;
    }
    this.#bar = new cliProgress.SingleBar(
      { format: `${title} {bar} {what}`, stream: process.stderr, hideCursor: true, barsize: 24, clearOnComplete: true },
      cliProgress.Presets.shades_classic,
    );
    this.#bar.start(1, 0, { what: '' });
  }

  /** What is being done now. */
  say(what: string): void {
    if (this.#bar === undefined) process.stderr.write(`${what}\n`);
    else this.#bar.update({ what });
  }

  /** The same, with how much of everything is done. */
  step(what: string, done: number, total: number): void {
    this.#bar?.setTotal(total);
    this.#bar?.update(done);
    this.say(what);
  }

  end(): void {
    this.#bar?.stop();
  }
}

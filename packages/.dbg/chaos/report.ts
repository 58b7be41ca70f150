/**
 * Tells a person, or a script, how a chaos run goes and what came out.
 */
import type { Progress, RunResult } from './run.ts';

const SHOW_MS = 5_000;
const numbers = new Intl.NumberFormat('en');

export class Report {
  readonly #out: NodeJS.WriteStream;
  #progressShown = false;
  #shownAt = 0;

  /** @param json leaves stdout to the result alone */
  constructor(json: boolean) {
    this.#out = json ? process.stderr : process.stdout;
  }

  line(text: string): void {
    this.#clear();
    this.#out.write(`${text}\n`);
  }

  progress({ protocol, done, produced, alive, lastAction }: Progress): void {
    const records = `${numbers.format(done)} of ${numbers.format(produced)} done`;
    const text = `${protocol}: ${records}, ${alive} alive, ${lastAction}`;
    if (this.#out.isTTY) {
      this.#clear();
      this.#out.write(text.slice(0, this.#out.columns - 1));
      this.#progressShown = true;
    } else if (performance.now() - this.#shownAt > SHOW_MS) {
      this.#shownAt = performance.now();
      this.#out.write(`${text}\n`);
    }
  }

  end(): void {
    this.#clear();
  }

  /** Prints the table; returns whether every promise held. */
  result(results: readonly RunResult[], seed: number, command: string): boolean {
    const rows: [string, (result: RunResult) => number][] = [
      ['produced', ({ produced }) => produced],
      ['lost', ({ lost }) => lost],
      ['order violations', ({ orderViolations }) => orderViolations],
      ['commits ahead', ({ commitsAhead }) => commitsAhead],
      ['duplicated', ({ duplicated }) => duplicated],
      ...causesOf(results).map((cause): [string, (result: RunResult) => number] => [
        `  ${cause}`,
        ({ causes }) => causes[cause] ?? 0,
      ]),
      ['never produced, or wrong', ({ strangers }) => strangers],
      ['overlaps with leftovers', ({ leftoverOverlaps }) => leftoverOverlaps],
      ['starts refused', ({ refused }) => refused],
      ['consumers that failed', ({ failed }) => failed],
      ['stalled', ({ stalled }) => Number(stalled)],
    ];
    this.line('');
    this.#row(
      '',
      results.map(({ protocol }) => protocol),
    );
    for (const [name, of] of rows)
      this.#row(
        name,
        results.map((result) => numbers.format(of(result))),
      );
    for (const { protocol, told, deeds } of results) {
      this.line(`${protocol} went through: ${JSON.stringify(deeds)}`);
      for (const text of told) this.line(`${protocol}: ${text}`);
    }
    const whole = results.every(
      ({ lost, orderViolations, commitsAhead }) => lost + orderViolations + commitsAhead === 0,
    );
    this.line(whole ? `every promise held (seed ${seed})` : `A PROMISE IS BROKEN (seed ${seed}); replay: ${command}`);
    return whole;
  }

  /** The result for scripts. */
  json(results: readonly RunResult[], seed: number): string {
    const sum = (of: (result: RunResult) => number): number => results.reduce((total, result) => total + of(result), 0);
    return JSON.stringify({
      produced: sum(({ produced }) => produced),
      lost: sum(({ lost }) => lost),
      duplicated: sum(({ duplicated }) => duplicated),
      orderViolations: sum(({ orderViolations }) => orderViolations),
      commitsAhead: sum(({ commitsAhead }) => commitsAhead),
      failed: sum(({ failed }) => failed),
      stalled: results.some(({ stalled }) => stalled),
      seed,
      runs: results.map(({ told: _, ...result }) => result),
    });
  }

  #row(name: string, cells: readonly string[]): void {
    this.line(`${name.padEnd(42)}${cells.map((cell) => cell.padStart(13)).join('')}`);
  }

  #clear(): void {
    if (this.#progressShown) this.#out.write('\r\x1b[2K');
    this.#progressShown = false;
  }
}

function causesOf(results: readonly RunResult[]): (keyof RunResult['causes'])[] {
  return [...new Set(results.flatMap(({ causes }) => Object.keys(causes)))].sort() as (keyof RunResult['causes'])[];
}

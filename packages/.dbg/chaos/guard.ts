/**
 * Ends what we started, whatever ends us: a process of its own that knows the ids of our children and outlives us for
 * as long as it takes to end them. Even a kill -9 leaves no broker and no stopped consumer behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';

const SCRIPT = `
const ids = new Set();
require('node:readline').createInterface({ input: process.stdin })
  .on('line', (line) => (line[0] === '+' ? ids.add(line.slice(1)) : ids.delete(line.slice(1))))
  .on('close', () => {
    for (const id of ids) try { process.kill(Number(id), 'SIGKILL'); } catch {}
    process.exit();
  });`;

export class Guard {
  readonly #child: ChildProcess;

  constructor() {
    // Detached, so that Ctrl-C does not reach it.
    this.#child = spawn(process.execPath, ['-e', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    this.#child.unref();
    (this.#child.stdin as unknown as { unref(): void }).unref();
    this.#child.stdin?.on('error', () => undefined);
  }

  /** Watches over a child until it exits. */
  watch(child: ChildProcess): void {
    if (child.pid === undefined) return;
    this.#child.stdin?.write(`+${child.pid}\n`);
    child.once('exit', () => this.#child.stdin?.write(`-${child.pid}\n`));
  }
}

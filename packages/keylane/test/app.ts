/**
 * A consumer in a process of its own, and what that says; see `apps/closing.mjs`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface App {
  readonly child: ChildProcess;
  /** What it said so far. */
  readonly lines: string[];
  readonly exited: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>;
}

export interface AppOptions {
  readonly kafka: Readonly<Record<string, unknown>>;
  readonly topic: string;
  readonly hangs: boolean;
  readonly drainTimeoutMs: number;
}

export function startApp(options: AppOptions): App {
  const file = fileURLToPath(new URL('./apps/closing.mjs', import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => lines.push(line));
  return { child, lines, exited: once(child, 'exit') as unknown as App['exited'] };
}

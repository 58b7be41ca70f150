/**
 * Runs one measurement: a process of its own, with its job as the last argument and its result as its last line.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Job, type PeerResult, READY_LINE } from '../workload/job.ts';
import { javaPeer } from './java-peer.ts';
import { newerNode } from './newer-node.ts';

/** Longer than any measurement takes; one that hangs ends here, with its name. */
const LIMIT_MS = 300_000;

/** The command of a peer: one of `bench/peers`, or the one in Java. */
export async function commandOf(peer: string): Promise<readonly [command: string, ...args: string[]]> {
  if (peer === 'parallel-consumer') return javaPeer();
  const node = peer === 'platformatic' ? newerNode() : process.execPath;
  return [node, fileURLToPath(new URL(`../dist/peers/${peer}.js`, import.meta.url))];
}

export interface RunOptions {
  /** Called once the peer says that partitions are assigned to it. */
  readonly onReady?: () => void;
  /** Ends the process where it is; the run rejects. */
  readonly signal?: AbortSignal;
  /** Variables of its environment, beside those of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Options of Node, where it is a program for Node. */
  readonly nodeOptions?: readonly string[];
}

export function runPeer(peer: string, job: Job, options?: RunOptions): Promise<PeerResult> {
  return runProgram<PeerResult>(peer, job, options);
}

/** The same for a program of `bench/peers` whose tasks and results are its own. */
export async function runProgram<Result>(
  peer: string,
  task: unknown,
  { onReady, signal: stop, env, nodeOptions = [] }: RunOptions = {},
): Promise<Result> {
  const [command, ...args] = await commandOf(peer);
  const child = spawn(command, [...nodeOptions, ...args, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: stop,
    env: { ...process.env, ...env },
  });
  const errors: string[] = [];
  let last = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === READY_LINE) onReady?.();
    else last = line;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text));
  const kill = () => void child.kill('SIGKILL');
  const limit = setTimeout(kill, LIMIT_MS);
  process.once('exit', kill);
  const [code, signal] = await (once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>).finally(() => {
    clearTimeout(limit);
    process.off('exit', kill);
  });
  if (code !== 0 || !last.startsWith('{')) {
    const how = signal === null ? `exit code ${code}` : `${signal}, after at most ${LIMIT_MS / 1_000} s`;
    throw new Error(`${peer} ended without a result (${how}):\n${errors.join('').slice(-4_000)}`);
  }
  return JSON.parse(last) as Result;
}

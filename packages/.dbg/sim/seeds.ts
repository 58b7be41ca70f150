/**
 * Many seeds, here or in processes of their own, which are this file run as a program.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { simulate } from './simulate.ts';

/** What some seeds came to. */
export interface SeedsResult {
  seeds: number;
  steps: number;
  readonly failures: { readonly seed: number; readonly violations: readonly string[] }[];
}

export interface SeedsParts {
  readonly first: number;
  readonly seeds: number;
  readonly processes: number;
  /** After this many there is no use in more. */
  readonly failuresMax: number;
  readonly onProgress: (soFar: SeedsResult) => void;
}

/** Seeds a process is given at once. */
const CHUNK = 20;
export async function seedsAlone(parts: Omit<SeedsParts, 'processes'>): Promise<SeedsResult> {
  const { first, seeds, failuresMax, onProgress } = parts;
  const result: SeedsResult = { seeds: 0, steps: 0, failures: [] };
  for (let seed = first; seed < first + seeds && result.failures.length < failuresMax; seed += 1) {
    const { violations, steps } = await simulate(seed);
    result.seeds += 1;
    result.steps += steps;
    if (violations.length > 0) result.failures.push({ seed, violations });
    onProgress(result);
  }
  return result;
}

export async function seedsInProcesses(parts: SeedsParts): Promise<SeedsResult> {
  const { first, seeds, processes, failuresMax, onProgress } = parts;
  const result: SeedsResult = { seeds: 0, steps: 0, failures: [] };
  let next = first;
  const feed = (child: ChildProcess) => {
    const left = Math.min(CHUNK, first + seeds - next);
    if (left === 0 || result.failures.length >= failuresMax) child.disconnect();
    else child.send({ first: next, seeds: left, failuresMax });
    next += left;
  };
  const ends = Array.from({ length: processes }, () => {
    const child = fork(fileURLToPath(import.meta.url), ['child']);
    child.on('message', (part: SeedsResult) => {
      result.seeds += part.seeds;
      result.steps += part.steps;
      result.failures.push(...part.failures);
      onProgress(result);
      feed(child);
    });
    feed(child);
    return new Promise<void>((resolve, reject) => {
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a process ended with code ${code}`))));
    });
  });
  await Promise.all(ends);
  result.failures.sort((one, other) => one.seed - other.seed);
  return result;
}

if (process.send !== undefined && process.argv[2] === 'child') {
  process.on('message', async (part: Omit<SeedsParts, 'processes' | 'onProgress'>) => {
    process.send?.(await seedsAlone({ ...part, onProgress: () => undefined }));
  });
}

/**
 * How many threads are worth having: the default of `threads`.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** The CPUs this process may use: what the scheduler says, less where the container has a quota. */
export function usableCpus(): number {
  const cpus = availableParallelism();
  try {
    // cgroup v2: "max 100000", or the quota and the period in microseconds.
    const [quota, period] = readFileSync('/sys/fs/cgroup/cpu.max', 'utf8').trim().split(' ');
    if (quota === 'max') return cpus;
    return Math.max(1, Math.min(cpus, Math.ceil(Number(quota) / Number(period))));
  } catch {
    return cpus;
  }
}

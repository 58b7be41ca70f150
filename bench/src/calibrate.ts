import { compute } from '../workload/handling.ts';
import { median } from '../workload/median.ts';

const ROUNDS = 20_000;
const REPEATS = 9;

/**
 * How many rounds of `compute` take a millisecond on this machine: the median of several. Of CPU, not of time: what
 * else runs meanwhile must not make the work of all peers smaller.
 */
export function calibrate(): number {
  const rates = Array.from({ length: REPEATS }, () => {
    const startedAt = process.cpuUsage();
    compute(ROUNDS);
    const { user, system } = process.cpuUsage(startedAt);
    return (ROUNDS / (user + system)) * 1_000;
  });
  return Math.round(median(rates));
}

/**
 * Whether something else is using the CPUs: it would be in every latency.
 */
import { cpus, loadavg } from 'node:os';

/** More than this share of the CPUs in use before anything is measured is worth saying. */
const BUSY_SHARE = 0.5;

/** To be asked for before the first run; the note, or none where the machine is quiet or the system does not say. */
export function busyNotes(): string[] {
  const [lastMinute = 0] = loadavg();
  if (lastMinute <= cpus().length * BUSY_SHARE) return [];
  return [
    `The machine was busy before anything was measured (load average ${lastMinute.toFixed(1)} on ${cpus().length} CPUs): times are too long by an unknown amount.`,
  ];
}

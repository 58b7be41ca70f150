/**
 * Writes a process's ledger: one JSON object a line. A line is handed to the kernel, whole, before the caller goes on,
 * so that not even a kill -9 in the next instruction can lose it. The times of all processes are of one clock.
 */
import { openSync, writeSync } from 'node:fs';

/**
 * @param {string} path
 * @returns {(entry: Record<string, unknown>) => void}
 */
export function ledgerWriter(path) {
  const file = openSync(path, 'a');
  return (entry) => {
    const line = `${JSON.stringify({ at: String(process.hrtime.bigint()), ...entry })}\n`;
    if (writeSync(file, line) !== Buffer.byteLength(line)) throw new Error('a ledger entry was not written whole');
  };
}

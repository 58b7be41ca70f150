/**
 * A newer Node for the peers that need one: BENCH_NODE names its executable.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The Node versions that @platformatic/kafka runs on, by its `engines`: the least minor version of each major one. */
const LEAST_MINOR: ReadonlyMap<number, number> = new Map([
  [22, 22],
  [24, 6],
]);

const NEWEST_MAJOR = Math.max(...LEAST_MINOR.keys());

/** The executable: BENCH_NODE, or the one that runs this. */
export const newerNode = (): string => process.env['BENCH_NODE'] ?? process.execPath;

/** Why there is none; `undefined` where there is. */
export async function whyNoNewerNode(): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)(newerNode(), ['--version']);
  const version = stdout.trim();
  const [major = 0, minor = 0] = version.replace('v', '').split('.').map(Number);
  if (major > NEWEST_MAJOR || minor >= (LEAST_MINOR.get(major) ?? Infinity)) return undefined;
  return `needs Node 22.22 or 24.6 or later, and this is ${version}: set BENCH_NODE to the executable of a newer one`;
}

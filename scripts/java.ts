/**
 * Whether this machine has the Java and the Maven that the real Kafka and the benchmarks' peer in Java need.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const JAVA_MAJOR_MIN = 17;

/**
 * What a program in Java needs and does not find here, as `needs …`, or `undefined` where it can run.
 *
 * @param isBuilt whether Maven has done its part already
 */
export async function whyNoJava(isBuilt: boolean): Promise<string | undefined> {
  try {
    const { stderr, stdout } = await run('java', ['-version']);
    const major = Number(/version "(\d+)/.exec(stderr + stdout)?.[1] ?? 0);
    if (major < JAVA_MAJOR_MIN) return `needs Java ${JAVA_MAJOR_MIN} or later, and here is ${major}`;
  } catch {
    return `needs Java ${JAVA_MAJOR_MIN} or later, and there is none on the PATH`;
  }
  if (isBuilt) return undefined;
  return run('mvn', ['--version']).then(
    () => undefined,
    () => 'needs Maven (mvn), and there is none on the PATH',
  );
}

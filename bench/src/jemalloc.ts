/**
 * jemalloc, an allocator that a process can be started with in place of the system's (docs/tuning.md), where this
 * machine has it.
 */
import { existsSync } from 'node:fs';

const PLACES = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/local/lib'];

const path = PLACES.map((place) => `${place}/libjemalloc.so.2`).find(existsSync);

/** The environment of a process that uses it. */
export const WITH_JEMALLOC: NodeJS.ProcessEnv = { LD_PRELOAD: path };

/** Why nothing is measured with it, to be read after its name, or `undefined` where it can be. */
export function whyNoJemalloc(): string | undefined {
  return path === undefined ? 'is not installed' : undefined;
}

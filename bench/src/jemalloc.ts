/**
 * jemalloc, an allocator that a process can be started with in place of the system's (docs/tuning.md), where this
 * machine has it.
 */
import { existsSync } from 'node:fs';

const PLACES = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/local/lib'];

/** What to start a process with, or `undefined` where there is none. */
export function jemalloc(): NodeJS.ProcessEnv | undefined {
  const path = PLACES.map((place) => `${place}/libjemalloc.so.2`).find(existsSync);
  return path === undefined ? undefined : { LD_PRELOAD: path };
}

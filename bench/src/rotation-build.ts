/**
 * A second build of Keylane, in which only the order of ready lanes differs: what peers/keylane.ts loads for
 * `build: 'rotation'`.
 */
import { cp, mkdir, rm, symlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const KEYLANE = new URL('../../packages/keylane/', import.meta.url);
const COPY = new URL('../dist/keylane-rotation/', import.meta.url);
const SHARED_LANES = new URL('../dist/peers/rotation/shared-lanes.js', import.meta.url);

/** Makes it anew from the build as it is now. */
export async function buildRotation(): Promise<void> {
  await rm(COPY, { recursive: true, force: true });
  await mkdir(COPY, { recursive: true });
  for (const part of ['package.json', 'dist'])
    await cp(new URL(part, KEYLANE), new URL(part, COPY), { recursive: true });
  await symlink(fileURLToPath(new URL('node_modules', KEYLANE)), fileURLToPath(new URL('node_modules', COPY)), 'dir');
  await cp(SHARED_LANES, new URL('dist/poller/shared-lanes.js', COPY));
}

/**
 * For tests of what is kept: afterwards only what something refers to is left.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A WeakRef keeps what it was asked for until the turn is over, and memory of buffers is given back a turn later. */
export async function collectGarbage(): Promise<void> {
  for (let times = 2; times > 0; times -= 1) {
    await turn();
    collect();
  }
}

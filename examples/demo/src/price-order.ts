/**
 * The demo's handler, run in threads: checks an order's signature, which takes about a millisecond of pure computing.
 * The amount of work is fixed, so threads that share a core do not look faster than they are.
 */
import { pbkdf2Sync } from 'node:crypto';
import { SharedLog } from '@keylane/testing/log';
import { defineHandler } from 'keylane/handler';

/** What the main thread hands to each handler thread. */
export interface DemoData {
  readonly log: SharedArrayBuffer;
  readonly rounds: number;
}

export default defineHandler({
  open({ handlerData }) {
    const { log, rounds } = handlerData as DemoData;
    return { log: new SharedLog(log), rounds };
  },

  handle({ topic, partition, offset, key, value }, { state }) {
    const entry = { topic, partition, offset, key: String(key) };
    state.log.append({ kind: 'started', ...entry });
    checkSignature(value, state.rounds);
    state.log.append({ kind: 'completed', ...entry });
  },
});

/** @param rounds how much work it is */
export function checkSignature(order: Buffer | null, rounds: number): Buffer {
  return pbkdf2Sync(order ?? '', 'keylane', rounds, 32, 'sha256');
}

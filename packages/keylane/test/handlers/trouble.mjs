// Handles records whose values are their numbers; the one numbered `poison` makes trouble in its first `times` runs.
// `handlerData`: { ledger, poison, times, way, workMs, openFails?, exitAfterOpenMs? }. The ledger begins with four
// counts (troubles made, sessions opened, owned(), what the signal said); then two a record: completed, last attempt.
import { endings } from './endings.mjs';

const HEAD = 4;

const ways = {
  ...endings,
  throw: () => {
    throw new Error('cannot be done');
  },
  spin: () => {
    for (;;);
  },
  'spin-later': async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (;;);
  },
  'spin-until-aborted': (context) => {
    while (!context.signal.aborted);
    throw context.signal.reason;
  },
  'ignore-signal': () => new Promise(() => {}),
  'heed-signal': ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  'fail-late': ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('my own')))),
  'complete-late': ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
  'until-revoked': ({ signal, owned }, ledger) =>
    new Promise((_, reject) => {
      Atomics.store(ledger, 2, owned() ? 1 : 0);
      signal.addEventListener('abort', () => {
        Atomics.store(ledger, 2, owned() ? 3 : 2);
        Atomics.store(ledger, 3, signal.reason.code === 'ERR_PARTITION_NOT_OWNED' ? 1 : 2);
        reject(signal.reason);
      });
    }),
};

export default {
  open({ handlerData }) {
    const ledger = new Int32Array(handlerData.ledger);
    const session = Atomics.add(ledger, 1, 1);
    if (session > 0 && session <= (handlerData.openFails ?? 0)) throw new Error(`not open in session ${session}`);
    if (handlerData.exitAfterOpenMs !== undefined) setTimeout(() => process.exit(7), handlerData.exitAfterOpenMs);
    return { ...handlerData, ledger };
  },
  async handle(record, context) {
    const { ledger, poison, times, way, workMs } = context.state;
    const number = Number(record.value);
    const at = HEAD + number * 2;
    Atomics.store(ledger, at + 1, Math.max(Atomics.load(ledger, at + 1), context.attempt));
    if (number === poison && Atomics.add(ledger, 0, 1) < times) await ways[way](context, ledger);
    else if (workMs > 0) await new Promise((resolve) => setTimeout(resolve, workMs));
    Atomics.add(ledger, at, 1);
  },
};

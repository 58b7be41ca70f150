// The handler of the chaos run: notes the start and the end of every run in the ledger, takes about a millisecond,
// now and then longer, and ends its thread or hangs when the main thread asks for it.
// `handlerData`: { ledger, slowMs, faults }, the last three numbers per thread: end it, hang, block (milliseconds).
import { ledgerWriter } from './writer.mjs';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export default {
  open({ threadId, handlerData }) {
    const write = ledgerWriter(handlerData.ledger);
    write({ kind: 'open', thread: threadId });
    return { write, slowMs: handlerData.slowMs, faults: new Int32Array(handlerData.faults) };
  },
  async handle({ partition, offset, value }, { attempt, threadId, state }) {
    const { write, slowMs, faults } = state;
    const number = Number(value);
    const run = { thread: threadId, partition, offset };
    write({ kind: 'start', ...run, number, attempt });
    if (Atomics.exchange(faults, 3 * threadId, 0) > 0) {
      write({ kind: 'exit', thread: threadId });
      process.exit(1);
    }
    const hangMs = Atomics.exchange(faults, 3 * threadId + 1, 0);
    const blockMs = Atomics.exchange(faults, 3 * threadId + 2, 0);
    if (blockMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs);
    await sleep(hangMs > 0 ? hangMs : number % 40 === 3 ? slowMs : 1);
    if (attempt === 1 && number % 301 === 0) {
      write({ kind: 'fail', ...run });
      throw new Error(`the first attempt of ${number}`);
    }
    write({ kind: 'end', ...run });
  },
};

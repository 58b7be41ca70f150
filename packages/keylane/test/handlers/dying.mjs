// Ends its thread once, in one of several ways (or again and again), and otherwise logs what it completed.
import { SharedLog } from '@keylane/testing/log';

const ways = {
  exit: () => process.exit(3),
  'exit-always': () => process.exit(3),
  'throw-later': () => {
    setTimeout(() => {
      throw new Error('out of band');
    });
    return new Promise(() => {});
  },
  'reject-later': () => {
    void Promise.reject(new Error('nobody handles this'));
    return new Promise(() => {});
  },
  'out-of-memory': () => {
    const kept = [];
    for (;;) kept.push(new Array(100_000).fill(kept.length));
  },
};

export default {
  open: ({ handlerData }) => ({
    ...handlerData,
    log: new SharedLog(handlerData.log),
    died: new Int32Array(handlerData.died),
  }),
  async handle({ topic, partition, offset }, { state }) {
    const again = state.way === 'exit-always';
    if (offset === 0 || offset >= 5) {
      if (again || (offset >= 5 && Atomics.exchange(state.died, 0, 1) === 0)) return ways[state.way]();
    }
    state.log.append({ kind: 'completed', topic, partition, offset, key: null });
  },
};

// Ends its thread once, in one of several ways (or again and again), and otherwise logs what it completed.
import { SharedLog } from '@keylane/testing/log';
import { endings } from './endings.mjs';

const ways = { ...endings, 'exit-always': endings.exit };

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

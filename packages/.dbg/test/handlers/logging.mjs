// Logs each record into the shared log, as the guarantees want it. `handlerData`: { log, failEvery?, workMs? }.
import { SharedLog } from '@keylane/testing/log';

export default {
  open: ({ handlerData }) => ({ ...handlerData, log: new SharedLog(handlerData.log) }),
  async handle({ topic, partition, offset, key }, { state, attempt }) {
    const entry = { topic, partition, offset, key: key === null ? null : String(key) };
    state.log.append({ kind: 'started', ...entry });
    if (state.workMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * state.workMs));
    if (attempt === 1 && offset % (state.failEvery ?? Infinity) === 0) {
      state.log.append({ kind: 'failed', ...entry });
      throw new Error(`first attempt of ${offset}`);
    }
    state.log.append({ kind: 'completed', ...entry });
  },
};

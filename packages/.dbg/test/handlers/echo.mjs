// Sends each record back as it came, over the BroadcastChannel named by `handlerData`.
export default {
  open: ({ handlerData }) => new BroadcastChannel(handlerData),
  handle(record, { state, attempt }) {
    const isBuffer = [record.key, record.value].every((bytes) => bytes === null || Buffer.isBuffer(bytes));
    state.postMessage({ ...record, attempt, isBuffer });
  },
  close: ({ state }) => state.close(),
};

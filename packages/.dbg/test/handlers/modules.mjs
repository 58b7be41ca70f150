// Imports all of Keylane in the thread and tells which CommonJS modules, the addon among them, that loaded.
import { createRequire } from 'node:module';
import * as keylane from 'keylane';
import { defineHandler } from 'keylane/handler';

const require = createRequire(import.meta.url);
require('./probe.cjs');

export default defineHandler({
  open: ({ handlerData }) => new BroadcastChannel(handlerData),
  handle(_record, { state }) {
    if (typeof keylane.startConsumer !== 'function') throw new Error('keylane is not whole');
    state.postMessage(Object.keys(require.cache));
  },
  close: ({ state }) => state.close(),
});

// Decodes as its own URL says (`?decoder=json`) and tells what it was called with over the channel `handlerData`.
import { defineHandler, json, string } from 'keylane/handler';
import { z } from 'zod';

const decoders = {
  json: json(),
  schema: z.object({ id: z.number().refine(async (id) => id >= 0, 'is below zero') }),
  hanging: (given) => {
    if (String(given) === '"hang"') for (;;);
    return JSON.parse(given);
  },
  'away-once': async (given, { attempt }) => {
    if (attempt === 1) throw Object.assign(new Error('the registry is away'), { retryable: true, code: 'EAWAY' });
    return JSON.parse(given);
  },
};

export default defineHandler({
  open: ({ handlerData }) => new BroadcastChannel(handlerData),
  key: string(),
  value: decoders[new URL(import.meta.url).searchParams.get('decoder')],
  handle: ({ key, value }, { state, raw, attempt, previousError }) =>
    state.postMessage({
      key,
      value,
      attempt,
      bytes: raw.value && String(raw.value),
      ...(previousError && { before: `${previousError.message} ${previousError.cause.code}` }),
    }),
  close: ({ state }) => state.close(),
});

/** Keylane's handler module: the work of all peers. */
import { defineHandler } from 'keylane/handler';
import { type HandlingData, handling } from '../workload/handling.ts';

export default defineHandler({
  open: ({ handlerData }) => handling(handlerData as HandlingData),
  handle: ({ value }, { state }) => state(value as Buffer),
});

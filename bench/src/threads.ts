/**
 * One thread against two, for a handler that computes for about a millisecond.
 */
import { handlerModule, type Scenario, withKeylane } from './scenario.ts';

export const threads: Scenario = {
  title: 'A handler that computes for about a millisecond',
  records: 8_000,
  *produce(topic, from, to) {
    for (let index = from; index < to; index += 1) yield { topic, key: `key-${index % 1_000}`, value: `${index}` };
  },
  variants: [1, 2].map((count) => ({
    name: `keylane, ${count} thread${count > 1 ? 's' : ''}`,
    run: (place) => withKeylane(place, { handler: handlerModule('compute'), threads: count }),
  })),
  ratios: [{ name: 'twoThreadsOverOne', of: 'keylane, 2 threads', over: 'keylane, 1 thread' }],
};

/**
 * Mutants of the circuit breaker: what is handed out while it is not closed, what that costs, and that it ends.
 */
import type { Mutant } from './mutant.ts';

export const BREAKER: readonly Mutant[] = [
  {
    name: 'open-hands-out',
    breaks: 'nothing is handed out while the breaker is open',
    changes: [
      ['poller/breaker.ts', "return this.#state === 'half-open' && !probing ? 1 : 0;", 'return probing ? 0 : 1;'],
    ],
  },
  {
    name: 'two-probes',
    breaks: 'one record at most is tried while the breaker is half-open',
    changes: [
      ['poller/breaker.ts', "if (this.#state === 'half-open') this.#probe = lane;", 'this.#probe = undefined;'],
    ],
  },
  {
    name: 'a-segment-probes',
    breaks: 'one record at most is tried while the breaker is half-open',
    changes: [
      [
        'poller/dispatcher.ts',
        'return Math.min(load.segmentRoom(), this.#handOut.room);',
        'return this.#handOut.room === 0 ? 0 : load.segmentRoom();',
      ],
    ],
  },
  {
    name: 'open-uses-attempts',
    breaks: 'what fails while the breaker is not closed uses up no attempt',
    changes: [
      ['poller/settle.ts', 'breaker.setAside(lane);', '(lane.head as Delivery).attempt += 1; breaker.setAside(lane);'],
    ],
  },
  {
    name: 'breaker-stays-open',
    breaks: 'a probe that completes closes the breaker',
    changes: [['poller/breaker.ts', 'else if (lane === this.#probe) this.#close();', 'else this.onVoid(lane);']],
  },
  {
    name: 'failed-probe-closes',
    breaks: 'a probe that fails opens the breaker again',
    changes: [['poller/breaker.ts', 'if (isProbe) this.#open(error);', 'if (isProbe) this.#close();']],
  },
  {
    name: 'lost-probe-is-awaited',
    breaks: 'another record is tried where the probe has no outcome',
    firstSeed: 9_773,
    changes: [['poller/settle.ts', '    this.#parts.breaker?.onVoid(lane);\n', '']],
  },
  {
    name: 'set-aside-for-good',
    breaks: 'what was set aside runs when the breaker closes',
    changes: [['poller/breaker.ts', '      this.#parts.dispatcher().enqueue(lane);\n', '']],
  },
  {
    name: 'nothing-left-to-probe-with',
    breaks: 'a record that was set aside is tried where no other is ready',
    changes: [
      ['poller/breaker.ts', 'if (this.room !== 1) return undefined;', 'if (this.room !== 2) return undefined;'],
    ],
  },
];

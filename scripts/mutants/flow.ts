/**
 * Mutants of the way from fetch to outcome: order, back-pressure, retries, lost threads.
 */
import type { Mutant } from './mutant.ts';

export const FLOW: readonly Mutant[] = [
  {
    name: 'two-segments-of-one-lane',
    breaks: 'one at a time per key',
    changes: [
      ['poller/lane.ts', "this.state = 'in-flight';", "this.state = 'idle';"],
      ['poller/lane.ts', "assert(this.state === 'in-flight' || this.state === 'leaving', ", 'assert(true, '],
    ],
  },
  {
    name: 'one-key-in-two-lanes',
    breaks: 'one at a time per key',
    changes: [['poller/lane-table.ts', 'return lane;', 'return this.size > 1 ? undefined : lane;']],
  },
  {
    name: 'failed-record-goes-last',
    breaks: 'key order over retries',
    changes: [
      [
        'poller/settle.ts',
        'if (isAttempt) (lane.head as Delivery).attempt += 1;',
        '(lane.head as Delivery).attempt += 1; if (lane.length > 1) { lane.inFlight = 1; lane.partition.inFlight += 1; lane.push(lane.shift()); }',
      ],
    ],
  },
  {
    name: 'slots-go-to-whoever-is-behind',
    breaks: 'a share of the slots for every partition',
    changes: [['poller/dispatcher.ts', "this.#urgent.lanes < slots / 2 ? 'urgent' : 'fair'", "'urgent'"]],
  },
  {
    name: 'held-lanes-forgotten',
    breaks: 'a pause that ends goes on where it was',
    changes: [['poller/partition.ts', "if (this.state === 'active') this.#held.push(lane);", '']],
  },
  {
    name: 'full-partition-stays-paused',
    breaks: 'back-pressure ends when there is room',
    changes: [['poller/pauses.ts', 'this.#full.delete(partition);', 'continue;']],
  },
  {
    name: 'limit-outlives-its-reason',
    breaks: 'a partition is limited only while another one needs it',
    changes: [
      [
        'poller/lag-limits.ts',
        'for (const partition of open) partition.lagLimit = Infinity;',
        'for (const partition of open) if (partition.full) partition.lagLimit = Infinity;',
      ],
    ],
  },
  {
    name: 'limits-for-one-that-is-full',
    breaks: 'a partition is limited only for one that can take in more',
    changes: [['poller/lag-limits.ts', '!full && !clientPaused && ', '']],
  },
  {
    name: 'limits-for-one-that-is-paused',
    breaks: 'a partition is limited only for one that is handed out',
    firstSeed: 1_305,
    changes: [['poller/lag-limits.ts', '!handsOut || tracker.position', 'tracker.position']],
  },
  {
    name: 'polling-stops-when-full',
    breaks: 'answers to commits are served while the buffer is full',
    changes: [['poller/poller.ts', 'pauses.stall();', 'if (this.#fullSince >= 0) return;']],
  },
  {
    name: 'thread-loss-forgets-its-lanes',
    breaks: 'what was with a thread that died runs again',
    changes: [['poller/settle.ts', 'if (!suspected.has(lane)) this.#land(lane);', 'suspected.has(lane);']],
  },
  {
    name: 'thread-loss-puts-heads-behind',
    breaks: 'key order over lost threads',
    changes: [
      [
        'poller/settle.ts',
        'if (!suspected.has(lane)) this.#land(lane);',
        'if (!suspected.has(lane)) { if (lane.length > 1) { lane.push(lane.shift()); lane.inFlight += 1; lane.partition.inFlight += 1; } this.#land(lane); }',
      ],
    ],
  },
  {
    name: 'retry-lost-in-a-pause',
    breaks: 'a retry that falls into a pause is made after it',
    changes: [
      [
        'poller/settle.ts',
        'lane.partition.waiting.end(lane);',
        'lane.partition.waiting.end(lane); if (!lane.partition.handsOut) return;',
      ],
    ],
  },
  {
    name: 'stalled-for-good',
    breaks: 'a buffer that stalled goes on when its partitions are given back',
    changes: [['poller/poller.ts', '    pauses.onSettled();\n', '']],
  },
  {
    name: 'rest-of-a-fetch-lost',
    breaks: 'at least once',
    changes: [['poller/poller.ts', 'if (delivery === undefined) continue;', 'if (delivery === undefined) break;']],
  },
  {
    name: 'failed-record-skipped',
    breaks: 'at least once',
    changes: [
      [
        'poller/settle.ts',
        'if (isAttempt) (lane.head as Delivery).attempt += 1;',
        'const delivery = lane.head as Delivery; delivery.attempt += 1; if (delivery.attempt > 3) { lane.inFlight = 1; lane.partition.inFlight += 1; lane.partition.complete(lane.shift()); if (lane.length === 0) return lane.partition.forget(lane); }',
      ],
    ],
  },
];

/**
 * Mutants of what becomes of failed records: verdicts, dead letters, parking, floods.
 */
import type { Mutant } from './mutant.ts';

export const FAILURES: readonly Mutant[] = [
  {
    name: 'later-counts-as-attempt',
    breaks: 'what runs later is no attempt',
    changes: [
      [
        'poller/verdict.ts',
        "if (delayed?.action === 'later') return again(delayed.delayMs, false);",
        "if (delayed?.action === 'later') return again(delayed.delayMs, true);",
      ],
    ],
  },
  {
    name: 'waiting-leak',
    breaks: 'what waits behind failing keys is counted as long as it waits',
    changes: [
      [
        'poller/waiting-lanes.ts',
        'if (this.#timers.delete(lane)) this.#count(-lane.length);',
        'this.#timers.delete(lane);',
      ],
    ],
  },
  {
    name: 'complete-before-the-letter-is-sent',
    breaks: 'a record is complete when the brokers have its letter',
    changes: [
      [
        'poller/leaving.ts',
        'this.#parts.outbox.send({ source: lane.partition, what, record, onSent: sent });',
        "this.#parts.outbox.send({ source: lane.partition, what, record, onSent }); if (lane.state === 'leaving') this.#left(lane);",
      ],
    ],
  },
  {
    name: 'refused-letter-dropped',
    breaks: 'a refused letter is sent again',
    changes: [
      [
        'poller/outbox.ts',
        'this.#next(queue, Math.min(AGAIN_MS_MAX, againMs * 2));',
        'queue.shift(); this.#next(queue, AGAIN_MS);',
      ],
    ],
  },
  {
    name: 'letters-overtake',
    breaks: 'letters of a partition keep their order',
    changes: [
      [
        'poller/outbox.ts',
        'const queue = this.#queues.get(letter.source);',
        'const queue = undefined as Letter[] | undefined;',
      ],
    ],
  },
  {
    name: 'failed-while-draining-completes',
    breaks: 'what fails in a drain runs again',
    changes: [
      [
        'poller/settle.ts',
        "    if (lane.partition.state !== 'active') {\n      this.#land(lane);",
        "    if (lane.partition.state !== 'active') {\n      lane.partition.complete(lane.shift());\n      this.#land(lane);",
      ],
    ],
  },
  {
    name: 'skip-not-counted',
    breaks: 'what is skipped is counted',
    changes: [['poller/leaving.ts', 'this.counts.skipped += 1;', '']],
  },
  {
    name: 'attempts-cut-short',
    breaks: 'a record has all its attempts',
    changes: [
      [
        'poller/verdict.ts',
        'if (error.attempt < retryPolicy.attemptsMax) {',
        'if (error.attempt < retryPolicy.attemptsMax - 1) {',
      ],
    ],
  },
  {
    name: 'letter-in-another-partition',
    breaks: "a letter goes to the partition of its record's number",
    changes: [
      [
        'poller/outbox.ts',
        'partition: source.partition % count }',
        'partition: count === 1 ? 0 : (source.partition + 1) % count }',
      ],
    ],
  },
  {
    name: 'letter-loses-headers',
    breaks: "a letter has its record's own headers",
    changes: [
      [
        'poller/dead-letter-headers.ts',
        'const kept = keptHeaders(facts.record.headers);',
        'const kept = [...new Map(keptHeaders(facts.record.headers))];',
      ],
    ],
  },
  {
    name: 'follower-overtakes',
    breaks: 'the later records of a parked key follow it',
    changes: [
      [
        'poller/dispatcher.ts',
        'else if (lane.mustFollow) this.#follow(lane);',
        'else if (false as boolean) this.#follow(lane);',
      ],
    ],
  },
  {
    name: 'segment-of-a-parked-key',
    breaks: 'it is to be seen record by record where those of a parked key go',
    firstSeed: 4_357,
    changes: [['poller/partition.ts', 'this.parked?.has(lane.name) === true ? Math.min(count, 1) : count;', 'count;']],
  },
  {
    name: 'earlier-failure-overtaken',
    breaks: 'what comes back waits for what failed again before it',
    changes: [
      [
        'poller/parked-keys.ts',
        'return parked.turns.some((turn) => turn.offset > back.offset && turn.rank < rank);',
        'return false;',
      ],
    ],
  },
  {
    name: 'followers-by-the-last-failure',
    breaks: 'what follows once more stays in its order',
    changes: [
      [
        'poller/parked-keys.ts',
        'turn.offset > back.offset && turn.rank < rank);',
        'turn.offset > back.offset && turn.rank < rank && turn.rank === parked.turns[0]?.rank);',
      ],
    ],
  },
  {
    name: 'rank-of-the-copy',
    breaks: 'a record keeps its place in its key when it comes back',
    changes: [
      [
        'poller/parked-keys.ts',
        'first?.topic === topic && first.partition === partition ? first.offset : offset;',
        'offset;',
      ],
    ],
  },
  {
    name: 'released-too-early',
    breaks: 'a key is parked until all of it was handled',
    changes: [
      [
        'poller/parked-keys.ts',
        'isOf(parked, back) && back.offset === parked.last ? back.offset : undefined;',
        'isOf(parked, back) ? parked.last : undefined;',
      ],
    ],
  },
  {
    name: 'never-released',
    breaks: 'a key whose last parked record was given up is released',
    changes: [
      ['poller/leaving.ts', 'const upTo = lane.releasedUpTo;', 'const upTo = undefined as number | undefined;'],
    ],
  },
  {
    name: 'park-state-not-read',
    breaks: 'parked keys are known before anything is handed out',
    changes: [['poller/partition.ts', ' && this.parked?.known !== false', '']],
  },
  {
    name: 'park-state-not-read-again',
    breaks: 'a park topic that cannot be read is read again',
    changes: [['poller/parking.ts', '      this.load(sources);\n', '']],
  },
  {
    name: 'flood-never-halts',
    breaks: 'too many exhausted records stop their partition',
    changes: [['poller/partition.ts', 'if (this.#flood.isOver()) this.halted = true;', 'this.#flood.isOver();']],
  },
  {
    name: 'halted-still-hands-out',
    breaks: 'nothing of a partition that was stopped is handed out',
    changes: [['poller/partition.ts', '!this.halted && ', '']],
  },
  {
    name: 'resume-forgets-the-halted',
    breaks: 'a partition that was stopped goes on when it is resumed',
    changes: [['poller/partition.ts', '    this.halted = false;\n', '']],
  },
];

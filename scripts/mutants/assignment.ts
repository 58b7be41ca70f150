/**
 * Mutants of assignments, drains and the close.
 */
import type { Mutant } from './mutant.ts';

export const ASSIGNMENT: readonly Mutant[] = [
  {
    name: 'budget-leaks-on-close',
    breaks: 'counters are balanced after a close',
    changes: [['poller/partition.ts', 'this.#shared.budget.remove(this.bufferedRecords, this.bufferedBytes);', '']],
  },
  {
    name: 'closed-partition-keeps-its-records',
    breaks: 'what is done with is not kept',
    changes: [['poller/partition.ts', 'for (const lane of this.lanes) lane.abandon();', '']],
  },
  {
    name: 'lost-partition-drained-and-committed',
    breaks: 'a lost partition is never committed',
    changes: [
      ['poller/assignment.ts', 'if (lost) this.#lose(revoked, found());', ''],
      ['poller/assignment.ts', 'if (!lost) await this.drain(', 'await this.drain('],
    ],
  },
  {
    name: 'lost-partition-kept',
    breaks: 'a lost partition is closed at once',
    changes: [
      ['poller/assignment.ts', 'if (lost) this.#lose(revoked, found());', ''],
      ['poller/assignment.ts', '      this.#remove(partitions);\n', '      if (!lost) this.#remove(partitions);\n'],
    ],
  },
  {
    name: 'drain-does-not-wait',
    breaks: 'what runs is settled before its partition is given back',
    changes: [['poller/assignment.ts', '(this.#closed || inFlight() === 0 || needless()) && done();', 'done();']],
  },
  {
    name: 'no-flush-before-unassign',
    breaks: 'what is complete is committed before its partition is given back',
    changes: [
      [
        'poller/assignment.ts',
        'await Promise.race([flush(',
        'await Promise.race([((_: unknown) => Promise.resolve(flush))(',
      ],
    ],
  },
  {
    name: 'unassign-before-drain',
    breaks: 'a partition is given back only after its drain',
    changes: [
      [
        'poller/assignment.ts',
        'if (!lost) await this.drain(partitions, this.#parts.options.drainTimeoutMs);',
        'this.#parts.client.unassign(revoked); if (!lost) await this.drain(partitions, 0); if (1) return;',
      ],
    ],
  },
  {
    name: 'kept-partitions-drained-too',
    breaks: 'a rebalance stops only what it takes',
    changes: [
      [
        'poller/assignment.ts',
        "for (const partition of partitions) if (partition.state === 'active') partition.drain();",
        "for (const partition of this.open()) if (partition.state === 'active') partition.drain();",
      ],
    ],
  },
  {
    name: 'kept-partitions-stop-committing',
    breaks: 'what is not revoked goes on being committed',
    changes: [
      [
        'poller/assignment.ts',
        'if (partition?.dirty === true) offsets',
        "if (partition?.dirty === true && (this.#age < 20 || partition.state !== 'active')) offsets",
      ],
    ],
  },
  {
    name: 'hand-out-goes-on-while-draining',
    breaks: 'a partition that drains hands out nothing',
    changes: [
      ['poller/partition.ts', "return this.state === 'active' && !this.userPaused && ", 'return !this.userPaused && '],
    ],
  },
  {
    name: 'earlier-assignment-lives-on',
    breaks: 'a partition that is assigned again is another object',
    changes: [
      [
        'poller/assignment.ts',
        '      siblings[partition.partition] = undefined;\n',
        "      if (siblings.length < 2) siblings[partition.partition] = undefined; else partition.state = 'active';\n",
      ],
    ],
  },
  {
    name: 'unowned-record-registers',
    breaks: 'a record of a partition that is not ours changes nothing',
    changes: [
      [
        'poller/assignment.ts',
        'const partition = this.#of(record);',
        'const partition = this.#of(record) ?? this.#add(record);',
      ],
    ],
  },
  {
    name: 'retries-wait-on-in-a-drain',
    breaks: 'after a close nothing is left',
    changes: [
      [
        'poller/settle.ts',
        "if (lane.partition.state !== 'active') {\n      this.#land(lane);\n      return;\n    }\n    lane.land();",
        'lane.land();',
      ],
    ],
  },
  {
    name: 'late-completion-counts',
    breaks: 'a partition that closed changes nothing any more',
    changes: [['poller/partition.ts', "if (this.state === 'closed') return;", '']],
  },
  {
    name: 'rewind-does-not-wait',
    breaks: 'what runs has settled before its partition is read again',
    firstSeed: 6_191,
    changes: [
      [
        'poller/assignment.ts',
        'await this.#settle([before], options.drainTimeoutMs, () => before.isGoing);',
        'if (options.drainTimeoutMs < 0) return;',
      ],
    ],
  },
  {
    name: 'empty-rebalance-unanswered',
    breaks: 'every rebalance is answered, also an empty one',
    changes: [
      [
        'poller/assignment.ts',
        'client.assign(\n      assigned.map(',
        'if (assigned.length > 0) client.assign(\n      assigned.map(',
      ],
    ],
  },
  {
    name: 'close-does-not-await-the-rebalance',
    breaks: 'a close lets the rebalance under way end first',
    changes: [
      ['poller/pipeline.ts', 'await steps.runWithin(drainTimeoutMs, undefined, () => this.assignment.settled());', ''],
      [
        'poller/pipeline.ts',
        "steps.runWithin(STEP_MS, 'the answer to a rebalance', () => this.assignment.settled()),",
        '',
      ],
    ],
  },
  {
    name: 'close-leaves-a-drain-behind',
    breaks: 'after a close nothing is left',
    changes: [['poller/assignment.ts', '    this.#closed = true;\n', '']],
  },
  {
    name: 'second-close-closes-again',
    breaks: 'a second close awaits the first',
    changes: [['consumer.ts', 'if (this.#closing !== undefined) return this.#closing;', '']],
  },
  {
    name: 'pause-forgotten-in-a-rebalance',
    breaks: 'a pause holds over rebalances',
    changes: [['poller/assignment.ts', 'onOpened(partitions);', 'if (partitions.length > 99) onOpened(partitions);']],
  },
];

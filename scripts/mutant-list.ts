/**
 * The mutants of `mutants.ts`: what each replaces, and which guarantee that breaks.
 */

export interface Mutant {
  readonly name: string;
  /** Which promise it breaks. */
  readonly breaks: string;
  /** File below packages/keylane/src, the words to find (exactly once), and what to put there. */
  readonly changes: readonly (readonly [file: string, find: string, replace: string])[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'commit-one-too-early',
    breaks: 'commit never ahead',
    changes: [
      [
        'poller/offset-tracker.ts',
        'this.#offsets[this.#head & (this.#offsets.length - 1)];',
        '(this.#offsets[this.#head & (this.#offsets.length - 1)] as number) + 1;',
      ],
    ],
  },
  {
    name: 'contiguous-by-arithmetic',
    breaks: 'contiguity is in delivered order: offsets have holes',
    changes: [
      [
        'poller/offset-tracker.ts',
        'while (this.#head < this.#tail && this.#done[this.#head & mask] === 1) this.#head += 1;',
        'while (this.#head < this.#tail && this.#done[this.#head & mask] === 1 && (this.#head + 1 === this.#tail || this.#offsets[(this.#head + 1) & mask] === (this.#offsets[this.#head & mask] as number) + 1)) this.#head += 1;',
      ],
    ],
  },
  {
    name: 'two-segments-of-one-lane',
    breaks: 'one at a time per key',
    changes: [
      ['poller/lane.ts', "this.state = 'in-flight';", "this.state = 'idle';"],
      ['poller/lane.ts', "assert(this.state === 'in-flight', ", 'assert(true, '],
    ],
  },
  {
    name: 'failed-record-goes-last',
    breaks: 'key order over retries',
    changes: [
      [
        'poller/settle.ts',
        'delivery.attempt += 1;',
        'delivery.attempt += 1; if (lane.length > 1) { lane.inFlight = 1; lane.partition.inFlight += 1; lane.push(lane.shift()); }',
      ],
    ],
  },
  {
    name: 'commit-believed-when-sent',
    breaks: 'a commit counts only when the broker says so',
    changes: [
      [
        'poller/committer.ts',
        'this.#parts.client.commit(',
        'for (const offset of offsets) offset.confirm(); this.#parts.client.commit(',
      ],
    ],
  },
  {
    name: 'budget-leaks-on-close',
    breaks: 'counters are balanced after a close',
    changes: [['poller/partition.ts', 'this.#shared.budget.remove(this.bufferedRecords, this.bufferedBytes);', '']],
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
    name: 'polling-stops-when-full',
    breaks: 'answers to commits are served while the buffer is full',
    changes: [['poller/poller.ts', 'pauses.stall();', 'if (this.#fullSince >= 0) return;']],
  },
  {
    name: 'lost-partition-drained-and-committed',
    breaks: 'a lost partition is never committed',
    changes: [['poller/assignment.ts', 'if (!lost) await this.drain(', 'await this.drain(']],
  },
  {
    name: 'lost-partition-kept',
    breaks: 'a lost partition is closed at once',
    changes: [
      ['poller/assignment.ts', '      this.#remove(partitions);\n', '      if (!lost) this.#remove(partitions);\n'],
    ],
  },
  {
    name: 'drain-does-not-wait',
    breaks: 'what runs is settled before its partition is given back',
    changes: [['poller/assignment.ts', '(this.#closed || inFlight() === 0) && done();', 'done();']],
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
        '.filter(({ dirty }) => dirty)',
        ".filter(({ dirty, state }) => dirty && (this.#age < 20 || state !== 'active'))",
      ],
    ],
  },
  {
    name: 'hand-out-goes-on-while-draining',
    breaks: 'a partition that drains hands out nothing',
    changes: [
      ['poller/partition.ts', "return this.state === 'active' && !this.userPaused;", 'return !this.userPaused;'],
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
    name: 'duplicate-delivery-registers-again',
    breaks: 'a record that is delivered twice counts once',
    changes: [
      ['poller/offset-tracker.ts', 'if (this.#next !== undefined && offset < this.#next) return undefined;', ''],
    ],
  },
  {
    name: 'unowned-record-registers',
    breaks: 'a record of a partition that is not ours changes nothing',
    changes: [
      [
        'poller/assignment.ts',
        'const partition = this.#byTopic.get(record.topic)?.[record.partition];',
        'const partition = this.#byTopic.get(record.topic)?.[record.partition] ?? this.#add(record);',
      ],
    ],
  },
  {
    name: 'failed-commit-confirmed',
    breaks: 'a refused commit is tried again',
    changes: [
      [
        'poller/committer.ts',
        'if (refused === undefined) offset.confirm();',
        'if (refused === undefined || offset.offset > 0) offset.confirm();',
      ],
    ],
  },
  {
    name: 'answer-of-an-older-commit-taken',
    breaks: 'one commit is in flight at a time',
    changes: [
      [
        'poller/committer.ts',
        'return answers.length === offsets.size && answers.every((answer) => offsets.has(offsetName(answer)));',
        'return true;',
      ],
    ],
  },
  {
    name: 'two-commits-in-flight',
    breaks: 'one commit is in flight at a time',
    changes: [
      [
        'poller/committer.ts',
        'if (this.#stopped || this.#inFlight !== undefined) return this.#inFlight !== undefined;',
        'if (this.#stopped) return false;',
      ],
    ],
  },
  {
    name: 'lost-answer-awaited-for-ever',
    breaks: 'an answer that never comes does not end all commits',
    changes: [
      [
        'poller/committer.ts',
        "      this.#parts.events.emit('warning', error);\n      this.#answered(false);",
        "      this.#parts.events.emit('warning', error);",
      ],
    ],
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
        'lane.partition.waiting.delete(lane);',
        'lane.partition.waiting.delete(lane); if (!lane.partition.handsOut) return;',
      ],
    ],
  },
  {
    name: 'retries-wait-on-in-a-drain',
    breaks: 'after a close nothing is left',
    changes: [['poller/settle.ts', "if (lane.partition.state !== 'active') return;", '']],
  },
  {
    name: 'late-completion-counts',
    breaks: 'a partition that closed changes nothing any more',
    changes: [['poller/partition.ts', "if (this.state === 'closed') return;", '']],
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
    changes: [['poller/pipeline.ts', 'await this.assignment.settled();', '']],
  },
  {
    name: 'close-leaves-a-drain-behind',
    breaks: 'after a close nothing is left',
    changes: [['poller/assignment.ts', '    this.#closed = true;\n', '']],
  },
  {
    name: 'second-close-closes-again',
    breaks: 'a second close awaits the first',
    changes: [['consumer.ts', 'this.#closing ??= (async', 'this.#closing = (async']],
  },
  {
    name: 'pause-forgotten-in-a-rebalance',
    breaks: 'a pause holds over rebalances',
    changes: [['poller/assignment.ts', 'onOpened(partitions);', 'if (partitions.length > 99) onOpened(partitions);']],
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
        'delivery.attempt += 1;',
        'delivery.attempt += 1; if (delivery.attempt > 3) { lane.inFlight = 1; lane.partition.inFlight += 1; lane.partition.complete(lane.shift()); if (lane.length === 0) return lane.partition.forget(lane); }',
      ],
    ],
  },
  {
    name: 'map-not-restored',
    breaks: 'what completed above the commit is not run again',
    changes: [
      ['poller/offset-tracker.ts', 'if (fits) this.#restored = restored;', 'if (!fits) this.#restored = restored;'],
    ],
  },
  {
    name: 'map-forgets-what-is-still-to-come',
    breaks: 'two restarts in quick succession lose nothing',
    changes: [
      ['poller/offset-tracker.ts', 'return this.#restored.appendTo(ranges, this.#next ?? 0);', 'return ranges;'],
    ],
  },
  {
    name: 'map-says-too-much',
    breaks: 'at least once: a record in the map is complete',
    changes: [
      [
        'poller/offset-tracker.ts',
        'if (before === 1) ranges.push((this.#offsets[this.#furthest & mask] as number) + 1);',
        'if (before === 1) ranges.push((this.#offsets[this.#furthest & mask] as number) + 2);',
      ],
    ],
  },
  {
    name: 'end-passes-what-is-open',
    breaks: 'commit never ahead, also at the end of a partition',
    changes: [
      [
        'poller/offset-tracker.ts',
        'if (this.#head === this.#tail) this.version += 1;\n  }',
        'this.#head = this.#tail; this.version += 1;\n  }',
      ],
    ],
  },
  {
    name: 'stale-records-registered',
    breaks: 'an assignment begins between two calls of consume',
    changes: [
      [
        'poller/poller.ts',
        'if (this.#underWay) await new Promise<void>((resolve) => this.#between.push(resolve));',
        '',
      ],
    ],
  },
];

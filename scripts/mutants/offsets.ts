/**
 * Mutants of the offset tracker, the offset map and the committer.
 */
import type { Mutant } from './mutant.ts';

export const OFFSETS: readonly Mutant[] = [
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
    name: 'duplicate-delivery-registers-again',
    breaks: 'a record that is delivered twice counts once',
    changes: [
      ['poller/offset-tracker.ts', 'if (this.#next !== undefined && offset < this.#next) return undefined;', ''],
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
    changes: [['poller/committer.ts', 'if (answers.length !== offsets.length) return undefined;', 'return offsets;']],
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
        "      this.#parts.events.emit('warning', error);\n      this.#giveUp(false);",
        "      this.#parts.events.emit('warning', error);",
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
    name: 'later-leader-cuts-nothing-off',
    breaks: 'records that were made anew run',
    changes: [['poller/known-log.ts', 'if (leaderEpoch > this.leaderEpoch) return true;', '']],
  },
  {
    name: 'cut-does-not-lower-the-commit',
    breaks: 'what was cut off is not committed any more',
    changes: [
      ['poller/partition.ts', 'const offset = Math.min(committable, this.#cut);', 'const offset = committable;'],
    ],
  },
  {
    name: 'commit-without-its-leader-epoch',
    breaks: 'a log that was cut off while nobody consumed it is noticed',
    changes: [
      [
        'poller/partition.ts',
        'const leaderEpoch = this.#log.leaderEpoch < 0 ? undefined : this.#log.leaderEpoch;',
        'const leaderEpoch = undefined;',
      ],
    ],
  },
  {
    name: 'no-doubt-of-the-log-below',
    breaks: 'a log that was cut off while nobody consumed it is noticed',
    changes: [
      [
        'poller/known-log.ts',
        'return !this.#begun && this.leaderEpoch >= 0 && leaderEpoch > this.leaderEpoch;',
        'return leaderEpoch > 1_000;',
      ],
    ],
  },
  {
    name: 'offset-map-of-what-was-cut-off',
    breaks: 'records that were made anew run',
    firstSeed: 3_208,
    changes: [['poller/partition.ts', 'this.tracker.forgetRestored();', 'void this.tracker;']],
  },
];

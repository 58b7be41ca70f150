import { describe, expect, test } from 'vitest';
import { judge, type Verdict } from './judge.ts';
import type { Entry, Happening } from './ledger.ts';

/** Two records of key a and one of b, in partition 0. */
const PRODUCED: readonly Happening[] = [
  { kind: 'produced', partition: 0, offset: 0, number: 10, key: 'a' },
  { kind: 'produced', partition: 0, offset: 2, number: 11, key: 'b' },
  { kind: 'produced', partition: 0, offset: 4, number: 12, key: 'a' },
];
const NUMBERS: Readonly<Record<number, number>> = { 0: 10, 2: 11, 4: 12 };

type Line = readonly [who: string, happening: Happening];

const start = (offset: number, thread = 0): Happening => ({
  kind: 'start',
  thread,
  partition: 0,
  offset,
  number: NUMBERS[offset] ?? -1,
});
const end = (offset: number, thread = 0): Happening => ({ kind: 'end', thread, partition: 0, offset });
const fail = (offset: number, thread = 0): Happening => ({ kind: 'fail', thread, partition: 0, offset });
const assigned: Happening = { kind: 'assigned', partitions: [0] };
const revoked: Happening = { kind: 'revoked', partitions: [0] };
const lost: Happening = { kind: 'lost', partitions: [0] };
const committed = (offset: number): Happening => ({ kind: 'committed', offsets: [[0, offset]] });
const warning = (code: string): Happening => ({ kind: 'warning', code, text: '' });

/** A second between any two lines. */
function verdict(...lines: readonly Line[]): Verdict {
  const all: Line[] = [...PRODUCED.map((happening): Line => ['main', happening]), ...lines];
  return judge(all.map(([who, happening], index): Entry => ({ ...happening, who, at: index * 1e9 })));
}

const run = (who: string, ...offsets: readonly number[]): Line[] =>
  offsets.flatMap((offset): Line[] => [
    [who, start(offset)],
    [who, end(offset)],
  ]);

const held = { lost: 0, orderViolations: 0, commitsAhead: 0, strangers: 0, failed: 0 };

describe('a run without any fault', () => {
  test('is without any violation', () => {
    const lines: Line[] = [['i0', assigned], ...run('i0', 0, 2, 4), ['i0', committed(5)]];
    expect(verdict(...lines)).toMatchObject({ ...held, produced: 3, duplicated: 0, told: [] });
  });

  test('entries may come in any order of files', () => {
    const lines: Line[] = [['i0', assigned], ...run('i0', 0, 2, 4), ['i0', committed(5)]];
    const all = [...PRODUCED.map((happening): Line => ['main', happening]), ...lines];
    const entries = all.map(([who, happening], index): Entry => ({ ...happening, who, at: index }));
    expect(judge(entries.reverse())).toMatchObject({ ...held, duplicated: 0 });
  });

  test('a record may fail and run again', () => {
    const again: Line[] = [
      ['i0', start(0)],
      ['i0', fail(0)],
    ];
    expect(verdict(['i0', assigned], ...again, ...run('i0', 0, 2, 4))).toMatchObject({ ...held, duplicated: 0 });
  });
});

describe('lost', () => {
  test('never started', () => {
    expect(verdict(['i0', assigned], ...run('i0', 0, 2))).toMatchObject({ ...held, lost: 1 });
  });

  test('started, but never completed', () => {
    expect(verdict(['i0', assigned], ...run('i0', 0, 2), ['i0', start(4)])).toMatchObject({ ...held, lost: 1 });
    const failing: Line[] = [
      ['i0', start(4)],
      ['i0', fail(4)],
    ];
    expect(verdict(['i0', assigned], ...run('i0', 0, 2), ...failing)).toMatchObject({ ...held, lost: 1 });
  });
});

describe('order', () => {
  test('a record before an earlier one of its key', () => {
    expect(verdict(['i0', assigned], ...run('i0', 4, 0, 2))).toMatchObject({ ...held, orderViolations: 1 });
  });

  test('a record after one of its key that only failed', () => {
    const lines: Line[] = [
      ['i0', start(0)],
      ['i0', fail(0)],
    ];
    const { orderViolations, told } = verdict(['i0', assigned], ...lines, ...run('i0', 4, 0, 2));
    expect(orderViolations).toBe(1);
    expect(told[0]).toContain('0@0 of the same key had never completed');
  });

  test('two at once of a key: in two threads, or one record twice', () => {
    const twice: Line[] = [
      ['i0', assigned],
      ...run('i0', 0, 2),
      ['i0', start(4, 0)],
      ['i0', start(4, 1)],
      ['i0', end(4, 0)],
      ['i0', end(4, 1)],
    ];
    expect(verdict(...twice)).toMatchObject({ ...held, orderViolations: 1, causes: { unexplained: 1 } });
    const again: Line[] = [
      ['i0', assigned],
      ...run('i0', 0, 2),
      ['i0', start(0, 0)],
      ['i0', start(4, 1)],
      ['i0', end(4, 1)],
      ['i0', end(0, 0)],
    ];
    expect(verdict(...again).orderViolations).toBe(1);
  });

  test('keys do not wait for each other', () => {
    const lines: Line[] = [
      ['i0', start(2, 1)],
      ['i0', start(0, 0)],
      ['i0', end(0, 0)],
      ['i0', start(4, 0)],
      ['i0', end(4, 0)],
      ['i0', end(2, 1)],
    ];
    expect(verdict(['i0', assigned], ...lines)).toMatchObject(held);
  });
});

describe('commits ahead', () => {
  test('beyond a record that runs', () => {
    const lines: Line[] = [['i0', assigned], ...run('i0', 0), ['i0', start(2)], ['i0', committed(3)], ['i0', end(2)]];
    expect(verdict(...lines, ...run('i0', 4))).toMatchObject({ ...held, commitsAhead: 1 });
  });

  test('beyond a record that never completes, as the broker tells it', () => {
    const observed: Happening = { kind: 'observed', offsets: [[0, 5]] };
    const lines: Line[] = [['i0', assigned], ...run('i0', 0, 2), ['broker', observed]];
    expect(verdict(...lines)).toMatchObject({ ...held, lost: 1, commitsAhead: 1 });
  });

  test('up to a record that runs is right, and so is a hole', () => {
    const lines: Line[] = [['i0', assigned], ...run('i0', 0), ['i0', committed(2)], ['i0', committed(1)]];
    expect(verdict(...lines, ...run('i0', 2, 4), ['i0', committed(5)])).toMatchObject(held);
  });
});

describe('a process that was stopped past its session', () => {
  const zombie: Line[] = [
    ['i0', assigned],
    ['i0', start(0)],
    ['i0', { kind: 'frozen' }],
    ['i1', assigned],
    ['i1', start(0)],
    ['i1', end(0)],
    ['i1', start(4)],
    ['i0', { kind: 'thawed' }],
    ['i0', end(0)],
    ['i0', start(4, 1)],
    ['i0', end(4, 1)],
    ['i1', end(4)],
    ['i0', lost],
  ];

  test('overlaps with who has the partition now, and repeats', () => {
    const cause = { 'process frozen past its session': 2 };
    expect(verdict(...zombie, ...run('i1', 2))).toMatchObject({ ...held, duplicated: 2, causes: cause });
  });

  test('its leftovers may overlap with its next assignment, until their thread was idle', () => {
    const lines: Line[] = [
      ['i0', assigned],
      ['i0', start(0, 0)],
      ['i0', start(2, 0)],
      ['i0', lost],
      ['i0', assigned],
      ['i0', start(0, 1)],
      ['i0', end(0, 0)],
      ['i0', end(0, 1)],
      // Still queued in thread 0 since before.
      ['i0', start(4, 0)],
      ['i0', start(4, 1)],
      ['i0', end(4, 0)],
      ['i0', end(4, 1)],
      ['i0', end(2, 0)],
    ];
    const { leftoverOverlaps, ...others } = verdict(...lines);
    expect(others).toMatchObject({ ...held, duplicated: 2, causes: { 'partition lost': 2 } });
    expect(leftoverOverlaps).toBe(2);
    // Thread 0 is idle by now.
    const late: Line[] = [
      ['i0', start(4, 0)],
      ['i0', start(4, 1)],
    ];
    expect(verdict(...lines, ...late).orderViolations).toBe(1);
  });
});

describe('causes of duplicates', () => {
  const first: Line[] = [['i0', assigned], ...run('i0', 0, 2, 4)];
  const second: Line[] = [['i1', assigned], ...run('i1', 2)];
  test.each<[string, Line[], Line[]]>([
    ['process killed', [['i0', { kind: 'killed' }]], second],
    [
      'drain ran out of time',
      [
        ['i0', warning('ERR_DRAIN_TIMEOUT')],
        ['i0', revoked],
      ],
      second,
    ],
    [
      'commit refused',
      [
        ['i0', warning('ERR_COMMIT')],
        ['i0', revoked],
      ],
      second,
    ],
    ['partition lost', [['i0', lost]], second],
    [
      'broker away',
      [
        ['broker', { kind: 'broker', up: false }],
        ['broker', { kind: 'broker', up: true }],
        ['i0', lost],
      ],
      second,
    ],
    ['consumer failed', [['i0', { kind: 'failed', code: 'ERR_KAFKA', text: '' }]], second],
    [
      'above the commit at a handover',
      [
        ['i0', committed(2)],
        ['i0', revoked],
      ],
      second,
    ],
    [
      'above the commit at a handover',
      [
        ['i0', { kind: 'closing' }],
        ['i0', { kind: 'closed' }],
      ],
      second,
    ],
    ['thread ended', [['i0', { kind: 'exit', thread: 0 }]], run('i0', 2)],
    [
      'unexplained',
      [
        ['i0', committed(5)],
        ['i0', revoked],
      ],
      second,
    ],
    ['unexplained', [], second],
    ['unexplained', [], run('i0', 2)],
  ])('%s', (cause, between, after) => {
    const { causes, duplicated, lost: missing, orderViolations } = verdict(...first, ...between, ...after);
    expect({ causes, duplicated, missing, orderViolations }).toEqual({
      causes: { [cause]: 1 },
      duplicated: 1,
      missing: 0,
      orderViolations: 0,
    });
  });

  test('a thread that ends takes its runs along', () => {
    const lines: Line[] = [
      ['i0', assigned],
      ['i0', start(0, 0)],
      ['i0', { kind: 'exit', thread: 0 }],
      ['i0', start(0, 1)],
      ['i0', end(0, 1)],
    ];
    expect(verdict(...lines, ...run('i0', 2, 4))).toMatchObject({ ...held, duplicated: 0 });
  });
});

describe('processes', () => {
  const exited = (code: number | null, signal: string | null = null): Happening => ({ kind: 'exited', code, signal });
  test.each<[number, Line[]]>([
    [
      0,
      [
        ['i0', { kind: 'killed' }],
        ['i0', exited(null, 'SIGKILL')],
      ],
    ],
    [
      0,
      [
        ['i0', { kind: 'closing' }],
        ['i0', { kind: 'closed' }],
        ['i0', exited(0)],
      ],
    ],
    [1, [['i0', exited(null, 'SIGSEGV')]]],
    [
      1,
      [
        ['i0', { kind: 'closing' }],
        ['i0', exited(1)],
      ],
    ],
    [
      1,
      [
        ['i0', { kind: 'failed', code: 'ERR_INVARIANT', text: '' }],
        ['i0', exited(5)],
      ],
    ],
  ])('%i failed', (failed, lines) => {
    expect(verdict(['i0', assigned], ...run('i0', 0, 2, 4), ...lines)).toMatchObject({ ...held, failed });
  });

  test('records nobody produced, or with the value of another', () => {
    const wrong: Happening = { kind: 'start', thread: 0, partition: 0, offset: 0, number: 12 };
    const unknown: Happening = { kind: 'start', thread: 0, partition: 0, offset: 1, number: 12 };
    const lines: Line[] = [
      ['i0', wrong],
      ['i0', end(0)],
      ['i0', unknown],
      ['i0', end(1)],
    ];
    expect(verdict(['i0', assigned], ...lines, ...run('i0', 2, 4))).toMatchObject({ ...held, strangers: 2 });
  });
});

/**
 * What a seed's world is like: how often which misfortune happens. A calm world has none of those that excuse a record
 * from being handled exactly once.
 */
import type { Protocol } from './fake-group.ts';
import type { Random } from './random.ts';

/** Probabilities are between 0 and 1. */
export interface Weather {
  readonly calm: boolean;
  readonly protocol: Protocol;
  readonly membersMax: number;
  /** Milliseconds a member may be silent before it is fenced. */
  readonly sessionMs: number;
  /** A partition stays where it is, if it may. */
  readonly stickiness: number;
  /** An empty list is told where nothing moves. */
  readonly emptyLists: number;
  /** Between two rounds of producing: a member joins, closes, is killed, freezes; the group rebalances for nothing. */
  readonly joins: number;
  readonly closes: number;
  readonly kills: number;
  readonly freezes: number;
  readonly disturbances: number;
  /** Between two rounds of producing: retention deletes records; a leader is elected that has not all of them. */
  readonly deletions: number;
  readonly truncations: number;
  /** A commit is refused with a code that passes, and so are the next few. */
  readonly commitRefused: number;
  /** A commit's answer never comes; one comes after everybody gave it up. */
  readonly answerLost: number;
  readonly answerLate: number;
  /** Asking what is committed fails, or takes long. */
  readonly committedFails: number;
  readonly committedSlow: number;
  /** A call of the client throws; leaving the group never ends. */
  readonly clientThrows: number;
  readonly leavingHangs: number;
  /** A fetch brings records again; one of a partition that is not the member's. */
  readonly duplicates: number;
  readonly unowned: number;
  /** What the handler does with a record. */
  readonly fails: number;
  readonly timesOut: number;
  readonly slow: number;
  readonly durationMaxMs: number;
  /** Everything fails for a while, between two rounds of producing; for up to so many milliseconds. */
  readonly outages: number;
  readonly outageMaxMs: number;
  /** A thread dies while it runs a record, by chance; a record kills its thread on its first attempts. */
  readonly threadDies: number;
  readonly poison: number;
  /** Of the logs: offsets no consumer sees before a record, and after it. */
  readonly holes: number;
  readonly markers: number;
}

const MILD = {
  kills: 0,
  freezes: 0,
  truncations: 0,
  commitRefused: 0,
  answerLost: 0,
  answerLate: 0,
  committedFails: 0,
  clientThrows: 0,
  leavingHangs: 0,
  threadDies: 0,
  poison: 0,
} as const;

export function weatherOf(random: Random): Weather {
  const calm = random.chance(0.25);
  const some = (probability: number, often = 3) => (random.int(1, often) === 1 ? probability : 0);
  const weather: Weather = {
    calm,
    protocol: random.pick(['eager', 'cooperative', 'consumer'] as const),
    membersMax: random.pick([1, 2, 2, 3, 4]),
    sessionMs: random.pick([100, 400, 1_000]),
    stickiness: random.pick([0.3, 0.9]),
    emptyLists: random.pick([0, 0.5]),
    joins: random.pick([0.1, 0.4]),
    closes: random.pick([0, 0.2, 0.4]),
    kills: some(0.15),
    freezes: some(0.2),
    disturbances: some(0.3),
    deletions: some(0.1, 5),
    truncations: some(random.pick([0.1, 0.3]), 4),
    commitRefused: some(random.pick([0.1, 0.3])),
    answerLost: some(0.02, 20),
    answerLate: some(0.5, 10),
    committedFails: some(0.3, 4),
    committedSlow: some(0.2, 4),
    clientThrows: some(random.pick([0.001, 0.01]), 8),
    leavingHangs: some(0.3, 8),
    duplicates: some(0.2),
    unowned: some(0.2),
    fails: random.pick([0, 0, 0.05, 0.4]),
    timesOut: some(0.05, 4),
    slow: some(0.1, 2),
    durationMaxMs: random.pick([0, 2, 30]),
    outages: some(0.3, 3),
    outageMaxMs: random.pick([50, 500, 2_000]),
    threadDies: some(0.01, 4),
    poison: some(0.03, 4),
    holes: random.pick([0, 0.2]),
    markers: random.pick([0, 0, 0.3]),
  };
  // Who cannot learn what is committed cannot tell that the log below it was cut off.
  const unknown = weather.committedFails > 0 ? { truncations: 0 } : {};
  return calm ? { ...weather, ...MILD } : { ...weather, ...unknown };
}

/**
 * Which of a partition's offsets are complete above the committed one, in the shapes that a slow key leaves behind. The
 * first is never complete: it is what holds the commit up.
 */
import { randomFrom } from './random.ts';

/** Offsets of a pattern, from the committed one on. */
export const PATTERN_OFFSETS = 20_000;
/** The committed offset. */
const PATTERN_BASE = 1_000_000_000;

export interface OffsetPattern {
  readonly name: string;
  /** The committed offset, which is not complete. */
  readonly base: number;
  /** Ascending. */
  readonly completed: readonly number[];
  /** The last offset that was delivered. */
  readonly highest: number;
}

const SEED = 1;
const LONG_RUN_OFFSETS = 1_000;
const RANDOM_RUN_OFFSETS_MAX = 100;

export function offsetPatterns(): OffsetPattern[] {
  const random = randomFrom(SEED);
  return [
    pattern('every second one', (index) => index % 2 === 1),
    pattern('half of them, at random', () => random() < 0.5),
    pattern('all but 5 %, at random', () => random() >= 0.05),
    pattern('runs of 1,000', (index) => Math.floor(index / LONG_RUN_OFFSETS) % 2 === 1),
    pattern('runs of 1 to 100, at random', randomRuns(random)),
  ];
}

function pattern(name: string, isComplete: (index: number) => boolean): OffsetPattern {
  const completed: number[] = [];
  for (let index = 1; index < PATTERN_OFFSETS; index += 1) if (isComplete(index)) completed.push(PATTERN_BASE + index);
  return { name, base: PATTERN_BASE, completed, highest: PATTERN_BASE + PATTERN_OFFSETS - 1 };
}

function randomRuns(random: () => number): () => boolean {
  let [left, isComplete] = [0, false];
  return () => {
    if (left === 0) {
      left = 1 + Math.floor(random() * RANDOM_RUN_OFFSETS_MAX);
      isComplete = !isComplete;
    }
    left -= 1;
    return isComplete;
  };
}

/**
 * Which key each record has: drawn by chance from a seed, so that every run and every process sees the same records.
 */
import { randomFrom } from './random.ts';

/** How often each key comes. Keys are numbers from 0; key 0 is never rarer than another. */
export type KeySpec = { readonly keys: number; readonly seed: number } & (
  | { readonly kind: 'uniform' }
  /** Zipf's law: key n comes 1 / (n + 1)^exponent as often as key 0. */
  | { readonly kind: 'zipf'; readonly exponent: number }
  /** Key 0 has this share of the records, from 0 to 1; the others have the rest, all the same. */
  | { readonly kind: 'one-hot'; readonly share: number }
);

/** The share of the records that key 0 has, from 0 to 1. */
export function hottestShare(spec: KeySpec): number {
  return cumulativeShares(spec)[0] as number;
}

/** Returns a function that draws the key of the next record. */
export function keysFrom(spec: KeySpec): () => number {
  const random = randomFrom(spec.seed);
  const shares = cumulativeShares(spec);
  return () => firstAbove(shares, random());
}

/** For each key, the share of the records that it and those before it have. */
function cumulativeShares(spec: KeySpec): Float64Array {
  const weights = Float64Array.from({ length: spec.keys }, (_, key) => weightOf(spec, key));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let below = 0;
  return weights.map((weight) => {
    below += weight;
    return below / total;
  });
}

function weightOf(spec: KeySpec, key: number): number {
  if (spec.kind === 'uniform') return 1;
  if (spec.kind === 'zipf') return 1 / (key + 1) ** spec.exponent;
  return key === 0 ? spec.share : (1 - spec.share) / (spec.keys - 1);
}

/** The first place whose value is above this one; the last place where rounding left none. */
function firstAbove(ascending: Float64Array, value: number): number {
  let [low, high] = [0, ascending.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * What a mutant is: the library with a few words replaced, and the guarantee that breaks.
 */
export interface Mutant {
  readonly name: string;
  /** Which promise it breaks. */
  readonly breaks: string;
  /** File below packages/keylane/src, the words to find (exactly once), and what to put there. */
  readonly changes: readonly (readonly [file: string, find: string, replace: string])[];
  /** The seed to begin with, where few show it: one that did, as `npm run mutants` says. Default 1. */
  readonly firstSeed?: number;
}

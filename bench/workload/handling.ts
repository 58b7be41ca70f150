/**
 * What every peer's handler does with a record's value: notes it in the ledger, and takes as long as it says.
 */
import { pbkdf2Sync } from 'node:crypto';
import type { Work } from './job.ts';
import { Ledger, type LedgerMemory } from './ledger.ts';
import { workUsOf } from './record.ts';

/** What a thread needs to handle records; structured clone carries it. */
export interface HandlingData {
  readonly work: Work;
  readonly roundsPerMs: number;
  readonly ledger: LedgerMemory;
}

export type Handling = (value: Buffer) => void | Promise<void>;

export function handling({ work, roundsPerMs, ledger: memory }: HandlingData): Handling {
  const ledger = new Ledger(memory);
  if (work === 'none') {
    return (value) => {
      ledger.begin(value);
      ledger.end(value);
    };
  }
  if (work === 'compute') {
    return (value) => {
      ledger.begin(value);
      compute(Math.round((workUsOf(value) / 1_000) * roundsPerMs));
      ledger.end(value);
    };
  }
  if (work === 'wait') {
    return async (value) => {
      ledger.begin(value);
      await new Promise((resolve) => setTimeout(resolve, workUsOf(value) / 1_000));
      ledger.end(value);
    };
  }
  return (value) => {
    ledger.begin(value);
    return new Promise(() => undefined);
  };
}

export function compute(rounds: number): void {
  pbkdf2Sync('', 'keylane', Math.max(1, rounds), 32, 'sha256');
}

/**
 * `keylane dlq`: dead letters and parked records.
 */
import type { Command } from 'commander';
import type { Terminal } from '../../output/terminal.ts';
import { addList } from './list.ts';
import { addReplay } from './replay.ts';
import { addShow } from './show.ts';

export function addDlq(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const dlq = program.command('dlq').description('look at dead letters and parked records, and replay them');
  addList(dlq, terminal, finish);
  addShow(dlq, terminal, finish);
  addReplay(dlq, terminal, finish);
}

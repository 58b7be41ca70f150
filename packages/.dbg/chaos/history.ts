/**
 * What became of the processes of a chaos run: who had which partition from when to when, which run belongs to which
 * assignment, and what was done to whom. Fed with the entries in the order of their time.
 */
import type { Entry } from './ledger.ts';

/** A process having a partition, once. */
export interface Assignment {
  readonly from: number;
  /** When and how it ended, as far as it did. */
  to: number;
  how: 'open' | 'revoked' | 'lost' | 'closed';
  /** Its drain ran out of time. */
  late: boolean;
  /** What the assignment before it left running may still run. */
  readonly haunted: boolean;
  /** The highest offset the broker confirmed. */
  committed: number;
  /** When the broker refused a commit. */
  readonly refusals: number[];
}

/** A handler's run of a record. */
export interface Run {
  readonly who: string;
  readonly thread: number;
  readonly partition: number;
  readonly offset: number;
  readonly start: number;
  /** When it completed; infinity where it did not. */
  end: number;
  /** The assignment it belongs to; where there was none, the one before. */
  readonly assignment: Assignment | undefined;
  /** The process had the partition when it began. */
  readonly assigned: boolean;
  /** It may be a leftover of the assignment before. */
  readonly leftover: boolean;
}

interface Thread {
  readonly open: Set<Run>;
  idleAt: number;
  readonly exits: number[];
}

/** A span of time; its end is infinity while it lasts. */
export interface Span {
  readonly from: number;
  to: number;
}

/** A process. */
export class Process {
  killedAt: number = Number.POSITIVE_INFINITY;
  closingAt: number = Number.POSITIVE_INFINITY;
  failedAt: number = Number.POSITIVE_INFINITY;
  exitedAt: number = Number.POSITIVE_INFINITY;
  readonly frozen: Span[] = [];
  readonly assignments: Map<number, Assignment[]> = new Map();
  readonly threads: Map<number, Thread> = new Map();
  #late = false;

  /** The partition's present assignment, or its last one. */
  assignment(partition: number): Assignment | undefined {
    return this.assignments.get(partition)?.at(-1);
  }

  thread(number: number): Thread {
    const thread = this.threads.get(number) ?? { open: new Set(), idleAt: 0, exits: [] };
    this.threads.set(number, thread);
    return thread;
  }

  assign(partition: number, at: number): void {
    const before = this.assignment(partition);
    // Assigned again without an end that we heard of: what the one before left may still run.
    const haunted = before !== undefined && (before.how !== 'revoked' || before.late);
    const all = this.assignments.get(partition) ?? [];
    this.assignments.set(partition, all);
    all.push({
      from: at,
      to: Number.POSITIVE_INFINITY,
      how: 'open',
      late: false,
      haunted,
      committed: -1,
      refusals: [],
    });
  }

  finish(partitions: Iterable<number>, how: 'revoked' | 'lost' | 'closed', at: number): void {
    for (const partition of partitions) {
      const assignment = this.assignment(partition);
      if (assignment?.how === 'open') Object.assign(assignment, { to: at, how, late: this.#late });
    }
    this.#late = false;
  }

  warned(code: string, at: number): void {
    if (code === 'ERR_DRAIN_TIMEOUT') this.#late = true;
    if (code !== 'ERR_COMMIT') return;
    for (const partition of this.assignments.keys()) this.assignment(partition)?.refusals.push(at);
  }

  confirmed(partition: number, offset: number): void {
    const assignment = this.assignment(partition);
    if (assignment !== undefined) assignment.committed = Math.max(assignment.committed, offset);
  }

  begin(entry: Entry & { kind: 'start' }): Run {
    const { who, thread: number, partition, offset, at } = entry;
    const assignment = this.assignment(partition);
    const assigned = assignment?.how === 'open';
    const thread = this.thread(number);
    const leftover = assignment !== undefined && (!assigned || (assignment.haunted && thread.idleAt < assignment.from));
    const run = { who, thread: number, partition, offset, start: at, assignment, assigned, leftover };
    const open = { ...run, end: Number.POSITIVE_INFINITY };
    thread.open.add(open);
    return open;
  }

  /** The run an entry is the end of. */
  end({ thread: number, partition, offset, at, kind }: Entry & { kind: 'end' | 'fail' }): Run | undefined {
    const thread = this.thread(number);
    const run = [...thread.open].find((open) => open.partition === partition && open.offset === offset);
    if (run === undefined) return undefined;
    thread.open.delete(run);
    if (thread.open.size === 0) thread.idleAt = at;
    if (kind === 'end') run.end = at;
    return run;
  }

  /** The thread's runs are over, wherever they were. */
  threadEnded(number: number, at: number): void {
    const thread = this.thread(number);
    thread.open.clear();
    thread.idleAt = at;
    thread.exits.push(at);
  }
}

/** All of them, and the broker. */
export class History {
  readonly processes: Map<string, Process> = new Map();
  /** When the broker was away. */
  readonly away: Span[] = [];

  process(who: string): Process {
    const process = this.processes.get(who) ?? new Process();
    this.processes.set(who, process);
    return process;
  }

  /** Takes in what is no run. */
  on(entry: Entry): void {
    const { at, kind } = entry;
    if (kind === 'broker') {
      if (entry.up) close(this.away, at);
      else this.away.push({ from: at, to: Number.POSITIVE_INFINITY });
      return;
    }
    if (kind === 'produced' || kind === 'observed') return;
    const process = this.process(entry.who);
    if (kind === 'assigned') for (const partition of entry.partitions) process.assign(partition, at);
    else if (kind === 'revoked' || kind === 'lost') process.finish(entry.partitions, kind, at);
    else if (kind === 'closed') process.finish(process.assignments.keys(), 'closed', at);
    else if (kind === 'committed')
      for (const [partition, offset] of entry.offsets) process.confirmed(partition, offset);
    else if (kind === 'warning') process.warned(entry.code, at);
    else if (kind === 'exit') process.threadEnded(entry.thread, at);
    else if (kind === 'frozen') process.frozen.push({ from: at, to: Number.POSITIVE_INFINITY });
    else if (kind === 'thawed') close(process.frozen, at);
    else if (kind === 'killed') process.killedAt = at;
    else if (kind === 'closing') process.closingAt = Math.min(at, process.closingAt);
    else if (kind === 'failed') process.failedAt = at;
    else if (kind === 'exited') process.exitedAt = at;
  }
}

function close(spans: Span[], at: number): void {
  const last = spans.at(-1);
  if (last !== undefined) last.to = Math.min(last.to, at);
}

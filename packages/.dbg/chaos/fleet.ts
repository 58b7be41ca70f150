/**
 * The consumer processes of a run: starts them, does to them what the conductor decides, follows their ledgers.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import type { Deed } from './conductor.ts';
import type { Guard } from './guard.ts';
import { type Entry, type Happening, LedgerFile } from './ledger.ts';

/** A start or a close that takes this long hangs. */
const CLOSE_MS = 90_000;
const SNAPSHOT_MS = 5_000;
/** Instances that end by themselves are started again; this often, and something is wrong with all of them. */
const COMEBACKS_MAX = 30;

interface Instance {
  readonly number: number;
  readonly who: string;
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  /** We told it to end. */
  ending: boolean;
  thaw: NodeJS.Timeout | undefined;
}

export interface FleetOptions {
  /** Ledgers and output go here. */
  readonly directory: string;
  /** What `startConsumer` gets, less the handler. */
  readonly options: Record<string, unknown>;
  /** What a slow record takes. */
  readonly slowMs: number;
  readonly base: bigint;
  readonly guard: Guard;
  /** Notes what is done to instances. */
  readonly note: (who: string, happening: Happening) => void;
  readonly onHopeless: (error: Error) => void;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #alive: Map<number, Instance> = new Map();
  readonly #leaving: Set<Instance> = new Set();
  readonly #ledgers: LedgerFile[] = [];
  #comebacks = 0;
  #ended = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  get alive(): number {
    return this.#alive.size;
  }

  /** What was written since the last call. */
  read(): Entry[] {
    return this.#ledgers.flatMap((ledger) => ledger.read());
  }

  start(number: number): void {
    const { directory, options, slowMs, base, guard, note } = this.#options;
    const who = `i${number}${this.#comebacks === 0 ? '' : `.${this.#comebacks}`}`;
    const ledger = join(directory, `${who}.ledger`);
    const output = openSync(join(directory, `${who}.log`), 'a');
    const child = fork(
      join(import.meta.dirname, 'app', 'instance.mjs'),
      [JSON.stringify({ ledger, options, slowMs })],
      {
        execArgv: [],
        stdio: ['ignore', output, output, 'ipc'],
      },
    );
    guard.watch(child);
    note(who, { kind: 'spawned' });
    this.#ledgers.push(new LedgerFile(ledger, who, base));
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const instance: Instance = { number, who, child, exited, ending: false, thaw: undefined };
    this.#alive.set(number, instance);
    child.on('error', () => undefined);
    child.once('exit', (code, signal) => this.#onExit(instance, code, signal));
  }

  /** Does it; returns whether that was possible. */
  do(deed: Exclude<Deed, { kind: 'broker' }>): boolean {
    const instance = this.#alive.get(deed.instance);
    if (deed.kind === 'start') this.start(deed.instance);
    else if (instance === undefined) return false;
    else if (deed.kind === 'freeze') this.#freeze(instance, deed.forMs);
    else if ('thread' in deed) this.#ask(instance, deed.thread, deed.kind, 'forMs' in deed ? deed.forMs : 1);
    else if (deed.kind === 'close') this.#close(instance);
    else this.#kill(instance);
    return true;
  }

  /** Continues whoever is stopped. */
  thawAll(): void {
    for (const instance of [...this.#alive.values(), ...this.#leaving]) this.#thaw(instance);
  }

  /** Closes all, and waits for them to end. */
  async close(): Promise<void> {
    this.#ended = true;
    this.thawAll();
    for (const instance of this.#alive.values()) this.#close(instance);
    await Promise.all([...this.#leaving].map(({ exited }) => exited));
  }

  /** Ends all at once. */
  async destroy(): Promise<void> {
    this.#ended = true;
    const all = [...this.#alive.values(), ...this.#leaving];
    for (const instance of all) {
      clearTimeout(instance.thaw);
      instance.child.kill('SIGKILL');
    }
    await Promise.all(all.map(({ exited }) => exited));
  }

  /** Each instance's snapshot, or why there is none. */
  async snapshots(): Promise<Record<string, unknown>> {
    const answers = [...this.#alive.values(), ...this.#leaving].map(async ({ who, child }) => {
      const answer = new Promise<unknown>((resolve) => {
        child.once('message', (message) => resolve((message as { snapshot: unknown }).snapshot));
        setTimeout(() => resolve('no answer'), SNAPSHOT_MS);
      });
      child.send({ snapshot: true });
      return [who, await answer];
    });
    return Object.fromEntries(await Promise.all(answers));
  }

  /** The next record of the thread makes it happen. */
  #ask({ child }: Instance, thread: number, fault: 'exit' | 'hang' | 'block', value: number): void {
    child.send({ thread, fault, value });
  }

  #close(instance: Instance): void {
    this.#leave(instance);
    this.#options.note(instance.who, { kind: 'closing' });
    instance.child.kill('SIGTERM');
    const timer = setTimeout(() => {
      const text = `${instance.who} did not close within ${CLOSE_MS} ms`;
      this.#options.note(instance.who, { kind: 'failed', code: 'CLOSE', text });
      instance.child.kill('SIGKILL');
    }, CLOSE_MS);
    void instance.exited.then(() => clearTimeout(timer));
  }

  #kill(instance: Instance): void {
    this.#leave(instance);
    clearTimeout(instance.thaw);
    this.#options.note(instance.who, { kind: 'killed' });
    instance.child.kill('SIGKILL');
  }

  #freeze(instance: Instance, forMs: number): void {
    this.#options.note(instance.who, { kind: 'frozen' });
    instance.child.kill('SIGSTOP');
    instance.thaw = setTimeout(() => this.#thaw(instance), forMs);
  }

  #thaw(instance: Instance): void {
    if (instance.thaw === undefined) return;
    clearTimeout(instance.thaw);
    instance.thaw = undefined;
    this.#options.note(instance.who, { kind: 'thawed' });
    instance.child.kill('SIGCONT');
  }

  #leave(instance: Instance): void {
    instance.ending = true;
    this.#alive.delete(instance.number);
    this.#leaving.add(instance);
  }

  #onExit(instance: Instance, code: number | null, signal: string | null): void {
    clearTimeout(instance.thaw);
    this.#options.note(instance.who, { kind: 'exited', code, signal });
    this.#leaving.delete(instance);
    if (instance.ending) return;
    // It ended by itself: what runs services would start it again.
    this.#alive.delete(instance.number);
    if (this.#ended) return;
    this.#comebacks += 1;
    if (this.#comebacks > COMEBACKS_MAX) {
      this.#options.onHopeless(new Error(`instances ended by themselves ${COMEBACKS_MAX} times; see their output`));
      return;
    }
    this.start(instance.number);
  }
}

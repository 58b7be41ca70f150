/**
 * Decides what is done to the consumers, and when. A pure function of the seed and the time there is: it keeps its own
 * books of who is alive, so that nothing of the real run changes what comes next.
 *
 * Invariant: by its books 1 to 5 instances are alive, at least one of them running; the broker goes away at least once.
 */
import { Random } from '../sim/random.ts';

export const INSTANCES_MAX = 5;
/** How many are there from the start. */
export const INSTANCES_AT_FIRST = 3;
/** Between two restarts of the broker. */
const BROKER_PAUSE_MS = 60_000;

/** What is done, to which instance. */
export type Deed =
  | { readonly kind: 'start' | 'close' | 'kill'; readonly instance: number }
  /** Stopped for longer than its session may last, then continued. */
  | { readonly kind: 'freeze'; readonly instance: number; readonly forMs: number }
  /** The next record of that thread ends it. */
  | { readonly kind: 'exit'; readonly instance: number; readonly thread: number }
  /** The next record of that thread takes this long; blocking, it takes the whole thread with it. */
  | { readonly kind: 'hang' | 'block'; readonly instance: number; readonly thread: number; readonly forMs: number }
  /** The broker is stopped, orderly or not, and is away for that long before it starts again. */
  | { readonly kind: 'broker'; readonly hard: boolean; readonly forMs: number };

/** A deed and its time since the beginning. */
export type Action = Deed & { readonly atMs: number };

export interface ConductorOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** The time after which the group gives up on a member it does not hear from. */
  readonly sessionMs: number;
  /** Handler threads of an instance. */
  readonly threads: number;
}

const WEIGHTS: Readonly<Record<Deed['kind'], number>> = {
  start: 5,
  close: 3,
  kill: 3,
  freeze: 2,
  exit: 3,
  hang: 2,
  block: 1,
  broker: 1,
};
const LOTS = (Object.keys(WEIGHTS) as Deed['kind'][]).flatMap((kind) =>
  new Array<Deed['kind']>(WEIGHTS[kind]).fill(kind),
);

/** All actions of a run, in order. */
export function actions(options: ConductorOptions): Action[] {
  const books = new Books(options);
  const { random } = books;
  // Once in any case, early enough for the group to find itself again while records still come.
  const brokerAtMs = options.durationMs * (0.25 + 0.3 * random.next());
  const all: Action[] = [];
  let brokerDone = false;
  for (let atMs = random.int(2_000, 5_000); atMs < options.durationMs; atMs += random.int(500, 5_000)) {
    const due: boolean = !brokerDone && atMs >= brokerAtMs;
    const deed = due ? books.broker(atMs) : books.next(atMs, brokerDone);
    brokerDone ||= due;
    if (deed !== undefined) all.push({ atMs, ...deed });
  }
  if (!brokerDone) all.push({ atMs: Math.max(brokerAtMs, all.at(-1)?.atMs ?? 0), ...books.broker(brokerAtMs) });
  return all;
}

class Books {
  readonly random: Random;
  /** Who is alive, and until when frozen. */
  readonly #alive: Map<number, number> = new Map();
  readonly #options: ConductorOptions;
  #named = 0;
  #brokerBackMs = 0;

  constructor(options: ConductorOptions) {
    this.#options = options;
    this.random = new Random(options.seed);
    while (this.#named < INSTANCES_AT_FIRST) this.#add();
  }

  /** The next deed, or none where the lot fell on one that is not possible now. */
  next(atMs: number, brokerAllowed: boolean): Deed | undefined {
    const kind = this.random.pick(LOTS);
    const running = [...this.#alive].filter(([, until]) => until <= atMs).map(([instance]) => instance);
    if (kind === 'broker') return brokerAllowed && atMs > this.#brokerBackMs ? this.broker(atMs) : undefined;
    if (kind === 'start') {
      return this.#alive.size < INSTANCES_MAX ? { kind, instance: this.#add() } : undefined;
    }
    const instance = this.random.pick(running);
    if (kind === 'close' || kind === 'kill') {
      // A kill may hit a frozen one too; but somebody has to be left to run.
      const target = kind === 'kill' ? this.random.pick([...this.#alive.keys()]) : instance;
      if (running.filter((other) => other !== target).length === 0) return undefined;
      this.#alive.delete(target);
      return { kind, instance: target };
    }
    if (kind === 'freeze') {
      if (running.length < 2) return undefined;
      const forMs = this.#options.sessionMs + this.random.int(1_500, 6_000);
      this.#alive.set(instance, atMs + forMs + 1_000);
      return { kind, instance, forMs };
    }
    const thread = this.random.int(0, this.#options.threads - 1);
    if (kind === 'exit') return { kind, instance, thread };
    return { kind, instance, thread, forMs: this.random.int(500, kind === 'hang' ? 5_000 : 3_000) };
  }

  broker(atMs: number): Deed {
    this.#brokerBackMs = atMs + BROKER_PAUSE_MS;
    return { kind: 'broker', hard: this.random.chance(0.5), forMs: this.random.int(5_000, 10_000) };
  }

  #add(): number {
    this.#alive.set(this.#named, 0);
    this.#named += 1;
    return this.#named - 1;
  }
}

/** An action in words. */
export function describeAction(action: Action): string {
  const who = 'instance' in action ? ` ${action.instance}` : '';
  const thread = 'thread' in action ? ` thread ${action.thread}` : '';
  const forMs = 'forMs' in action ? ` for ${(action.forMs / 1_000).toFixed(1)} s` : '';
  const hard = action.kind === 'broker' ? (action.hard ? ' killed' : ' stopped') : '';
  return `${action.kind}${who}${thread}${hard}${forMs}`;
}

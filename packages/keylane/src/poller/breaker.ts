/**
 * Stops the hand-out while what the handlers depend on is down. Runs on the poller's thread; the dispatcher asks it for
 * room, and settle tells it every outcome.
 *
 *     closed ──too many fail──► open ──openMs──► half-open ──probe completes──► closed
 *                                ▲                  │
 *                                └───probe fails────┘
 *
 * Invariant: nothing is handed out while it is open, and one record at most while it is half-open, the probe. What
 * fails meanwhile uses up no attempt; its lane is set aside until the breaker closes, or until nothing else is left to
 * probe with: a record that never succeeds must not be the only one that is ever tried (docs/adr/0009).
 */
import type { HandlerError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Clock, Timer } from './clock.ts';
import type { Dispatcher, HandOut } from './dispatcher.ts';
import { FailureWindow } from './failure-window.ts';
import type { Lane } from './lane.ts';
import { isRetryable } from './retry.ts';
import { called } from './verdict.ts';

/** See {@link BreakerPolicy}. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** When hand-out stops because too much fails, and when it is tried again. */
export interface BreakerPolicy {
  /** A larger share of failed runs, from 0 to 1, opens the breaker. Default 0.5. */
  readonly failureShareMax: number;
  /** Milliseconds over which that share is taken. Default 10,000. */
  readonly windowMs: number;
  /** With fewer runs than this in the window it stays closed. Default 20. */
  readonly recordsMin: number;
  /** Milliseconds it stays open before one record is tried. Doubled each time that fails too. Default 5,000. */
  readonly openMs: number;
  /** Milliseconds it stays open at most. Default 60,000, or `openMs` where that is longer. */
  readonly openMsMax: number;
  /**
   * Whether a failure says something about what the handlers depend on. Default: unless its `retryable` is `false`, as
   * a `NonRetryableError`'s is. Not asked for records that could not be decoded or ended their thread: these are always
   * the record's own.
   */
  readonly isFailure: (error: HandlerError) => boolean;
}

/** The breaker, for snapshots. */
export interface BreakerSnapshot {
  readonly state: BreakerState;
  /** Of the runs in the window, from 0 to 1; unless it is closed, of those that opened it. */
  readonly failureShare: number;
  /** Runs in that window. */
  readonly records: number;
  /** Milliseconds since it came into this state. */
  readonly forMs: number;
}

/** Of {@link BreakerPolicy.isFailure}. */
export function defaultIsFailure(error: HandlerError): boolean {
  return isRetryable({ retryable: undefined }, error);
}

export interface BreakerParts {
  readonly policy: BreakerPolicy;
  readonly clock: Clock;
  readonly events: Events;
  /** Made after this one, since it asks it for room. */
  readonly dispatcher: () => Pick<Dispatcher, 'enqueue' | 'dispatch'>;
}

export class Breaker implements HandOut {
  readonly #parts: BreakerParts;
  readonly #window: FailureWindow;
  #state: BreakerState = 'closed';
  #since: number;
  #probe: Lane | undefined = undefined;
  /** Lanes whose head failed while it was not closed, the one that failed first at the front. */
  readonly #aside: Set<Lane> = new Set();
  /** What opened it. */
  #opened = { failureShare: 0, records: 0 };
  #openMs = 0;
  #timer: Timer | undefined = undefined;
  #stopped = false;

  constructor(parts: BreakerParts) {
    this.#parts = parts;
    this.#window = new FailureWindow(parts.policy.windowMs);
    this.#since = parts.clock.now();
  }

  get state(): BreakerState {
    return this.#state;
  }

  get room(): number {
    if (this.#state === 'closed') return Infinity;
    // Of a partition that went away nobody may ever say how it ended.
    const probing = this.#probe !== undefined && this.#probe.partition.state !== 'closed';
    return this.#state === 'half-open' && !probing ? 1 : 0;
  }

  /** Milliseconds until it may be half-open; 0 where it is not open. */
  get remainingMs(): number {
    return this.#state === 'open' ? Math.max(0, this.#since + this.#openMs - this.#parts.clock.now()) : 0;
  }

  snapshot(): BreakerSnapshot {
    const { clock } = this.#parts;
    return { state: this.#state, ...this.#seen(), forMs: clock.now() - this.#since };
  }

  onHandedOut(lane: Lane): void {
    if (this.#state === 'half-open') this.#probe = lane;
  }

  onCompleted(lane: Lane, count: number): void {
    if (this.#state === 'closed') this.#window.note(this.#parts.clock.now(), count, 0);
    else if (lane === this.#probe) this.#close();
  }

  /**
   * Whether the failure is free: not the record's fault, and of a time when nothing should have run. Its lane is then
   * to be set aside.
   *
   * @throws HandlerError where `isFailure` does
   */
  onFailed(lane: Lane, error: HandlerError): boolean {
    const isProbe = lane === this.#probe;
    this.onVoid(lane);
    if (!this.#counts(error)) return false;
    if (this.#state === 'closed') {
      this.#window.note(this.#parts.clock.now(), 1, 1);
      const { failureShare, records } = this.#seen();
      const { failureShareMax, recordsMin } = this.#parts.policy;
      if (records >= recordsMin && failureShare > failureShareMax) this.#open(error);
      return false;
    }
    if (isProbe) this.#open(error);
    return true;
  }

  /** The lane's segment ended without an outcome, or with one that says nothing: another one may be the probe. */
  onVoid(lane: Lane): void {
    if (lane === this.#probe) this.#probe = undefined;
  }

  /** The lane waits until the breaker closes, or takes its turn as a probe. */
  setAside(lane: Lane): void {
    this.#aside.add(lane);
    lane.state = 'waiting';
    lane.partition.waiting.add(lane, { stop: () => void this.#aside.delete(lane) });
  }

  takeAside(): Lane | undefined {
    if (this.room !== 1) return undefined;
    const [lane] = this.#aside;
    if (lane !== undefined) this.#takeBack(lane);
    return lane;
  }

  /** From here on it waits for nothing. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.stop();
  }

  #counts(error: HandlerError): boolean {
    if (error.stage === 'deserialize' || error.stage === 'thread-lost') return false;
    return called('breaker.isFailure', error, () => this.#parts.policy.isFailure(error));
  }

  #seen(): { failureShare: number; records: number } {
    if (this.#state !== 'closed') return this.#opened;
    const { records, failures } = this.#window.totals(this.#parts.clock.now());
    return { failureShare: records === 0 ? 0 : failures / records, records };
  }

  #open(error: HandlerError): void {
    const { policy, clock } = this.#parts;
    this.#opened = this.#seen();
    this.#openMs = this.#state === 'closed' ? policy.openMs : Math.min(policy.openMsMax, this.#openMs * 2);
    this.#enter('open', { openMs: this.#openMs, error });
    if (this.#stopped) return;
    this.#timer = clock.after(this.#openMs, () => {
      this.#enter('half-open');
      this.#parts.dispatcher().dispatch();
    });
  }

  #close(): void {
    this.#window.clear();
    this.#enter('closed');
    for (const lane of this.#aside) {
      this.#takeBack(lane);
      this.#parts.dispatcher().enqueue(lane);
    }
  }

  #takeBack(lane: Lane): void {
    this.#aside.delete(lane);
    lane.partition.waiting.end(lane);
  }

  #enter(to: BreakerState, more: { readonly openMs?: number; readonly error?: HandlerError } = {}): void {
    const from = this.#state;
    this.#state = to;
    this.#since = this.#parts.clock.now();
    this.#probe = undefined;
    this.#parts.events.emit('breaker', { from, to, ...this.#opened, ...more });
  }
}

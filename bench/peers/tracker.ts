/**
 * The offset tracker and the offset map alone, in a process of their own. Its task says which of the two is measured.
 */
import { loadBuilt } from '../workload/built.ts';
import { median } from '../workload/median.ts';
import { offsetPatterns } from '../workload/offset-patterns.ts';
import { randomFrom } from '../workload/random.ts';

const { OffsetTracker } = await loadBuilt('poller/offset-tracker.js');
const { decodeOffsetMap, encodeOffsetMap, offsetMapLimits } = await loadBuilt('poller/offset-map.js');

/** Registers and completes offsets, always `window` of them outstanding. */
export interface WindowTask {
  readonly kind: 'window';
  readonly offsets: number;
  /** 1: in order. */
  readonly window: number;
}

export interface WindowResult {
  /** Millions of offsets registered and completed in a second of CPU, so that what else runs does not count. */
  readonly millionsPerSecond: number;
  /** The most the tracker had to remember at once. */
  readonly spanMax: number;
}

/** Writes and reads the map of one of the patterns, again and again. */
export interface MapTask {
  readonly kind: 'map';
  readonly pattern: string;
  readonly repeats: number;
}

/** Medians. */
export interface MapResult {
  /** To gather what is complete from the tracker. */
  readonly gatherMs: number;
  /** To write it down as text. */
  readonly encodeMs: number;
  /** To read that text. */
  readonly decodeMs: number;
  /** Of the text: what the broker's limit counts, and what is sent. */
  readonly characters: number;
  readonly bytes: number;
}

/** What a commit's metadata may have by default. */
const CHARACTERS_MAX = 4_095;
/** Different orders in which windows are completed. */
const ORDERS = 4;
/** How often the committable offset is asked for: a commit every thousand records is many. */
const COMMITTABLE_EVERY_OFFSETS = 1_000;
/** Of the offsets or the repeats, before they are measured. */
const WARM_UP = 0.1;

const task = JSON.parse(process.argv.at(-1) as string) as WindowTask | MapTask;
process.stdout.write(`${JSON.stringify(task.kind === 'window' ? measureWindow(task) : measureMap(task))}\n`);

/** Each window's offsets are completed in a random order while those of the next are registered, one for one. */
function measureWindow({ offsets, window }: WindowTask): WindowResult {
  const tracker = new OffsetTracker(offsetMapLimits(CHARACTERS_MAX));
  const orders = Array.from({ length: ORDERS }, (_, seed) => shuffled(window, seed));
  let [before, current] = [new Int32Array(window), new Int32Array(window)];
  const windows = Math.ceil(offsets / window);
  const warmUp = Math.ceil(windows * WARM_UP);
  let [spanMax, sinceAsked, committable] = [0, 0, 0];
  let startedAt = process.cpuUsage();
  for (let number = 0; number <= windows; number += 1) {
    if (number === warmUp) startedAt = process.cpuUsage();
    const order = orders[number % ORDERS] as Int32Array;
    for (let index = 0; index < window; index += 1) {
      if (number < windows) current[index] = tracker.register(number * window + index) as number;
      if (number > 0) tracker.complete(before[order[index] as number] as number);
      sinceAsked += 1;
      if (sinceAsked < COMMITTABLE_EVERY_OFFSETS) continue;
      sinceAsked = 0;
      const now = tracker.committable as number;
      if (now < committable) throw new Error(`the committable offset went back from ${committable} to ${now}`);
      committable = now;
      spanMax = Math.max(spanMax, tracker.span);
    }
    [before, current] = [current, before];
  }
  const { user, system } = process.cpuUsage(startedAt);
  if (tracker.committable !== windows * window) throw new Error(`${tracker.committable} is committable at the end`);
  return { millionsPerSecond: ((windows - warmUp) * window) / (user + system), spanMax };
}

function shuffled(length: number, seed: number): Int32Array {
  const random = randomFrom(seed);
  const order = Int32Array.from({ length }, (_, index) => index);
  for (let left = length - 1; left > 0; left -= 1) {
    const other = Math.floor(random() * (left + 1));
    [order[left], order[other]] = [order[other] as number, order[left] as number];
  }
  return order;
}

function measureMap({ pattern: name, repeats }: MapTask): MapResult {
  const pattern = offsetPatterns().find((one) => one.name === name);
  if (pattern === undefined) throw new Error(`there is no pattern '${name}'`);
  const { base, completed, highest } = pattern;
  const tracker = new OffsetTracker(offsetMapLimits(CHARACTERS_MAX));
  const isComplete = new Set(completed);
  for (let offset = base; offset <= highest; offset += 1) {
    const ticket = tracker.register(offset) as number;
    if (isComplete.has(offset)) tracker.complete(ticket);
  }
  const ranges = tracker.completed();
  const metadata = encodeOffsetMap(base, ranges);
  const gatherMs = medianMs(repeats, () => tracker.completed());
  const encodeMs = medianMs(repeats, () => encodeOffsetMap(base, ranges));
  const decodeMs = medianMs(repeats, () => decodeOffsetMap(base, metadata));
  const decoded = decodeOffsetMap(base, metadata);
  if ('problem' in decoded || String(decoded.ranges) !== String(ranges)) throw new Error('the map was read wrongly');
  return { gatherMs, encodeMs, decodeMs, characters: metadata.length, bytes: Buffer.byteLength(metadata) };
}

function medianMs(repeats: number, action: () => unknown): number {
  for (let left = repeats * WARM_UP; left > 0; left -= 1) action();
  const times = Array.from({ length: repeats }, () => {
    const startedAt = performance.now();
    action();
    return performance.now() - startedAt;
  });
  return median(times);
}

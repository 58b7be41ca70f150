/**
 * What the dispatcher promises to partitions that share slow handlers: at most half of the slots go to lanes whose
 * partition has more records in flight than another one with a lane that could have gone in their place.
 */
import type { ExecutorThread, ThreadLoadView } from '../src/executor/executor.ts';
import type { Lane } from '../src/poller/lane.ts';
import type { Partition } from '../src/poller/partition.ts';

export class FairShares {
  /** Lanes in flight that passed over a partition with less. */
  readonly #favoured: Set<Lane> = new Set();
  readonly #threads: readonly ExecutorThread[];

  constructor(threads: readonly ExecutorThread[]) {
    this.#threads = threads;
  }

  /**
   * What is wrong with sending this frame, if anything.
   *
   * @param frame in the order in which they were taken
   * @param open all partitions of the consumer
   */
  onFrame(frame: readonly Lane[], load: ThreadLoadView, open: readonly Partition[]): string | undefined {
    for (const lane of this.#favoured) {
      if (lane.state !== 'in-flight' || frame.includes(lane)) this.#favoured.delete(lane);
    }
    // One that runs alone has its thread kept for it, whoever waits.
    if (!load.slow || frame[0]?.head?.alone) return undefined;
    const half = this.#threads.reduce((sum, { load: { slots } }) => sum + slots, 0) / 2;
    const favoured = favouredIn(frame, open);
    for (const { lane, before, passedOver } of favoured) {
      if (this.#favoured.size >= half)
        return (
          `${lane.partition.topic}/${lane.partition.partition} got more with ${before} records in flight, while ` +
          `${passedOver.topic}/${passedOver.partition} had ${passedOver.inFlight} and a lane that was ready`
        );
      this.#favoured.add(lane);
    }
    return undefined;
  }
}

interface Favoured {
  readonly lane: Lane;
  /** What its partition had in flight when it was taken. */
  readonly before: number;
  readonly passedOver: Partition;
}

function favouredIn(frame: readonly Lane[], open: readonly Partition[]): Favoured[] {
  const favoured: Favoured[] = [];
  const taken = new Map<Lane['partition'], number>();
  for (const lane of frame.toReversed()) {
    const { partition } = lane;
    const since = (taken.get(partition) ?? 0) + lane.inFlight;
    taken.set(partition, since);
    // Where keys are parked, what went to the park topic meanwhile is in flight as well.
    if (partition.parked !== undefined) continue;
    // What others had then, they have now at least.
    const before = partition.inFlight - since;
    const passedOver = open.find(
      ({ inFlight, lanes }) => inFlight < before && [...lanes].some((other) => couldGo(other, lane.thread)),
    );
    if (passedOver !== undefined) favoured.push({ lane, before, passedOver });
  }
  return favoured;
}

/** It is among the ready lanes of this thread. */
function couldGo(lane: Lane, thread: number): boolean {
  const { state, head, partition } = lane;
  if (state !== 'ready' || lane.thread !== thread || head?.alone !== false) return false;
  return partition.handsOut && partition.admits(lane, 1) > 0;
}

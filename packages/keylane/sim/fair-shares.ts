/**
 * What the dispatcher promises to partitions that share slow handlers: none is given more while another one has fewer
 * records in flight and a lane that could have gone in its place.
 */
import type { Lane } from '../src/poller/lane.ts';
import type { Partition } from '../src/poller/partition.ts';

/**
 * What is wrong with sending this frame, if anything.
 *
 * @param frame in the order in which they were taken
 * @param open all partitions of the consumer
 */
export function unfairness(frame: readonly Lane[], open: readonly Partition[]): string | undefined {
  // One that runs alone has its thread kept for it, whoever waits.
  if (frame[0]?.head?.alone) return undefined;
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
    if (passedOver !== undefined)
      return (
        `${partition.topic}/${partition.partition} got more with ${before} records in flight while ` +
        `${passedOver.topic}/${passedOver.partition} had ${passedOver.inFlight} and a lane that was ready`
      );
  }
  return undefined;
}

/** It is among the ready lanes of this thread. */
function couldGo(lane: Lane, thread: number): boolean {
  const { state, head, partition } = lane;
  if (state !== 'ready' || lane.thread !== thread || head?.alone !== false) return false;
  return partition.handsOut && partition.admits(lane, 1) > 0;
}

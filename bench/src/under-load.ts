/**
 * Runs a peer while another process produces what it consumes.
 */
import type { Job, Latency, PeerResult } from '../workload/job.ts';
import type { KeySpec } from '../workload/keys.ts';
import { type Load, type LoadResult, WARM_UP_PACE } from '../workload/load.ts';
import { firstMeasured } from '../workload/peer.ts';
import type { Bench } from './bench.ts';
import { runPeer, runProgram } from './run-peer.ts';

/** A producer that was later than this at p99 did not produce the load it was asked for, and the findings say so. */
const LATE_MS = 5;

/**
 * How long records come before those that are measured. The first take up to a second to arrive on a busy machine, and
 * near capacity what has piled up by then would be in every latency after it.
 */
const WARM_UP_SECONDS = 2;
export const WARM_UP_NOTE: string =
  `Under a load, records/s counts the warm-up as well, which is ${WARM_UP_SECONDS} s at ${WARM_UP_PACE * 100} % of the ` +
  'rate; latency does not.';

export interface LoadSpec {
  readonly partitions: number;
  /** Without the warm-up. */
  readonly records: number;
  /** `null`: as fast as the producer can. */
  readonly recordsPerSecond: number | null;
  readonly keys: KeySpec;
  /** Bytes of a value. */
  readonly bytes: number;
  /** How long the handler of each record takes, in microseconds. Default 0. */
  readonly workUs?: number;
}

/**
 * Before the first load on a broker, and not measured: under its first small requests the broker's compiler has much to
 * do, and whoever came first had more than twice the latency.
 */
const FIRST_LOAD: LoadSpec = {
  partitions: 8,
  records: 200_000,
  recordsPerSecond: 20_000,
  keys: { kind: 'zipf', keys: 10_000, exponent: 1, seed: 1 },
  bytes: 100,
};
const warmedUp = new WeakSet<Bench>();

export interface UnderLoad {
  readonly result: PeerResult;
  /** Of all records after the warm-up. */
  readonly latency: Latency;
  /** How late the producer was at p99, in milliseconds. */
  readonly producerLateMs: number;
}

/**
 * Produces the load to a topic of its own, from when the peer has its partitions on, and waits until it has handled all
 * of it. Rejects where one of both fails, and where fewer latencies were measured than records were produced.
 */
export async function underLoad(bench: Bench, peer: string, load: LoadSpec, more: Partial<Job>): Promise<UnderLoad> {
  if (!warmedUp.has(bench)) {
    warmedUp.add(bench);
    await oneLoad(bench, 'raw-flowing', FIRST_LOAD, {});
  }
  return oneLoad(bench, peer, load, more);
}

async function oneLoad(
  bench: Bench,
  peer: string,
  { partitions, records: measured, recordsPerSecond, keys, bytes, workUs = 0 }: LoadSpec,
  more: Partial<Job>,
): Promise<UnderLoad> {
  if (!bench.real) {
    throw new Error('load needs a real Kafka: the embedded broker shares the event loop of the benchmark itself');
  }
  const warmUpRecords = Math.round((recordsPerSecond ?? 0) * WARM_UP_PACE * WARM_UP_SECONDS);
  const records = warmUpRecords + measured;
  const topic = await bench.emptyTopic(partitions);
  const job = bench.job({ topic, partitions, records, keys: keys.keys }, { warmUpRecords, ...more, times: true });
  const load: Load = { servers: bench.servers, topic, records, warmUpRecords, recordsPerSecond, keys, bytes, workUs };
  // Of both processes none outlives the other's failure.
  const stop = new AbortController();
  const { signal } = stop;
  try {
    let onReady: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => (onReady = resolve));
    const consuming = runPeer(peer, job, { onReady, signal });
    await Promise.race([ready, consuming]);
    const [result, { late }] = await Promise.all([consuming, runProgram<LoadResult>('producer', load, { signal })]);
    const asked = records - firstMeasured(job);
    const { latency } = result;
    if (latency?.records !== asked) throw new Error(`${peer}: ${latency?.records ?? 0} latencies of ${asked}`);
    return { result, latency, producerLateMs: late.p99 };
  } finally {
    stop.abort();
  }
}

/** A note for each row whose producer was late. */
export function latenessNotes(
  rows: readonly { name: string; values: Readonly<Record<string, number | null>> }[],
): string[] {
  return rows
    .filter(({ values }) => (values['producerLateMs'] ?? 0) > LATE_MS)
    .map(
      ({ name, values }) =>
        `${name}: the producer itself was ${values['producerLateMs']?.toFixed(1)} ms late at p99; the latency counts that.`,
    );
}

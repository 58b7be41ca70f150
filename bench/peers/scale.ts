/**
 * The whole poller without a broker and without threads, in a process of its own: records come as fast as they are
 * taken and are complete as soon as they are handed out, so that all it costs is the poller itself. The same records
 * also go through a plain queue, which is what making and holding them costs, and through that queue with a map of
 * their keys.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ClientRecord } from '../../packages/keylane/dist/poller/client.js';
import type { Pipeline as PipelineType } from '../../packages/keylane/dist/poller/pipeline.js';
import { loadBuilt } from '../workload/built.ts';
import { InstantExecutor } from '../workload/instant-executor.ts';
import { RecordSource } from '../workload/record-source.ts';
import { Ring } from '../workload/ring.ts';
import { SourceClient } from '../workload/source-client.ts';

const { Pipeline } = await loadBuilt('poller/pipeline.js');
const { Events } = await loadBuilt('events.js');
const { resolveOptions } = await loadBuilt('options.js');
const { systemClock } = await loadBuilt('poller/clock.js');

/** What the records go through. */
export type Through = 'pipeline' | 'queue' | 'map';

export interface ScaleTask {
  readonly through: Through;
  readonly partitions: number;
  /** They come in turn; where there are more than records held, no key has two of them at a time. */
  readonly keys: number;
  /** Records between the client and the end of their handlers, at any time. */
  readonly heldRecords: number;
  readonly threads: number;
  /** Of each thread. */
  readonly slots: number;
  /** How long the poller is told that a handler takes, in milliseconds. */
  readonly handlerMs: number;
  /** The most records of one report. */
  readonly reportRecords: number;
  /** Records that are measured. */
  readonly records: number;
}

export interface ScaleResult {
  /** CPU of the whole process, garbage collection included. */
  readonly nsPerRecord: number;
  /** Heap and buffers in use, with so many records held. */
  readonly bytes: number;
  /** Lanes, or keys of the map, at that moment. */
  readonly liveKeys: number;
  /** Records that were with threads at that moment. */
  readonly inFlight: number;
}

/** Something records go through. */
interface Line {
  readonly completed: number;
  readonly held: number;
  readonly liveKeys: number;
  readonly inFlight: number;
  /** Takes records in, where there is room. */
  takeIn(): void;
  /** Completes some. */
  complete(): void;
  /** Completes all there are; throws where one was lost. */
  finish(): void;
}

/** Asked for in one call, as Keylane does by default. */
const RECORDS_PER_POLL_MAX = 1_000;
/** Below so much room Keylane asks for none. */
const RECORDS_PER_POLL_MIN = 125;
/** Before CPU counts the buffer is full, and at least so many records, or as many as are held, have gone through. */
const WARM_UP_RECORDS_MIN = 300_000;
/** Then timers may run. */
const STEPS_PER_TURN = 50;
/** No limit of these is to be met. */
const UNLIMITED = 2 ** 30;

const task = JSON.parse(process.argv.at(-1) as string) as ScaleTask;
const source = new RecordSource(task.partitions, task.keys);
const line = task.through === 'pipeline' ? await openPipeline() : openQueue(task.through === 'map');
process.stdout.write(`${JSON.stringify(await measure())}\n`, () => process.exit(0));

async function measure(): Promise<ScaleResult> {
  await runUntil(Math.max(WARM_UP_RECORDS_MIN, task.heldRecords));
  const [before, cpu] = [line.completed, process.cpuUsage()];
  await runUntil(before + task.records);
  const { user, system } = process.cpuUsage(cpu);
  const nsPerRecord = ((user + system) * 1_000) / (line.completed - before);
  const bytes = await bytesInUse();
  const { liveKeys, inFlight } = line;
  line.finish();
  return { nsPerRecord, bytes, liveKeys, inFlight };
}

async function runUntil(completed: number): Promise<void> {
  for (let step = 1; line.completed < completed; step += 1) {
    line.takeIn();
    // Until the buffer is full nothing completes.
    if (line.held > task.heldRecords - RECORDS_PER_POLL_MAX) line.complete();
    if (step % STEPS_PER_TURN === 0) await turn();
  }
}

async function bytesInUse(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  // Memory of buffers is given back a turn later.
  await turn();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function openPipeline(): Promise<Line> {
  const client = new SourceClient(source);
  const executor = new InstantExecutor(task);
  const pipeline = new Pipeline({
    options: resolveOptions({
      kafka: { 'bootstrap.servers': 'none', 'group.id': 'scale' },
      topics: [source.topic],
      handler: () => undefined,
      bufferedRecordsMax: task.heldRecords,
      bufferedRecordsPerPartitionMax: UNLIMITED,
      bufferedBytesMax: UNLIMITED,
      recordsPerPollMax: RECORDS_PER_POLL_MAX,
    }),
    client,
    producer: undefined,
    reader: undefined,
    executor,
    clock: systemClock,
    random: Math.random,
    events: new Events(),
    onRebalancing: () => undefined,
    onFatal: (error) => {
      throw error;
    },
  });
  await pipeline.start(new AbortController().signal);
  while (pipeline.assignment.open().length < task.partitions) {
    client.step();
    await turn();
  }
  return lineOf(pipeline, client, executor);
}

function lineOf(pipeline: PipelineType, client: SourceClient, executor: InstantExecutor): Line {
  const total = (count: (partition: ReturnType<typeof pipeline.assignment.open>[number]) => number) =>
    pipeline.assignment.open().reduce((sum, partition) => sum + count(partition), 0);
  return {
    get completed() {
      return pipeline.settle.completed;
    },
    get held() {
      return pipeline.budget.records;
    },
    get liveKeys() {
      return total(({ lanes }) => lanes.size);
    },
    get inFlight() {
      return total(({ inFlight }) => inFlight);
    },
    takeIn: () => client.step(),
    complete: () => executor.step(),
    finish() {
      client.flows = false;
      while (pipeline.budget.records > 0) executor.step();
      for (const { partition, tracker } of pipeline.assignment.open()) {
        const wanted = source.offsets[partition];
        if (tracker.committable === wanted) continue;
        throw new Error(`of partition ${partition} ${tracker.committable} is committable, ${wanted} were sent`);
      }
    },
  };
}

/** The same records through a plain queue; `withMap`: each also goes into a map by its key, and out of it again. */
function openQueue(withMap: boolean): Line {
  const size = task.heldRecords + RECORDS_PER_POLL_MAX;
  const records = new Ring<ClientRecord>(size);
  const keys = new Ring<string>(size);
  const byKey = new Map<string, ClientRecord>();
  let completed = 0;
  const take = (record: ClientRecord): void => {
    records.push(record);
    if (!withMap) return;
    const key = (record.key as Buffer).toString('latin1');
    keys.push(key);
    if (byKey.get(key) === undefined) byKey.set(key, record);
  };
  const complete = (): void => {
    for (let left = task.reportRecords; left > 0 && records.shift() !== undefined; left -= 1) {
      if (withMap) byKey.delete(keys.shift() as string);
      completed += 1;
    }
  };
  return {
    get completed() {
      return completed;
    },
    get held() {
      return records.length;
    },
    get liveKeys() {
      return byKey.size;
    },
    inFlight: 0,
    takeIn() {
      const room = Math.min(RECORDS_PER_POLL_MAX, task.heldRecords - records.length);
      if (room >= RECORDS_PER_POLL_MIN) for (const record of source.take(room)) take(record);
    },
    complete,
    finish() {
      while (records.length > 0) complete();
      if (completed !== source.made) throw new Error(`${completed} of ${source.made} records came through`);
    },
  };
}

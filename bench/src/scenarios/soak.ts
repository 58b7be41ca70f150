/**
 * Records through a small process, as fast as it takes them; with --full an hour's worth, at a thousand a second. Its
 * memory must stay where it was after the start. One run, told by tenths.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { RecordToProduce } from '@keylane/testing';
import type { Job } from '../../workload/job.ts';
import { mib } from '../../workload/memory.ts';
import { SOAK_BUFFERED_BYTES_MAX, SOAK_HEAP_MIB, type SoakSample } from '../../workload/soak.ts';
import { type Bench, type Findings, type Row, rowOf, type Scenario } from '../bench.ts';
import { figure } from '../figures.ts';
import { commandOf } from '../run-peer.ts';

const QUICK_RECORDS = 400_000;
/** An hour at 1,000 records a second. */
const FULL_RECORDS = 3_600_000;
/** How far producing may run ahead of consuming. */
const AHEAD_RECORDS = 200_000;
const CHUNK_RECORDS = 20_000;
const KEYS = 5_000;
const PARTITIONS = 4;
const VALUE = Buffer.alloc(500, 'x');
/** Nothing of the topic is read twice. */
const RETENTION_BYTES = 64 * 2 ** 20;
const SAY_EVERY_MS = 5_000;

export const soak: Scenario = {
  title: 'memory over time, of a small process',
  async run(bench: Bench): Promise<Findings> {
    const records = bench.records ?? bench.sized(QUICK_RECORDS, FULL_RECORDS);
    const topic = `bench-soak-${process.pid}`;
    if (bench.real) {
      await bench.cluster.createTopic(topic, PARTITIONS, { 'retention.bytes': `${RETENTION_BYTES}` });
    }
    const job = bench.job({ topic, partitions: PARTITIONS, records, keys: KEYS });
    const { rows, ratios } = tenthsOf(await samplesOf(bench, job), records);
    return {
      rows,
      columns: [
        { key: 'rssMiB', title: 'RSS, most, MiB' },
        { key: 'bufferedMiB', title: 'held, most, MiB', digits: 1 },
      ],
      ratios,
      // What they allow: noise of the allocator, and one fetch more than the budget.
      targets: [
        { ratio: 'endOverWarm', atMost: 1.3, required: true },
        { ratio: 'bufferedOverBudget', atMost: 1.1, required: true },
      ],
      chart: {
        title: `${figure(records)} records through a process with a heap of ${SOAK_HEAP_MIB} MiB`,
        axis: 'most memory (RSS) in that tenth of the run, MiB',
        series: [{ key: 'rssMiB', name: 'RSS' }],
      },
      notes: [
        `${figure(records)} records of ${VALUE.length} bytes, of which every 500th fails once. The first tenth warms up; the ` +
          'most of the later ones is held against the second.',
      ],
      promises: [],
    };
  },
};

/** Produces, never far ahead of the process, until it has consumed all; what it said of itself. */
async function samplesOf({ cluster, progress }: Bench, job: Job): Promise<SoakSample[]> {
  const [command, ...args] = await commandOf('soak');
  const child = spawn(command, [`--max-old-space-size=${SOAK_HEAP_MIB}`, ...args, JSON.stringify(job)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const samples: SoakSample[] = [];
  const ended = once(child, 'exit');
  createInterface({ input: child.stdout }).on('line', (line) => samples.push(JSON.parse(line) as SoakSample));
  const completed = () => samples.at(-1)?.completed ?? 0;
  const running = async (): Promise<void> => {
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 100))]);
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the consumer ended early (exit code ${child.exitCode}, signal ${child.signalCode})`);
    }
  };
  try {
    let saidAt = 0;
    for (let from = 0; from < job.records; from += CHUNK_RECORDS) {
      while (from - completed() > AHEAD_RECORDS) await running();
      await cluster.produce(chunk(job.topic, from, Math.min(job.records, from + CHUNK_RECORDS)));
      if (Date.now() - saidAt < SAY_EVERY_MS) continue;
      saidAt = Date.now();
      const rss = mib(samples.at(-1)?.rssBytes ?? 0);
      progress.step(`${completed()} of ${job.records} records, ${Math.round(rss)} MiB`, completed(), job.records);
    }
    while (completed() < job.records) await running();
  } finally {
    child.stdin.end();
    await ended;
  }
  return samples;
}

function* chunk(topic: string, from: number, to: number): Generator<RecordToProduce> {
  for (let index = from; index < to; index += 1) yield { topic, key: `key-${index % KEYS}`, value: VALUE };
}

/** Peaks by tenths of the run. */
export function tenthsOf(samples: readonly SoakSample[], records: number): Pick<Findings, 'rows' | 'ratios'> {
  const tenths = Array.from({ length: 10 }, (_, tenth) =>
    samples.filter(({ completed }) => Math.min(9, Math.floor((completed / records) * 10)) === tenth),
  );
  const rows = tenths.map((tenth, index): Row => {
    const name = `${index * 10} to ${index * 10 + 10} %`;
    if (tenth.length === 0) throw new Error(`nothing was heard of ${name} of the run: take more records`);
    const peak = (of: keyof SoakSample) => mib(tenth.reduce((most, sample) => Math.max(most, sample[of]), 0));
    return rowOf(name, [{ rssMiB: peak('rssBytes'), bufferedMiB: peak('bufferedBytes') }]);
  });
  const peaks = (key: string) => rows.map(({ values }) => values[key] ?? Number.NaN);
  const [, warm = Number.NaN, ...later] = peaks('rssMiB');
  return {
    rows,
    ratios: {
      endOverWarm: Math.max(...later) / warm,
      bufferedOverBudget: Math.max(...peaks('bufferedMiB')) / mib(SOAK_BUFFERED_BYTES_MAX),
    },
  };
}

/**
 * An hour's worth of records (a thousand a second) through a small process, as fast as it takes them: its memory must
 * stay where it was after the start. The consumer is a process of its own, so that nothing else is measured.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Cluster, RecordToProduce } from '@keylane/testing';
import type { Place } from './scenario.ts';

/** An hour at 1,000 records a second. */
export const SOAK_RECORDS = 3_600_000;
/** How far producing may run ahead of consuming. */
const AHEAD_RECORDS = 200_000;
const CHUNK_RECORDS = 20_000;
const VALUE = Buffer.alloc(500, 'x');

/** What the process says of itself, ten times a second. */
interface Sample {
  readonly completed: number;
  readonly rssBytes: number;
  readonly bufferedBytes: number;
  readonly bufferedBytesMax: number;
}

/** What the run came to. */
export interface SoakResult {
  readonly rows: readonly { readonly share: string; readonly rssMiB: number; readonly bufferedMiB: number }[];
  readonly ratios: { readonly endOverWarm: number; readonly bufferedOverBudget: number };
}

/** Runs it; `say` gets progress. */
export async function soak(place: Place, cluster: Cluster, say: (line: string) => void): Promise<SoakResult> {
  const file = fileURLToPath(new URL('./soak-consumer.mjs', import.meta.url));
  const child = spawn(process.execPath, ['--max-old-space-size=64', file, place.servers, place.topic], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const samples: Sample[] = [];
  const ended = once(child, 'exit');
  createInterface({ input: child.stdout }).on('line', (line) => samples.push(JSON.parse(line) as Sample));
  const completed = () => samples.at(-1)?.completed ?? 0;
  const running = async (): Promise<void> => {
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 100))]);
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the consumer ended early (exit code ${child.exitCode}, signal ${child.signalCode})`);
    }
  };
  try {
    let saidAt = 0;
    for (let from = 0; from < place.records; from += CHUNK_RECORDS) {
      while (from - completed() > AHEAD_RECORDS) await running();
      await cluster.produce(chunk(place.topic, from, Math.min(place.records, from + CHUNK_RECORDS)));
      if (Date.now() - saidAt < 5_000) continue;
      saidAt = Date.now();
      const { rssBytes = 0 } = samples.at(-1) ?? {};
      say(`${completed()} of ${place.records} records, ${Math.round(rssBytes / 2 ** 20)} MiB`);
    }
    while (completed() < place.records) await running();
  } finally {
    child.stdin.end();
    await ended;
  }
  return summary(samples, place.records);
}

function* chunk(topic: string, from: number, to: number): Generator<RecordToProduce> {
  for (let index = from; index < to; index += 1) yield { topic, key: `key-${index % 5_000}`, value: VALUE };
}

/** Peaks by tenths of the run. The first tenth warms up; the rest is held against the second. */
function summary(samples: readonly Sample[], records: number): SoakResult {
  const tenths = Array.from({ length: 10 }, (_, tenth) =>
    samples.filter(({ completed }) => Math.min(9, Math.floor((completed / records) * 10)) === tenth),
  );
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
  const peak = (of: readonly Sample[], value: (sample: Sample) => number) => Math.max(0, ...of.map(value));
  const rows = tenths.map((tenth, index) => ({
    share: `${index * 10} to ${index * 10 + 10} %`,
    rssMiB: mib(peak(tenth, ({ rssBytes }) => rssBytes)),
    bufferedMiB: mib(peak(tenth, ({ bufferedBytes }) => bufferedBytes)),
  }));
  const unseen = rows.filter((_, index) => tenths[index]?.length === 0).map(({ share }) => share);
  if (unseen.length > 0) throw new Error(`nothing was heard of ${unseen.join(', ')} of the run: take more records`);
  const [, warm = 0, ...later] = rows.map(({ rssMiB }) => rssMiB);
  const budget = samples[0]?.bufferedBytesMax ?? 1;
  return {
    rows,
    ratios: {
      endOverWarm: Math.max(...later) / warm,
      bufferedOverBudget: peak(samples, ({ bufferedBytes }) => bufferedBytes) / budget,
    },
  };
}

/**
 * What a benchmark is made of, and how Keylane itself is measured.
 */
import { randomUUID } from 'node:crypto';
import type { RecordToProduce } from '@keylane/testing';
import { type ConsumerOptions, startConsumer } from 'keylane';

/** Where the records are. */
export interface Place {
  readonly servers: string;
  readonly topic: string;
  readonly records: number;
}

/** One way of consuming them; resolves with records a second, from the first record to the last. */
interface Variant {
  readonly name: string;
  run(place: Place): Promise<number>;
}

export interface Scenario {
  readonly title: string;
  /** How many records, unless told otherwise. */
  readonly records: number;
  produce(topic: string, from: number, to: number): Iterable<RecordToProduce>;
  readonly variants: readonly Variant[];
  readonly ratios: readonly { readonly name: string; readonly of: string; readonly over: string }[];
}

const LOOK_EVERY_MS = 2;

/** Consumes everything with Keylane. */
export async function withKeylane(
  { servers, topic, records }: Place,
  options: Omit<ConsumerOptions, 'kafka' | 'topics'>,
): Promise<number> {
  const kafka = { 'bootstrap.servers': servers, 'group.id': randomUUID(), 'auto.offset.reset': 'earliest' };
  const consumer = await startConsumer({ kafka, topics: [topic], ...options });
  let start = 0;
  for (;;) {
    const { completed, buffered } = consumer.snapshot();
    if (start === 0 && (completed > 0 || buffered.records > 0)) start = performance.now();
    if (completed >= records) break;
    await Promise.race([consumer.closed, new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))]);
  }
  const seconds = (performance.now() - start) / 1_000;
  await consumer.close();
  return records / seconds;
}

/** The URL of a handler module of the benchmarks. */
export function handlerModule(name: string): URL {
  return new URL(`./handlers/${name}.mjs`, import.meta.url);
}

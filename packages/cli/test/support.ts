/**
 * What the tests of the command line share: running the built executable, dead letters to run it on, and reading back
 * what it produced.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { RecordToProduce } from '@keylane/testing';
import { HandlerError, type RecordHeader } from 'keylane';
import { type DeadLetterHeaders, deadLetterHeaders } from '../../keylane/src/poller/dead-letter-headers.ts';
import { type LogRecord, Reader } from '../src/kafka/client.ts';

const MAIN = new URL('../dist/main.js', import.meta.url).pathname;
const TIMEOUT_MS = 30_000;
/** Older records than a week may be deleted while we look. */
export const NOW: number = Date.now();

/** What a run of the executable said, and what it ended with. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run that goes on. */
export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

/** Starts `keylane ARGS` against these brokers. */
export function start(servers: string, args: readonly string[], env: Record<string, string> = {}): Running {
  const { KAFKA_BROKERS: _, KEYLANE_BOOTSTRAP_SERVERS: __, ...rest } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...rest, ...(servers !== '' && { KAFKA_BROKERS: servers }), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gathered = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      gathered[name] += text;
    });
  }
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...gathered }));
  });
  return { child, finished };
}

export function keylane(servers: string, ...args: string[]): Promise<Finished> {
  return start(servers, args).finished;
}

export interface Failure {
  readonly topic: string;
  readonly partition?: number;
  readonly offset: number;
  readonly key?: string | Buffer | null;
  readonly value?: string | Buffer | null;
  readonly headers?: readonly RecordHeader[];
  readonly timestamp?: number;
  readonly stage?: 'deserialize' | 'handle' | 'timeout' | 'thread-lost';
  readonly error?: Error;
  readonly failedAt?: number;
  readonly form?: DeadLetterHeaders;
}

/** A dead letter as a consumer of Keylane produces it. */
export function deadLetter(topic: string, failure: Failure): RecordToProduce & { headers: RecordHeader[] } {
  const { partition = 0, offset, stage = 'handle', error = named('PaymentDown', 'no answer'), form = 'both' } = failure;
  const { timestamp = NOW + offset, failedAt = 1_700_000_100_000 + offset } = failure;
  const at = { topic: failure.topic, partition, offset };
  const { key = `key-${offset}`, value = `value ${offset}` } = failure;
  const bytes = (data: string | Buffer | null) => (data === null ? null : Buffer.from(data as string));
  const record = {
    ...at,
    timestamp,
    key: bytes(key),
    value: bytes(value),
    headers: failure.headers ?? [],
    leaderEpoch: 0,
  };
  const facts = {
    record,
    error: new HandlerError({ ...at, attempt: 5 }, error, stage),
    stage,
    attempts: 5,
    group: 'billing',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    failedAt,
  };
  const headers = deadLetterHeaders(facts, form, 4_000);
  return { topic, partition, key: record.key, value: record.value, timestamp, headers };
}

/** The same in a park topic. */
export function parked(
  topic: string,
  failure: Failure & { readonly key: string },
  how: 'failed' | 'follows' = 'failed',
): RecordToProduce {
  const letter = deadLetter(topic, failure);
  const more: RecordHeader[] = [
    ['keylane_parked', Buffer.from(how)],
    ['keylane_park-key', Buffer.from(failure.key)],
  ];
  return { ...letter, headers: [...letter.headers, ...more] };
}

export function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

/** All that consumers of committed records see of a topic, partition by partition. */
export async function contents(servers: string, topic: string): Promise<LogRecord[]> {
  const reader = await Reader.open({ 'bootstrap.servers': servers }, 'keylane-cli-test', TIMEOUT_MS);
  try {
    const records: LogRecord[] = [];
    for (const span of await reader.spans(topic)) for await (const one of reader.read(topic, span)) records.push(one);
    return records;
  } finally {
    await reader.close();
  }
}

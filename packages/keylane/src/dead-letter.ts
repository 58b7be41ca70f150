/**
 * What tools import as `keylane/dead-letter`: reading dead letters and parked records back, whoever wrote them
 * (Keylane, Spring Kafka or Kafka Connect). Loads no Kafka client.
 */
import { CONNECT, KEYLANE, SPRING } from './poller/dead-letter-headers.ts';
import type { RecordHeader } from './wire/record.ts';

export {
  type DeadLetterFacts,
  KEYLANE as KEYLANE_HEADERS,
  withoutDeadLetterHeaders,
} from './poller/dead-letter-headers.ts';
export { decodeOffsetMap, encodeOffsetMap, type OffsetRanges, offsetMapLimits, runBytes } from './poller/offset-map.ts';

/** Where a dead letter came from and why it is one, as far as its headers say. */
export interface DeadLetter {
  /** Who wrote its headers. */
  readonly format: 'keylane' | 'spring' | 'connect';
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since the epoch. */
  readonly timestamp?: number;
  readonly group?: string;
  /** `deserialize`, `handle`, `timeout` or `thread-lost`; what Connect calls its stages where it wrote them. */
  readonly stage?: string;
  readonly attempts?: number;
  readonly traceId?: string;
  /** Milliseconds since the epoch. */
  readonly failedAt?: number;
  readonly error: { readonly name?: string; readonly message?: string; readonly stack?: string };
  /** What was known of a record that hung or ended its thread. */
  readonly evidence?: unknown;
  /** Of a parked record: whether it failed itself, or follows one of its key that did. */
  readonly parked?: 'failed' | 'follows';
  /** The key it was ordered by. */
  readonly parkKey?: Buffer;
}

/** Reads a dead letter's headers; `undefined` for a record that has none of a dead letter's. */
export function readDeadLetter(headers: readonly RecordHeader[]): DeadLetter | undefined {
  // Of a name that is repeated the last one counts.
  const all = new Map(headers);
  const text = (...names: string[]) => names.map((name) => all.get(name)?.toString()).find((one) => one !== undefined);
  const number = (...names: string[]) => {
    const said = text(...names);
    return said === undefined ? undefined : Number(said);
  };
  const int64 = (name: string) => (all.get(name)?.length === 8 ? Number(all.get(name)?.readBigInt64BE()) : undefined);
  const partition = all.get(SPRING.partition);

  const format = all.has(KEYLANE.topic) ? 'keylane' : all.has(SPRING.topic) ? 'spring' : 'connect';
  const origin = {
    topic: text(KEYLANE.topic, SPRING.topic, CONNECT.topic),
    partition: number(KEYLANE.partition) ?? (partition?.length === 4 ? partition.readInt32BE() : undefined),
    offset: number(KEYLANE.offset) ?? int64(SPRING.offset),
  };
  const { topic } = origin;
  if (topic === undefined) return undefined;
  const failedAt = text(KEYLANE.failedAt);
  const evidence = text(KEYLANE.evidence);
  return withoutUndefined({
    format,
    topic,
    partition: origin.partition ?? number(CONNECT.partition) ?? -1,
    offset: origin.offset ?? number(CONNECT.offset) ?? -1,
    timestamp: int64(SPRING.timestamp),
    group: text(KEYLANE.group, SPRING.group, CONNECT.connector),
    stage: text(KEYLANE.stage, CONNECT.stage),
    attempts: number(KEYLANE.attempts),
    traceId: text(KEYLANE.traceId),
    failedAt: failedAt === undefined ? undefined : Date.parse(failedAt),
    error: withoutUndefined({
      name: text(SPRING.name, CONNECT.name),
      message: text(SPRING.message, CONNECT.message),
      stack: text(SPRING.stack, CONNECT.stack),
    }),
    evidence: evidence === undefined ? undefined : parsed(evidence),
    parked: text(KEYLANE.parked) as DeadLetter['parked'] | undefined,
    parkKey: all.get(KEYLANE.parkKey),
  }) as unknown as DeadLetter;
}

/** Whoever produces may write what they like. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

function withoutUndefined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

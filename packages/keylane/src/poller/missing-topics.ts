/**
 * What a start says about topics that do not exist: no reason not to start, but worth a word. Pure, but for the asking.
 */
import { KafkaError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import { deadLetterTopicOf } from './dead-letter.ts';
import { parkTopicOf } from './park.ts';
import type { Producer } from './producer.ts';

const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** A topic that is to be consumed. */
export function missingTopic(name: string): KafkaError {
  const what = `topic ${name} does not exist, or this client may not see it; it is consumed as soon as it does`;
  return new KafkaError('ERR_KAFKA', what, { kafkaCode: UNKNOWN_TOPIC_OR_PARTITION });
}

/** Where dead letters and parked records are to go, as far as that can be known without a record. */
export async function missingDestinations(
  { topics, onExhausted, deadLetter, park }: Pick<ResolvedOptions, 'topics' | 'onExhausted' | 'deadLetter' | 'park'>,
  producer: Producer | undefined,
): Promise<KafkaError[]> {
  if (producer === undefined) return [];
  const literal = topics.filter((topic) => typeof topic === 'string');
  const missing = async (kind: string, nameOf: (topic: string) => string | undefined): Promise<KafkaError[]> => {
    const known = [...new Set(literal.map(nameOf).filter((name) => name !== undefined))];
    // Who cannot be asked now may be asked later: the first that goes there does.
    const counts = await Promise.all(known.map((name) => producer.partitions(name).catch(() => Number.NaN)));
    return known.filter((_, index) => counts[index] === undefined).map((name) => missingDestination(kind, name));
  };
  return [
    ...(onExhausted === 'dead-letter' ? await missing('dead-letter', (t) => deadLetterTopicOf(deadLetter, t)) : []),
    ...(park === undefined ? [] : await missing('park', (topic) => parkTopicOf(park, topic))),
  ];
}

function missingDestination(kind: string, name: string): KafkaError {
  const what =
    `${kind} topic ${name} does not exist, or this client may not see it: where the brokers do not create it by ` +
    'themselves, what goes there is refused, and commits wait for it. Create it with as many partitions as its source';
  return new KafkaError('ERR_KAFKA', what, { kafkaCode: UNKNOWN_TOPIC_OR_PARTITION });
}

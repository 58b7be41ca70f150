/**
 * What a start says about topics that do not exist: no reason not to start, but worth a word. Pure, but for the asking.
 */
import { KafkaError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import { deadLetterTopicOf } from './dead-letter.ts';
import type { Producer } from './producer.ts';

const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** A topic that is to be consumed. */
export function missingTopic(name: string): KafkaError {
  const what = `topic ${name} does not exist, or this client may not see it; it is consumed as soon as it does`;
  return new KafkaError('ERR_KAFKA', what, { kafkaCode: UNKNOWN_TOPIC_OR_PARTITION });
}

/** Where dead letters are to go, as far as that can be known without a record. */
export async function missingDeadLetterTopics(
  { topics, onExhausted, deadLetter }: Pick<ResolvedOptions, 'topics' | 'onExhausted' | 'deadLetter'>,
  producer: Producer | undefined,
): Promise<KafkaError[]> {
  if (producer === undefined || onExhausted !== 'dead-letter') return [];
  const literal = topics.filter((topic) => typeof topic === 'string');
  const names = literal.map((topic) => deadLetterTopicOf(deadLetter, topic));
  const known = [...new Set(names.filter((name) => name !== undefined))];
  const counts = await Promise.all(known.map((name) => producer.partitions(name)));
  return known.filter((_, index) => counts[index] === undefined).map(missingDeadLetterTopic);
}

function missingDeadLetterTopic(name: string): KafkaError {
  const what =
    `dead-letter topic ${name} does not exist, or this client may not see it: where the brokers do not create it by ` +
    'themselves, dead letters are refused, and commits wait for them. Create it with as many partitions as its source';
  return new KafkaError('ERR_KAFKA', what, { kafkaCode: UNKNOWN_TOPIC_OR_PARTITION });
}

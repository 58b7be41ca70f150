/**
 * The handler, run in threads: one decoder for all topics, made in each thread by `open`.
 */
import {
  AvroDeserializer,
  type Deserializer,
  JsonDeserializer,
  ProtobufDeserializer,
  RestError,
  SerdeType,
} from '@confluentinc/schemaregistry';
import { defineHandler, string } from 'keylane/handler';
import { type Order, openRegistry, type Topics } from './schemas.ts';

/** What the main thread hands to each handler thread. */
export interface Setting {
  readonly registryUrl: string;
  readonly topics: Topics;
  /** The name of the BroadcastChannel that hears of every order. */
  readonly channel: string;
}

export default defineHandler({
  async open({ handlerData, threadId }) {
    const { registryUrl, topics, channel } = handlerData as Setting;
    const registry = await openRegistry(registryUrl, topics);
    const deserializers = new Map<string, Deserializer>([
      [topics.avro, new AvroDeserializer(registry, SerdeType.VALUE, {})],
      [topics.protobuf, new ProtobufDeserializer(registry, SerdeType.VALUE, {})],
      [topics.json, new JsonDeserializer(registry, SerdeType.VALUE, { validate: true })],
    ]);
    return { deserializers, threadId, channel: new BroadcastChannel(channel) };
  },

  key: string(),

  async value(bytes, { raw: { topic, headers }, state }): Promise<Order> {
    try {
      // The headers, because newer producers put the schema's id there.
      return await state.deserializers.get(topic)?.deserialize(topic, bytes, Object.fromEntries(headers));
    } catch (error) {
      // A registry that is away is no fault of the record, which may be tried again; anything else is.
      throw isAway(error) ? Object.assign(error, { retryable: true }) : error;
    }
  },

  handle({ topic, key, value }, { state }) {
    if (value !== null) state.channel.postMessage({ topic, key, id: value.id, item: value.item });
  },

  close: ({ state }) => state.channel.close(),
});

function isAway(error: unknown): error is Error {
  if (error instanceof RestError) return error.status >= 500 || error.status === 429;
  return error instanceof Error && 'isAxiosError' in error;
}

/**
 * Orders as bytes, each with the id of its schema in front, as Confluent's serializers write them in any language.
 */
import { create } from '@bufbuild/protobuf';
import { AvroSerializer, JsonSerializer, ProtobufSerializer, SerdeType } from '@confluentinc/schemaregistry';
import type { RecordToProduce } from '@keylane/testing';
import { type Order, openRegistry, protobufOrder, type Topics } from './schemas.ts';

/** The orders in all three formats, one topic each, keyed by their id. */
export async function encode(url: string, topics: Topics, orders: readonly Order[]): Promise<RecordToProduce[]> {
  const registry = await openRegistry(url, topics);
  const options = { useLatestVersion: true };
  const avro = new AvroSerializer(registry, SerdeType.VALUE, options);
  const json = new JsonSerializer(registry, SerdeType.VALUE, { ...options, validate: true });
  const protobuf = new ProtobufSerializer(registry, SerdeType.VALUE, options);
  protobuf.registry.add(protobufOrder);

  const records: RecordToProduce[] = [];
  for (const order of orders) {
    const key = String(order.id);
    const message = create(protobufOrder, { ...order });
    records.push(
      { topic: topics.avro, key, value: await avro.serialize(topics.avro, order) },
      { topic: topics.protobuf, key, value: await protobuf.serialize(topics.protobuf, message) },
      { topic: topics.json, key, value: await json.serialize(topics.json, order) },
    );
  }
  return records;
}

/**
 * The same order in Avro, Protobuf and JSON Schema, and a registry that has all three.
 */
import { create, createFileRegistry, type DescMessage, toBinary } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import { type Client, type SchemaInfo, SchemaRegistryClient } from '@confluentinc/schemaregistry';

/** What a record of any of the three topics says. */
export interface Order {
  readonly id: number;
  readonly item: string;
}

export type Format = 'avro' | 'protobuf' | 'json';

/** Which topic has orders in which format. */
export type Topics = Readonly<Record<Format, string>>;

const avro = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: 'int' },
    { name: 'item', type: 'string' },
  ],
};

const json = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Order',
  type: 'object',
  properties: { id: { type: 'integer', minimum: 1 }, item: { type: 'string' } },
  required: ['id', 'item'],
};

/**
 * What protoc makes of
 *
 *     syntax = "proto3";
 *     message Order { int32 id = 1; string item = 2; }
 *
 * Written out, so that the example needs no compiler; a project would have it generated, as `order_pb.ts`.
 */
const protobuf = create(FileDescriptorProtoSchema, {
  name: 'order.proto',
  syntax: 'proto3',
  messageType: [
    {
      name: 'Order',
      field: [
        { name: 'id', jsonName: 'id', number: 1, ...optional(FieldDescriptorProto_Type.INT32) },
        { name: 'item', jsonName: 'item', number: 2, ...optional(FieldDescriptorProto_Type.STRING) },
      ],
    },
  ],
});

function optional(type: FieldDescriptorProto_Type) {
  return { type, label: FieldDescriptorProto_Label.OPTIONAL };
}

const file = createFileRegistry(protobuf, () => undefined);

/** The Protobuf message's type, for the serializer. */
export const protobufOrder = file.getMessage('Order') as DescMessage;

const schemas: Readonly<Record<Format, SchemaInfo>> = {
  avro: { schemaType: 'AVRO', schema: JSON.stringify(avro) },
  protobuf: {
    schemaType: 'PROTOBUF',
    schema: Buffer.from(toBinary(FileDescriptorProtoSchema, protobuf)).toString('base64'),
  },
  json: { schemaType: 'JSON', schema: JSON.stringify(json) },
};

/**
 * A client of the registry at this URL, with the schemas of all topics in it.
 *
 * A registry `mock://` lives in one thread. Each thread registers the same schemas in the same order, so they get the
 * same ids everywhere; a real registry answers with those it has.
 */
export async function openRegistry(url: string, topics: Topics): Promise<Client> {
  // No attempts of its own: they would take the handler's time. Keylane tries the record again, and only its key waits.
  const registry = SchemaRegistryClient.newClient({
    baseURLs: [url],
    maxRetries: 0,
    createAxiosDefaults: { timeout: 5_000 },
  });
  for (const format of ['avro', 'protobuf', 'json'] as const)
    await registry.register(`${topics[format]}-value`, schemas[format], false);
  return registry;
}

/**
 * What decoders make of a record, what they refuse, and what types the handler gets.
 */
import * as v from 'valibot';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { Leases } from '../wire/leases.ts';
import { Run } from '../wire/run.ts';
import { fromWireError, toWireError } from '../wire/wire-error.ts';
import { type Decoder, decoding, UndecodableError } from './decode.ts';
import {
  type AnyHandler,
  bytes,
  defineHandler,
  type HandlerContext,
  json,
  type KafkaRecord,
  string,
} from './handler.ts';

interface Order {
  readonly id: number;
}

const zodOrder = z.object({ id: z.number(), note: z.string().default('none') });
const valibotOrder = v.object({ id: v.number(), lines: v.optional(v.array(v.object({ price: v.number() }))) });
/** One of those whose schemas are functions. */
const functionSchema = Object.assign(() => 'called', {
  '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value: { given: value } }) },
});
const asyncRule = async (order: { id: number }) => order.id < 10;

function recordOf(value: Buffer | null, key: Buffer | null = null): KafkaRecord {
  return { topic: 't', partition: 0, offset: 7, timestamp: 3, key, value, headers: [], leaderEpoch: -1 };
}

/** Runs a handler with a record, whose run has this time; what it was given, or what it failed with. */
async function run(handler: Omit<AnyHandler, 'handle'>, record: KafkaRecord, handlerTimeoutMs = 0) {
  const leases = new Leases();
  const lease = leases.grant();
  const seen: [record: KafkaRecord<unknown, unknown>, context: HandlerContext<unknown>][] = [];
  const handle = decoding({ ...handler, handle: (...given) => void seen.push(given) });
  const site = { threadId: 0, state: 'mine', leases, handlerTimeoutMs };
  const context = new Run(site, { record, attempt: 1, previousError: undefined }, lease, performance.now());
  const over = { seen, context, revoke: () => leases.revoke(lease), error: undefined as unknown };
  const outcome = (async () => handle(record, context))().catch((error: unknown) => {
    over.error = error;
  });
  return { over, outcome };
}

async function decodedBy(value: Decoder<unknown>, given: string | Buffer | null): Promise<unknown> {
  const { over, outcome } = await run({ value }, recordOf(given === null ? null : Buffer.from(given)));
  await outcome;
  if (over.error !== undefined) throw over.error;
  return over.seen[0]?.[0].value;
}

describe('a value', () => {
  test.each<{ name: string; decoder: Decoder<unknown>; given: string; expected: unknown }>([
    { name: 'string()', decoder: string(), given: 'größe 🔑', expected: 'größe 🔑' },
    { name: 'string(), of nothing', decoder: string(), given: '', expected: '' },
    { name: 'json()', decoder: json(), given: '{"id":1}', expected: { id: 1 } },
    { name: 'json(), of a null that is written out', decoder: json(), given: 'null', expected: null },
    { name: 'bytes()', decoder: bytes(), given: 'ab', expected: Buffer.from('ab') },
    { name: 'a function', decoder: (given) => given.length, given: 'four', expected: 4 },
    { name: 'an async function', decoder: async (given) => given.length, given: 'four', expected: 4 },
    { name: 'a zod schema, with its default', decoder: zodOrder, given: '{"id":1}', expected: { id: 1, note: 'none' } },
    {
      name: 'a zod schema with an async refinement',
      decoder: zodOrder.refine(asyncRule),
      given: '{"id":2,"note":"x"}',
      expected: { id: 2, note: 'x' },
    },
    { name: 'a valibot schema', decoder: valibotOrder, given: '{"id":1}', expected: { id: 1 } },
    {
      name: 'a valibot schema with an async check',
      decoder: v.pipeAsync(valibotOrder, v.checkAsync(asyncRule)),
      given: '{"id":3}',
      expected: { id: 3 },
    },
    { name: 'a schema that is a function', decoder: functionSchema, given: '1', expected: { given: 1 } },
  ])('is read by $name', async ({ decoder, given, expected }) => {
    expect(await decodedBy(decoder, given)).toEqual(expected);
  });

  test.each<{ name: string; decoder: Decoder<unknown>; given?: string | Buffer; says: RegExp }>([
    {
      name: 'no UTF-8, as text',
      decoder: string(),
      given: Buffer.of(0x61, 0xff),
      says: /^value: the bytes are no UTF-8/,
    },
    {
      name: 'no UTF-8, as JSON',
      decoder: json(),
      given: Buffer.of(0x22, 0xff, 0x22),
      says: /^value: the bytes are no/,
    },
    { name: 'no JSON', decoder: json(), given: '{"id":', says: /^value: .*JSON/ },
    { name: 'nothing, as JSON', decoder: json(), given: '', says: /^value: .*JSON/ },
    { name: 'no JSON, for a schema', decoder: zodOrder, given: 'x', says: /^value: .*JSON/ },
    { name: 'not what zod wants', decoder: zodOrder, given: '{"id":"1"}', says: /^value: id: .*number/ },
    {
      name: 'not what valibot wants, deep inside',
      decoder: valibotOrder,
      given: '{"id":1,"lines":[{"price":1},{"price":"2"}]}',
      says: /^value: lines\.1\.price: .*number/,
    },
    {
      name: 'against an async refinement',
      decoder: zodOrder.refine(asyncRule, 'too large'),
      given: '{"id":10}',
      says: /^value: too large$/,
    },
    {
      name: 'wrong in more places than anybody wants to read',
      decoder: z.array(z.number()),
      given: '["a","b","c","d","e","f","g"]',
      says: /^value: 0: .*; 4: [^;]*; and 2 more$/,
    },
    {
      name: 'what a function does not like',
      decoder: () => {
        throw new RangeError('cannot read');
      },
      says: /^value: cannot read$/,
    },
    {
      name: 'what a function does not like later',
      decoder: () => Promise.reject(new RangeError('no luck')),
      says: /^value: no luck$/,
    },
    {
      name: 'what a function throws no Error for',
      decoder: () => {
        throw 'a text';
      },
      says: /^value: a text$/,
    },
    {
      name: 'what a function throws something unspeakable for',
      decoder: () => Promise.reject(Object.create(null)),
      says: /^value: a value that cannot be described$/,
    },
  ])('is undecodable: $name', async ({ decoder, given = 'x', says }) => {
    const { over, outcome } = await run({ value: decoder }, recordOf(Buffer.from(given)));
    await outcome;
    expect(over.error).toBeInstanceOf(UndecodableError);
    expect((over.error as Error).message).toMatch(says);
    expect(over.error).toMatchObject({ retryable: false, name: 'UndecodableError' });
    expect(over.seen).toEqual([]);
  });

  test('null is given to no decoder', async () => {
    const never = () => {
      throw new Error('called');
    };
    expect(await decodedBy(never, null)).toBeNull();
    expect(await decodedBy(zodOrder, null)).toBeNull();
  });

  test('is tried again where the error says that this may help', async () => {
    const away = Object.assign(new Error('the registry does not answer'), { retryable: true });
    const { over, outcome } = await run({ value: () => Promise.reject(away) }, recordOf(Buffer.from('x')));
    await outcome;
    expect(toWireError(over.error)).toMatchObject({ retryable: true, cause: { message: away.message } });
    expect(fromWireError(toWireError(over.error))).toMatchObject({ name: 'UndecodableError', retryable: true });
  });
});

describe('a record', () => {
  test('without decoders is handed on as it came, the very object', async () => {
    const record = recordOf(Buffer.from('v'), Buffer.from('k'));
    const { over, outcome } = await run({}, record);
    await outcome;
    expect(over.seen).toEqual([[record, over.context]]);
    expect(over.seen[0]?.[0]).toBe(record);
    expect(over.seen[0]?.[1].raw).toBe(record);
  });

  test('with decoders has both parts read, keeps all else, and is there as it came', async () => {
    const record = recordOf(Buffer.from('{"id":1}'), Buffer.from('k'));
    const { over, outcome } = await run({ key: async (given) => String(given), value: json() }, record);
    await outcome;
    expect(over.seen[0]?.[0]).toEqual({ ...record, key: 'k', value: { id: 1 } });
    expect(over.seen[0]?.[1].raw).toBe(record);
  });

  test('of which one part has a decoder keeps the bytes of the other', async () => {
    const record = recordOf(Buffer.from('v'), Buffer.from('k'));
    const { over, outcome } = await run({ key: string() }, record);
    await outcome;
    expect(over.seen[0]?.[0]).toMatchObject({ key: 'k', value: Buffer.from('v') });
  });

  test('of which both parts are undecodable fails with the first: nothing rejects unheard', async () => {
    const unheard: unknown[] = [];
    const listen = (error: unknown) => void unheard.push(error);
    process.on('unhandledRejection', listen);
    const fail = async (given: Buffer) => Promise.reject(new Error(`not ${given}`));
    const { over, outcome } = await run({ key: fail, value: fail }, recordOf(Buffer.from('v'), Buffer.from('k')));
    await outcome;
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listen);
    expect([(over.error as Error).message, unheard]).toEqual(['key: not k', []]);
  });

  test('gives decoders its topic, its headers and the state', async () => {
    const seen: unknown[] = [];
    const decoder = (_given: Buffer, { raw, state, attempt }: HandlerContext<unknown>) =>
      void seen.push(raw.topic, raw.offset, state, attempt);
    await (await run({ value: decoder }, recordOf(Buffer.from('x')))).outcome;
    expect(seen).toEqual(['t', 7, 'mine', 1]);
  });

  test('whose partition went while it was decoded never comes to the handler', async () => {
    let release: (() => void) | undefined;
    const slow = () => new Promise<void>((resolve) => (release = resolve));
    const { over, outcome } = await run({ value: slow }, recordOf(Buffer.from('x')));
    over.revoke();
    release?.();
    await outcome;
    expect([over.seen, over.error]).toMatchObject([[], { code: 'ERR_PARTITION_NOT_OWNED' }]);
  });

  test('whose time ran out while it was decoded never comes to the handler', async () => {
    const slow = (_given: Buffer, { signal }: HandlerContext<unknown>) =>
      new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    const { over, outcome } = await run({ value: slow }, recordOf(Buffer.from('x')), 20);
    const check = setInterval(() => over.context.check(performance.now()), 5);
    await outcome;
    clearInterval(check);
    expect([over.seen, over.error]).toMatchObject([[], { code: 'ERR_HANDLER_TIMEOUT' }]);
  });

  test.each([null, 7, 'json', {}, { '~standard': 1 }])(
    'cannot have the decoder %j: the module does not load',
    (value) => {
      expect(() => decoding({ value: value as never, handle: () => undefined })).toThrow(/value decoder is .*Standard/);
    },
  );
});

describe('the types of a handler', () => {
  test('come from its decoders', () => {
    defineHandler({ handle: (record) => expectTypeOf(record).toEqualTypeOf<KafkaRecord>() });
    defineHandler({
      key: string(),
      value: json<Order>(),
      handle(record, { state, raw }) {
        expectTypeOf(record.key).toEqualTypeOf<string | null>();
        expectTypeOf(record.value).toEqualTypeOf<Order | null>();
        expectTypeOf(state).toEqualTypeOf<undefined>();
        expectTypeOf(raw).toEqualTypeOf<KafkaRecord>();
      },
    });
    defineHandler({
      value: zodOrder,
      handle: ({ key, value }) => {
        expectTypeOf(key).toEqualTypeOf<Buffer | null>();
        expectTypeOf(value).toEqualTypeOf<{ id: number; note: string } | null>();
      },
    });
    defineHandler({
      key: valibotOrder,
      handle: ({ key }) => expectTypeOf(key).toExtend<{ id: number } | null>(),
    });
    expect.assertions(0);
  });

  test('come from its state too, where decoders use it', () => {
    defineHandler({
      open: async ({ threadId }) => ({ decode: (given: Buffer): Order => ({ id: given.length + threadId }) }),
      key: (given) => given.length,
      value: async (given, { state, raw }) => state.decode(raw.value ?? given),
      handle({ key, value }, { state }) {
        expectTypeOf(key).toEqualTypeOf<number | null>();
        expectTypeOf(value).toEqualTypeOf<Order | null>();
        expectTypeOf(state.decode).returns.toEqualTypeOf<Order>();
      },
      close: ({ state }) => expectTypeOf(state.decode).returns.toEqualTypeOf<Order>(),
    });
    expect.assertions(0);
  });

  test('cannot be claimed by the handler alone', () => {
    // @ts-expect-error nothing decodes the value
    defineHandler({ handle: (record: KafkaRecord<Buffer, Order>) => record.value?.id });
    expect.assertions(0);
  });
});

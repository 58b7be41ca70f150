/**
 * Handlers on the poller's own thread: their life from `open` to `close`, and what they are called with.
 */
import { describe, expect, test } from 'vitest';
import { recordOf, stubPartition } from '../../sim/stations.ts';
import { HandlerError } from '../errors.ts';
import { Delivery } from '../poller/delivery.ts';
import { Lane } from '../poller/lane.ts';
import { type AnyHandler, defineHandler, json, string } from '../worker/handler.ts';
import { InlineExecutor } from './inline-executor.ts';

async function executorOf(handler: AnyHandler) {
  const options = { concurrencyPerThread: 2, handlerTimeoutMs: 0, handlerAbortGraceMs: 0, handlerData: 'given' };
  const executor = new InlineExecutor(handler, options);
  const outcomes: unknown[] = [];
  let reported: () => void = () => undefined;
  await executor.start({
    onCompleted: () => void outcomes.push('completed'),
    onFailed: (_lane, error, stage) => void outcomes.push(`${stage}: ${error.message}`),
    onDropped: () => void outcomes.push('dropped'),
    onReported: () => reported(),
    onThreadLost: () => undefined,
    onFatal: (error) => void outcomes.push(error),
  });
  const lease = executor.leases.grant();
  /** Runs one record; resolves when its outcome was told. */
  const run = async (value: string | null, errors: readonly HandlerError[] = []) => {
    const lane = new Lane(stubPartition({ lease }), undefined, 0);
    const bytes = value === null ? null : Buffer.from(value);
    lane.push(Object.assign(new Delivery(recordOf({ offset: 0, value: bytes }), lane, 0, 0, 0), { errors }));
    lane.state = 'ready';
    lane.take(1);
    const told = new Promise<void>((resolve) => (reported = resolve));
    executor.send([lane]);
    await told;
    return outcomes.splice(0);
  };
  return { executor, run };
}

describe('a handler on this thread', () => {
  test('is opened before its first record, gets its state and what its decoders made, and is closed', async () => {
    const seen: unknown[] = [];
    const handler = defineHandler({
      open: async ({ threadId, handlerData }) => ({ threadId, handlerData }),
      key: string(),
      value: json<{ id: number }>(),
      handle: ({ key, value }, { state, raw }) => void seen.push(key, value, state.handlerData, String(raw.value)),
      close: ({ state }) => void seen.push(`closed ${state.handlerData}`),
    });
    const { executor, run } = await executorOf(handler);
    expect(await run('{"id":1}')).toEqual(['completed']);
    await executor.close(1_000);
    expect(seen).toEqual(['k', { id: 1 }, 'given', '{"id":1}', 'closed given']);
  });

  test('learns what its attempt before threw: the very error', async () => {
    const seen: unknown[] = [];
    const { run } = await executorOf({ handle: (_record, context) => void seen.push(context.previousError) });
    const thrown = new RangeError('the first attempt');
    const failure = new HandlerError({ topic: 't', partition: 0, offset: 0, attempt: 1 }, thrown);
    await run('x');
    await run('x', [failure]);
    expect(seen).toEqual([undefined, thrown]);
    expect(seen[1]).toBe(thrown);
  });

  test('that throws with it as the cause, again and again, makes no endless chain', async () => {
    let thrown: Error | undefined;
    const { run } = await executorOf({
      handle: (_record, { previousError }) => {
        thrown = new Error('again', { cause: previousError });
        throw thrown;
      },
    });
    for (let attempt = 1; attempt <= 50; attempt += 1) {
      const before = thrown && [new HandlerError({ topic: 't', partition: 0, offset: 0, attempt }, thrown)];
      expect(await run('x', before)).toEqual(['handle: again']);
    }
    let causes = 0;
    for (let cause = thrown?.cause; cause instanceof Error; cause = cause.cause) causes += 1;
    expect(causes).toBeLessThan(10);
  });

  test('may be a method of an object: it is called on it', async () => {
    const { run } = await executorOf({
      greeting: 'hello',
      handle(this: { greeting: string }) {
        if (this.greeting !== 'hello') throw new Error('not me');
      },
    } as AnyHandler);
    expect(await run('x')).toEqual(['completed']);
  });

  test('is not called with what cannot be decoded; that has failed with its own stage', async () => {
    const seen: unknown[] = [];
    const { run } = await executorOf({ value: json(), handle: ({ value }) => void seen.push(value) });
    expect([await run('{'), await run(null), seen]).toEqual([
      [expect.stringMatching(/^deserialize: value: .*JSON/)],
      ['completed'],
      [null],
    ]);
  });

  test.each([
    {
      name: 'whose open throws',
      handler: { open: () => Promise.reject(new Error('no database')) },
      says: 'no database',
    },
    { name: 'whose decoder is none', handler: { key: 7 }, says: 'key decoder is number' },
  ])('$name does not start', async ({ handler, says }) => {
    const started = executorOf({ handle: () => undefined, ...handler } as AnyHandler);
    await expect(started).rejects.toMatchObject({ code: 'ERR_HANDLER_LOAD', message: expect.stringContaining(says) });
  });

  test('whose close throws makes the end of the handlers fail, once', async () => {
    const close = async () => Promise.reject(new Error('cannot close'));
    const { executor } = await executorOf({ handle: () => undefined, close });
    await expect(executor.close(1_000)).rejects.toThrow('cannot close');
  });
});

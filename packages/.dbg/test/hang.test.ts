/**
 * Records that hang, and records that end their thread: each is found, and no other record pays for it.
 */
import { type Consumer, type ConsumerOptions, HandlerError, type KafkaRecord, startConsumer } from 'keylane';
import { describe, expect, test } from 'vitest';
import { baseOptions, handlerFile, uniqueName, until, useBroker } from './support.ts';

const HEAD = 4;
const RECORDS = 201;
const POISON = 100;
const RETRY = { attemptsMax: 3, delayMs: 5, jitter: 'none' } as const;

interface Trouble {
  readonly way: string;
  /** Runs in which the poison record makes trouble. Default: all. */
  readonly times?: number;
  readonly records?: number;
  readonly poison?: number;
  readonly workMs?: number;
  readonly openFails?: number;
  readonly exitAfterOpenMs?: number;
}

describe('a record that makes trouble', () => {
  const broker = useBroker('embedded');

  /** A consumer in one thread over numbered records, one of them poison, each with a key of its own. */
  async function troubled({ records = RECORDS, ...trouble }: Trouble, options: Partial<ConsumerOptions> = {}) {
    const topic = await broker.topic();
    await broker.cluster.produce(
      Array.from({ length: records }, (_, index) => ({ topic, key: `k${index}`, value: `${index}` })),
    );
    const ledger = new Int32Array(new SharedArrayBuffer((HEAD + records * 2) * 4));
    const consumer = await startConsumer({
      ...baseOptions(broker, uniqueName('g')),
      topics: [topic],
      handler: handlerFile('trouble'),
      handlerData: { poison: POISON, times: 1_000, workMs: 3, ...trouble, ledger: ledger.buffer },
      threads: 1,
      concurrencyPerThread: 8,
      retry: RETRY,
      threadOptions: { resourceLimits: { maxOldGenerationSizeMb: 64 } },
      ...options,
    });
    return {
      consumer,
      ledger,
      ...heard(consumer),
      of: (number: number) => [...ledger.slice(at(number), at(number) + 2)],
    };
  }

  const at = (number: number) => HEAD + number * 2;

  function heard(consumer: Consumer) {
    const [retries, warnings]: [HandlerError[], Error[]] = [[], []];
    consumer.on('retry', ({ error }) => void retries.push(error));
    consumer.on('warning', (warning) => void warnings.push(warning));
    return { retries, warnings };
  }

  type Troubled = Awaited<ReturnType<typeof troubled>>;

  /** Every record completed; none but the poison saw an attempt past its first. */
  async function expectOthersUnharmed({ consumer, of }: Troubled, records = RECORDS, poison = POISON): Promise<void> {
    await until(() => consumer.snapshot().completed === records, consumer);
    const numbers = Array.from({ length: records }, (_, number) => number);
    expect(numbers.filter((number) => (of(number)[0] as number) < 1)).toEqual([]);
    expect(numbers.filter((number) => number !== poison && of(number)[1] !== 1)).toEqual([]);
  }

  describe.each(['exit', 'throw-later', 'reject-later', 'out-of-memory'])('that ends its thread (%s)', (way) => {
    test('is found, and succeeds in the end beside 200 that lose no attempt', async () => {
      // The first time costs no attempt if others ran with it, since it cannot be told which it was.
      const over = await troubled({ way, times: 3 }, { retry: { ...RETRY, attemptsMax: 4 } });
      await using consumer = over.consumer;
      await expectOthersUnharmed(over);
      expect([2, 3]).toContain(over.retries.length);
      expect(new Set(over.retries.map(({ stage, code }) => `${stage} ${code}`))).toEqual(
        new Set(['thread-lost ERR_HANDLER_CRASHED']),
      );
      expect(new Set(over.retries.map(({ partition, offset }) => `${partition}@${offset}`)).size).toBe(1);
      expect(consumer.snapshot().threads[0]?.restarts).toBe(3);
      const code = way === 'out-of-memory' ? 'ERR_THREAD_OUT_OF_MEMORY' : 'ERR_THREAD_LOST';
      expect(over.warnings.map((warning) => (warning as HandlerError).code)).toEqual([code, code, code]);
    });

    test('has its attempts, then the consumer fails with it', async () => {
      const { consumer } = await troubled({ way });
      await expect(consumer.closed).rejects.toMatchObject({ code: 'ERR_HANDLER_CRASHED', attempt: 3 });
    });
  });

  describe.each(['spin', 'ignore-signal'])('that hangs (%s)', (way) => {
    const limits = { handlerTimeoutMs: 300, handlerAbortGraceMs: 100 };

    test('is ended, and succeeds on its last attempt beside 200 that lose none', async () => {
      const over = await troubled({ way, times: 2 }, limits);
      await using consumer = over.consumer;
      await expectOthersUnharmed(over);
      expect(over.retries.map(({ stage, code, attempt }) => ({ stage, code, attempt }))).toEqual([
        { stage: 'timeout', code: 'ERR_HANDLER_TIMEOUT', attempt: 1 },
        { stage: 'timeout', code: 'ERR_HANDLER_TIMEOUT', attempt: 2 },
      ]);
      expect([consumer.snapshot().threads[0]?.restarts, over.of(POISON)]).toEqual([2, [1, 3]]);
    });

    test('has its attempts, then the consumer fails with the limit and the remedy', async () => {
      const { consumer } = await troubled({ way, records: 1, poison: 0 }, limits);
      const failure: HandlerError = await consumer.closed.then(
        () => expect.unreachable(),
        (error) => error,
      );
      expect(failure).toBeInstanceOf(HandlerError);
      expect([failure.code, failure.attempt]).toEqual(['ERR_HANDLER_TIMEOUT', 3]);
      for (const part of ['@0', 'handlerTimeoutMs = 300', 'handlerAbortGraceMs = 100', 'Raise', 'context.signal']) {
        expect(failure.message).toContain(part);
      }
    });
  });

  test('that hangs after its first wait is told from those it holds up by running alone', async () => {
    const limits = { handlerTimeoutMs: 300, handlerAbortGraceMs: 100 };
    // One of several at first, which costs no attempt (unless nothing ran beside it); alone from there on.
    const retry = { ...RETRY, attemptsMax: 4 };
    const over = await troubled({ way: 'spin-later', times: 3, workMs: 30 }, { ...limits, retry });
    await using consumer = over.consumer;
    await expectOthersUnharmed(over);
    const failures = over.retries.length;
    expect([2, 3]).toContain(failures);
    expect(new Set(over.retries.map(({ stage }) => stage))).toEqual(new Set(['timeout']));
    expect([consumer.snapshot().threads[0]?.restarts, over.of(POISON)]).toEqual([3, [1, failures + 1]]);
  });

  test.each(['heed-signal', 'fail-late', 'spin-until-aborted'])(
    'that fails when its signal aborts (%s) costs an attempt and no thread',
    async (way) => {
      const over = await troubled({ way, times: 2 }, { handlerTimeoutMs: 200, handlerAbortGraceMs: 5_000 });
      await using consumer = over.consumer;
      await expectOthersUnharmed(over);
      expect(over.retries.map(({ stage, attempt }) => [stage, attempt])).toEqual([
        ['timeout', 1],
        ['timeout', 2],
      ]);
      expect(over.retries[0]?.message).toContain('handlerTimeoutMs = 200');
      expect([consumer.snapshot().threads[0]?.restarts, over.warnings]).toEqual([0, []]);
    },
  );

  test('that completes within the grace has completed', async () => {
    const limits = { handlerTimeoutMs: 200, handlerAbortGraceMs: 5_000 };
    const over = await troubled({ way: 'complete-late', records: 20, poison: 3 }, limits);
    await using consumer = over.consumer;
    await expectOthersUnharmed(over, 20, 3);
    expect([over.of(3), over.retries, consumer.snapshot().threads[0]?.restarts]).toEqual([[1, 1], [], 0]);
  });

  test('learns that its partition is gone when the drain runs out of time', async () => {
    const { consumer, ledger, retries } = await troubled({ way: 'until-revoked', records: 1, poison: 0 });
    await until(() => Atomics.load(ledger, 2) === 1, consumer);
    expect(consumer.snapshot().threads[0]?.running).toMatchObject([{ offset: 0, attempt: 1 }]);
    await consumer.close({ drainTimeoutMs: 50 });
    expect([Atomics.load(ledger, 2), Atomics.load(ledger, 3), retries]).toEqual([2, 1, []]);
  });

  test('a thread that never stops dying with nothing to run fails the consumer with the cause', async () => {
    const life = troubled({ way: 'exit', records: 0, exitAfterOpenMs: 50 }).then(({ consumer }) => consumer.closed);
    await expect(life).rejects.toMatchObject({
      code: 'ERR_THREAD_CRASH_LOOP',
      cause: { message: expect.stringContaining('7') },
    });
  });

  test('a thread that does not open again at once is tried again', async () => {
    const over = await troubled({ way: 'exit', times: 1, records: 20, poison: 3, openFails: 2 });
    await using consumer = over.consumer;
    await expectOthersUnharmed(over, 20, 3);
    expect([consumer.snapshot().threads[0]?.restarts, Atomics.load(over.ledger, 1)]).toEqual([1, 4]);
  });

  test('a thread that never opens again fails the consumer with why', async () => {
    const { consumer } = await troubled({ way: 'exit', records: 20, poison: 3, openFails: 1_000 });
    await expect(consumer.closed).rejects.toMatchObject({ code: 'ERR_HANDLER_LOAD' });
  });

  test('a poller that stood still for seconds blames no healthy thread', async () => {
    const limits = { handlerTimeoutMs: 500, handlerAbortGraceMs: 100 };
    const over = await troubled({ way: 'none', poison: -1, workMs: 300, records: 60 }, limits);
    await using consumer = over.consumer;
    await until(() => consumer.snapshot().completed > 0, consumer);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
    await expectOthersUnharmed(over, 60, -1);
    expect([consumer.snapshot().threads[0]?.restarts, over.retries, over.warnings]).toEqual([0, [], []]);
  });

  test('a handler function that ignores its signal fails, and its late outcome changes nothing', async () => {
    const topic = await broker.topic();
    await broker.cluster.produce([0, 1].map((index) => ({ topic, key: 'k', value: `${index}` })));
    let finish: (() => void) | undefined;
    const runs: string[] = [];
    const handler = (record: KafkaRecord, { attempt }: { attempt: number }) => {
      runs.push(`${record.value} attempt ${attempt}`);
      if (runs.length === 1) return new Promise<void>((resolve) => (finish = resolve));
      return undefined;
    };
    await using consumer = await startConsumer({
      ...baseOptions(broker, uniqueName('g')),
      topics: [topic],
      handler,
      handlerTimeoutMs: 100,
      handlerAbortGraceMs: 50,
      retry: RETRY,
    });
    const { retries } = heard(consumer);
    await until(() => consumer.snapshot().completed === 2, consumer);
    finish?.();
    await new Promise((resolve) => setImmediate(resolve));
    expect(retries.map(({ stage, code }) => [stage, code])).toEqual([['timeout', 'ERR_HANDLER_TIMEOUT']]);
    expect([runs, consumer.snapshot().completed]).toEqual([['0 attempt 1', '0 attempt 2', '1 attempt 1'], 2]);
  });
});

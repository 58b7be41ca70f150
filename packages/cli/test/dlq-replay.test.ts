/**
 * `keylane dlq replay`: the dry run, what is produced, what is remembered, and what a replay leaves that ended
 * anywhere.
 */
import { describe, expect, test } from 'vitest';
import { brokers, until, useBroker } from '../../keylane/test/support.ts';
import type { LogRecord } from '../src/kafka/client.ts';
import { contents, deadLetter, type Finished, keylane, NOW, start } from './support.ts';

describe.each(brokers)('on the %s broker', (kind) => {
  const broker = useBroker(kind);
  // The embedded broker takes a transaction's offsets and forgets them, and fences nobody.
  const isReal = kind === 'real';
  const replay = (...args: string[]): Promise<Finished> => keylane(broker.servers, 'dlq', 'replay', ...args);

  /** An origin that holds nothing, and dead letters from its first partition. */
  async function withDeadLetters(amount: number, partitions = 1) {
    const [origin, topic] = [await broker.topic(partitions), await broker.topic(partitions)];
    await broker.cluster.produce([{ topic: origin, partition: 0, key: 'old', value: 'old' }]);
    await broker.cluster.produce(
      Array.from({ length: amount }, (_, offset) => deadLetter(topic, { topic: origin, offset })),
    );
    return { origin, topic };
  }

  /** What was produced to a topic beside its first record. */
  async function replayed(topic: string): Promise<LogRecord[]> {
    return (await contents(broker.servers, topic)).filter(({ key }) => String(key) !== 'old');
  }

  /** The same, once there are so many: a transaction is seen a little after its commit was answered. */
  async function replayedOnce(topic: string, amount: number): Promise<LogRecord[]> {
    let records: LogRecord[] = [];
    await until(async () => {
      records = await replayed(topic);
      return records.length >= amount;
    });
    return records;
  }

  const keysOf = (records: readonly LogRecord[]) => records.map(({ key }) => String(key));
  const keys = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `key-${from + index}`);

  test('a dry run says what it would do, and does nothing', async () => {
    const { origin, topic } = await withDeadLetters(3);
    const dry = await replay(topic);
    expect(dry.code).toBe(3);
    expect(dry.stderr).toContain('Add --yes to replay');
    expect(dry.stdout).toContain('3 records to replay:');
    expect(dry.stdout).toMatch(new RegExp(`${topic}\\[0\\]@0\\.\\.2 +${origin}\\[0\\] +3`));
    expect((await replay(topic, '--dry-run')).code).toBe(0);
    const json = JSON.parse((await replay(topic, '--dry-run', '--json')).stdout);
    expect(json).toMatchObject({ toReplay: 3, moves: [{ to: origin, toPartition: 0, firstOffset: 0, lastOffset: 2 }] });
    expect(await replayed(origin)).toEqual([]);
    expect((await broker.cluster.committedOffsets(`keylane-dlq.${topic}`, topic))[0]).toBe(-1);
  });

  test('what is produced is the record as it was, to the partition it was in', async () => {
    const [origin, topic] = [await broker.topic(4), await broker.topic(4)];
    await broker.cluster.produce([{ topic: origin, partition: 0, key: 'old', value: 'old' }]);
    const binary = Buffer.from([0, 0xff, 0xfe, 0, 7]);
    const own = [
      ['trace', Buffer.from('a')],
      ['bytes', binary],
      ['trace', Buffer.from('b')],
      ['empty', Buffer.alloc(0)],
    ] as const;
    await broker.cluster.produce(
      [
        deadLetter(topic, { topic: origin, partition: 3, offset: 1, key: binary, value: binary, headers: own }),
        deadLetter(topic, { topic: origin, partition: 2, offset: 2, key: null, value: null, form: 'spring' }),
        deadLetter(topic, { topic: origin, partition: 2, offset: 3, key: '', value: '', form: 'connect' }),
        // Its topic had more partitions once: the key decides.
        deadLetter(topic, { topic: origin, partition: 3, offset: 4, key: 'k' }),
      ].map((letter, index) => (index === 3 ? gone(letter) : letter)),
    );
    expect(await replay(topic, '--yes')).toMatchObject({ code: 0, stderr: '' });
    const produced = await replayedOnce(origin, 4);
    const shown = produced.map(({ partition, key, value, headers, timestamp }) => ({
      partition,
      key,
      value,
      headers,
      timestamp,
    }));
    const from = (partition: number, offset: number) =>
      ['keylane_replayed-from', Buffer.from(`${topic}[${partition}]@${offset}`)] as const;
    expect(shown).toContainEqual({
      ...{ partition: 3, key: binary, value: binary, headers: [...own, from(3, 0)], timestamp: NOW + 1 },
    });
    expect(shown).toContainEqual({
      ...{ partition: 2, key: null, value: null, headers: [from(2, 0)], timestamp: NOW + 2 },
    });
    expect(shown).toContainEqual({
      ...{ partition: 2, key: Buffer.alloc(0), value: Buffer.alloc(0), headers: [from(2, 1)] },
      timestamp: NOW + 3,
    });
    expect(produced.find(({ key }) => String(key) === 'k')).toBeDefined();
    expect(produced).toHaveLength(4);
  });

  /** As if it came from a partition that its topic has no more. */
  function gone(letter: ReturnType<typeof deadLetter>) {
    const many = Buffer.from('11');
    const headers = letter.headers.map(([name, value]) => [name, name === 'keylane_origin-partition' ? many : value]);
    return { ...letter, headers: headers as unknown as typeof letter.headers };
  }

  test.runIf(isReal)('what was replayed is left out, and shown as such, until --again', async () => {
    const { origin, topic } = await withDeadLetters(6);
    const part = await replay(topic, '--yes', '--at', '0@1', '--at', '0@4');
    expect(part).toMatchObject({ code: 0, stderr: '' });
    expect(part.stdout).toContain('2 records replayed.');
    const list = await keylane(broker.servers, 'dlq', 'list', topic, '--json', '--not-replayed');
    expect(list.stdout.match(/"offset":\d+/g)).toEqual(['"offset":0', '"offset":2', '"offset":3', '"offset":5']);
    const rest = await replay(topic, '--yes', '--json');
    expect(JSON.parse(rest.stdout)).toMatchObject({ replayed: 4, replayedBefore: 2, stopped: false, error: null });
    expect(keysOf(await replayedOnce(origin, 6))).toEqual(['key-1', 'key-4', 'key-0', 'key-2', 'key-3', 'key-5']);
    const [committed] = await broker.cluster.committed(`keylane-dlq.${topic}`, topic);
    expect(committed).toMatchObject({ offset: 6, metadata: '' });
    const none = await replay(topic, '--yes');
    expect(none).toMatchObject({ code: 0 });
    expect(none.stdout).toContain(`6 records of ${topic} were replayed before`);
    expect(none.stdout).toContain('There is nothing to replay.');
    expect(await replayed(origin)).toHaveLength(6);
    expect((await replay(topic, '--yes', '--again', '--key', 'key-3')).code).toBe(0);
    expect(keysOf(await replayedOnce(origin, 7)).slice(6)).toEqual(['key-3']);
  });

  test('--to sends everything elsewhere, also what says nothing of its origin', async () => {
    const { origin, topic } = await withDeadLetters(2);
    await broker.cluster.produce([{ topic, partition: 0, key: 'plain', value: 'x' }]);
    const to = await broker.topic(1);
    await broker.cluster.produce([{ topic: to, partition: 0, key: 'old', value: 'old' }]);
    const dry = await replay(topic, '--dry-run');
    expect(dry.stdout).toContain(`1 record of ${topic} left out: no header says where it came from.`);
    expect((await replay(topic, '--yes', '--to', to)).code).toBe(0);
    expect(keysOf(await replayedOnce(to, 3)).sort()).toEqual(['key-0', 'key-1', 'plain']);
    expect(await replayed(origin)).toEqual([]);
    expect(await replay(topic, '--to', topic)).toMatchObject({ code: 2 });
  });

  test('memory that somebody else wrote is no licence to replay everything', async () => {
    const { origin, topic } = await withDeadLetters(2);
    const group = `keylane-dlq.${topic}`;
    await broker.cluster.commit(group, [{ topic, partition: 0, offset: 1, metadata: 'mine' }]);
    const refused = await replay(topic, '--yes');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/written by something else than Keylane\. So nobody knows .* With --again/);
    expect(await replayed(origin)).toEqual([]);
    expect((await replay(topic, '--yes', '--again')).code).toBe(0);
    expect(keysOf(await replayedOnce(origin, 2))).toEqual(['key-0', 'key-1']);
  });

  test.runIf(isReal)('Ctrl-C stops after what is under way, and the same command goes on', async () => {
    const { origin, topic } = await withDeadLetters(30);
    const { child, finished } = start(broker.servers, ['dlq', 'replay', topic, '--yes', '--rate', '10']);
    await until(async () => (await replayed(origin)).length >= 10);
    child.kill('SIGINT');
    const stopped = await finished;
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toContain('Stopped before the end: the same command goes on from here.');
    const before = Number(/^(\d+) records replayed\.$/m.exec(stopped.stdout)?.[1]);
    expect(keysOf(await replayedOnce(origin, before))).toEqual(keys(0, before));
    expect(before).toBeLessThan(30);
    expect((await replay(topic, '--yes')).stdout).toContain(`${30 - before} records replayed.`);
    expect(keysOf(await replayedOnce(origin, 30))).toEqual(keys(0, 30));
  });

  test.runIf(isReal)('a replay that is killed and started again produces each record once', async () => {
    const { origin, topic } = await withDeadLetters(400);
    const { child, finished } = start(broker.servers, ['dlq', 'replay', topic, '--yes', '--rate', '100']);
    await until(async () => (await replayed(origin)).length >= 100);
    child.kill('SIGKILL');
    expect((await finished).code).toBeNull();
    const again = await replay(topic, '--yes');
    expect(again).toMatchObject({ code: 0 });
    expect(keysOf(await replayedOnce(origin, 400))).toEqual(keys(0, 400));
  });

  test.runIf(isReal)('a second replay takes over, and together they produce each record once', async () => {
    const { origin, topic } = await withDeadLetters(60);
    const first = start(broker.servers, ['dlq', 'replay', topic, '--yes', '--rate', '10']);
    await until(async () => (await replayed(origin)).length >= 10);
    const second = await replay(topic, '--yes');
    expect(second).toMatchObject({ code: 0 });
    const fenced = await first.finished;
    expect(fenced.code).toBe(1);
    expect(fenced.stderr).toContain('another replay of this topic has taken over');
    expect(keysOf(await replayedOnce(origin, 60))).toEqual(keys(0, 60));
  });

  test('--rate holds it back', async () => {
    const { origin, topic } = await withDeadLetters(15);
    const begun = performance.now();
    expect((await replay(topic, '--yes', '--rate', '5')).code).toBe(0);
    // 5 at once, 5 after a second, 5 after two.
    expect(performance.now() - begun).toBeGreaterThan(2_000);
    expect(keysOf(await replayedOnce(origin, 15))).toEqual(keys(0, 15));
  });

  test.runIf(isReal)('a topic that is not there is not made, and a record that is refused is named', async () => {
    const { origin, topic } = await withDeadLetters(2);
    const nowhere = await replay(topic, '--yes', '--to', `${origin}-nowhere`);
    expect(nowhere.code).toBe(1);
    expect(nowhere.stderr).toContain(`there is no topic ${origin}-nowhere to replay to. Create it, or`);
    const small = `${origin}-small`;
    await broker.cluster.createTopic(small, 1, { 'max.message.bytes': '1000' });
    const letter = deadLetter(topic, { topic: small, offset: 2, value: 'x'.repeat(5_000) });
    await broker.cluster.produce([letter, deadLetter(topic, { topic: origin, offset: 3 })]);
    const refused = await replay(topic, '--yes');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/@2 was not replayed, nor what comes after it: .*too large.*--except/);
    expect(keysOf(await replayedOnce(origin, 2))).toEqual(['key-0', 'key-1']);
    expect((await replay(topic, '--yes', '--except', '0@2')).code).toBe(0);
    expect(keysOf(await replayedOnce(origin, 3))).toEqual(['key-0', 'key-1', 'key-3']);
    await broker.cluster.deleteTopic(small);
  });
});

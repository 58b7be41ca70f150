/**
 * What ends a process: SIGTERM closes in bounded time, kill -9 loses nothing.
 */
import { describe, expect, test } from 'vitest';
import { type App, startApp } from './app.ts';
import { baseOptions, uniqueName, until, useBroker } from './support.ts';

describe('a process that ends', () => {
  const broker = useBroker('embedded');

  function start(
    { group, ...at }: { topic: string; group: string; hangs: boolean; drainTimeoutMs: number },
    more: Record<string, unknown> = {},
  ): App {
    return startApp({ ...at, ...baseOptions(broker, group, more) });
  }

  const count = ({ lines }: App, what: string) => lines.filter((line) => line.startsWith(what)).length;
  const committed = async (group: string, topic: string) =>
    (await broker.cluster.committedOffsets(group, topic)).reduce((sum, offset) => sum + Math.max(0, offset), 0);

  async function scene(records: number) {
    const [topic, group] = [await broker.topic(), uniqueName('g')];
    await broker.cluster.produce(
      Array.from({ length: records }, (_, index) => ({ topic, key: `k${index}`, value: `${index}` })),
    );
    return { topic, group };
  }

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: what runs finishes and is committed, then the process ends',
    async (signal) => {
      const at = await scene(8);
      const app = start({ ...at, hangs: false, drainTimeoutMs: 20_000 });
      await until(() => count(app, 'started') > 0);
      app.child.kill(signal);
      expect(await app.exited).toEqual([0, null]);
      expect(app.lines).toContain('draining');
      expect(app.lines.at(-1)).toBe('closed');
      expect(count(app, 'completed')).toBe(count(app, 'started'));
      expect(await committed(at.group, at.topic)).toBe(count(app, 'completed'));
    },
  );

  test('a handler that hangs does not keep the process past its drain', async () => {
    const at = await scene(4);
    const app = start({ ...at, hangs: true, drainTimeoutMs: 500 });
    await until(() => count(app, 'started') === 4);
    app.child.kill('SIGTERM');
    expect(await app.exited).toEqual([0, null]);
    expect(app.lines).toContain('warning ERR_DRAIN_TIMEOUT');
    expect(app.lines.at(-1)).toBe('closed');
    expect(await committed(at.group, at.topic)).toBe(0);
  });

  test('a second signal ends the process at once', async () => {
    const at = await scene(4);
    const app = start({ ...at, hangs: true, drainTimeoutMs: 1_000_000 });
    await until(() => count(app, 'started') === 4);
    app.child.kill('SIGTERM');
    await until(() => app.lines.includes('draining'));
    app.child.kill('SIGTERM');
    expect(await app.exited).toEqual([null, 'SIGTERM']);
  });

  test('kill -9 in the middle: the rest runs in the next process, nothing is lost', async () => {
    const at = await scene(200);
    // Under the newer protocol the embedded broker would wait much longer for the dead member.
    const classic = { 'group.protocol': 'classic', 'session.timeout.ms': 6_000 };
    const first = start({ ...at, hangs: false, drainTimeoutMs: 1_000 }, classic);
    await until(() => count(first, 'completed') > 40);
    first.child.kill('SIGKILL');
    await first.exited;
    const second = start({ ...at, hangs: false, drainTimeoutMs: 20_000 }, classic);
    const ran = ({ lines }: App) => lines.filter((line) => line.startsWith('completed')).length;
    await until(async () => (await committed(at.group, at.topic)) === 200);
    second.child.kill('SIGTERM');
    await second.exited;
    expect(ran(first) + ran(second)).toBeGreaterThanOrEqual(200);
  });
});

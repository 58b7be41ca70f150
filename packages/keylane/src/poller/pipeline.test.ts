import { describe, expect, test } from 'vitest';
import { StubWorld } from '../../sim/stub-world.ts';
import { KafkaError } from '../errors.ts';
import type { ConsumerOptions } from '../options.ts';

/** Whether the client was told to pause when 8 records of a topic's only partition came, of which none is handled. */
async function pausedBy(options: Partial<ConsumerOptions>): Promise<boolean> {
  const world = new StubWorld();
  await world.running({ bufferedRecordsMax: 10, ...options });
  world.faults.send = 'hangs';
  await world.consume(0, 1, 2, 3, 4, 5, 6, 7);
  return world.calls.includes('pause');
}

describe('what one partition may hold', () => {
  test('the only one leaves room for none: it is not paused while the buffer has room', async () => {
    expect(await pausedBy({})).toBe(false);
  });

  test('the limit that is given holds for the only one, too', async () => {
    expect(await pausedBy({ bufferedRecordsPerPartitionMax: 5 })).toBe(true);
  });

  test('beside a second one it is half of the buffer', async () => {
    const world = new StubWorld();
    const { pipeline } = await world.running({ bufferedRecordsMax: 10 });
    world.client.listener?.onAssigned([{ topic: 't', partition: 1 }]);
    await world.pass(() => pipeline.assignment.size === 2);
    world.faults.send = 'hangs';
    await world.consume(0, 1, 2, 3, 4, 5, 6, 7);
    expect(world.calls.includes('pause')).toBe(true);
    world.client.listener?.onRevoked([{ topic: 't', partition: 1 }], true);
    await world.pass(() => pipeline.assignment.size === 1);
  });
});

describe('what the client reports', () => {
  test('is a warning once in ten seconds, each by what it says: most of it has no code', async () => {
    const world = new StubWorld();
    const consumer = await world.running();
    const told: string[] = [];
    consumer.on('warning', ({ message }) => void told.push(message));
    const report = (message: string) =>
      world.client.listener?.onError(new KafkaError('ERR_KAFKA', message, { kafkaCode: -1 }));
    for (const message of ['down', 'authentication failure', 'down', 'authentication failure']) report(message);
    expect(told).toEqual(['down', 'authentication failure']);
    const now = world.clock.now();
    await world.pass(() => world.clock.now() >= now + 10_000);
    report('down');
    expect(told).toEqual(['down', 'authentication failure', 'down']);
  });
});

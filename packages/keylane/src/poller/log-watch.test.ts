import { describe, expect, test } from 'vitest';
import { TestAssignment } from '../../sim/stations.ts';
import type { OffsetError } from '../errors.ts';
import { Events } from '../events.ts';
import type { CommittedOffset } from './client.ts';
import { LogWatch } from './log-watch.ts';
import type { Partition } from './partition.ts';

/** t[0] is ours, is given back with 7 committed under leader epoch 3, and comes back with this committed. */
async function comesBack(answer: () => Promise<readonly CommittedOffset[]>): Promise<TestAssignment> {
  let committed: () => Promise<readonly CommittedOffset[]> = async () => [];
  const over = await TestAssignment.owning([0], { committed: () => committed() });
  over.complete(over.run(0, 6, { leaderEpoch: 3 }));
  over.confirm();
  over.assignment.onRevoked([{ topic: 't', partition: 0 }], false);
  committed = answer;
  await over.assign(0);
  return over;
}

describe('LogWatch, a commit that went back', () => {
  const at = { topic: 't', partition: 0, metadata: '' };
  test.each([
    { name: 'what it was', committed: [{ ...at, offset: 7, leaderEpoch: 3 }], back: undefined },
    { name: 'further on', committed: [{ ...at, offset: 9, leaderEpoch: 3 }], back: undefined },
    { name: 'back, under a later leader', committed: [{ ...at, offset: 4, leaderEpoch: 4 }], back: undefined },
    { name: 'back', committed: [{ ...at, offset: 4, leaderEpoch: 3 }], back: 4 },
    { name: 'back, moved by hand', committed: [{ ...at, offset: 4 }], back: 4 },
    { name: 'none any more', committed: [], back: -1 },
  ])('is warned of when its partition comes back: $name', async ({ committed, back }) => {
    const over = await comesBack(async () => committed);
    const warned = { code: 'ERR_COMMIT_BACK', topic: 't', partition: 0, expected: 7, offset: back };
    expect(over.warnings).toMatchObject(back === undefined ? [] : [warned]);
  });

  test('of partitions that went, the last ten thousand are remembered, each from when it went last', () => {
    const events = new Events();
    const warned: (number | undefined)[] = [];
    events.on('warning', (error) => void warned.push((error as OffsetError).partition));
    const watch = new LogWatch({ watermarks: () => undefined }, events);
    const leave = (partition: number) =>
      watch.onLeft({ topic: 't', partition, committed: 7, committedEpoch: undefined } as Partition);
    for (let partition = 0; partition <= 10_001; partition += 1) {
      leave(partition);
      if (partition === 5_000) leave(1);
    }
    for (const partition of [0, 1, 2, 3, 10_001]) watch.onCommitted({ topic: 't', partition }, undefined);
    expect(warned).toEqual([1, 3, 10_001]);
  });

  test('a broker that does not say has not said that', async () => {
    const over = await comesBack(() => Promise.reject(new RangeError('nothing')));
    expect(over.warnings.map(({ name }) => name)).toEqual(['RangeError']);
  });
});

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../sim/fake-clock.ts';
import { sharedOf } from '../../sim/stations.ts';
import { KafkaError, type KeylaneError } from '../errors.ts';
import { Events } from '../events.ts';
import type { RecordHeader } from '../wire/record.ts';
import { guardWith } from './guard.ts';
import { defaultParkTopic, type ParkTopicRecord } from './park.ts';
import { Parking } from './parking.ts';
import { Partition } from './partition.ts';

/** A reader whose answers the test gives, one by one, and partitions of topics. */
function scene() {
  const [clock, events] = [new FakeClock(), new Events()];
  const [warnings, fatal, known, asked]: [KeylaneError[], KeylaneError[], string[], string[]] = [[], [], [], []];
  events.on('warning', (error) => void warnings.push(error));
  const reads: { onRecord: (record: ParkTopicRecord) => void; resolve: () => void; reject: (error: Error) => void }[] =
    [];
  const reader = {
    read: (topic: string, onRecord: (record: ParkTopicRecord) => void) =>
      new Promise<void>((resolve, reject) => {
        asked.push(topic);
        reads.push({ onRecord, resolve, reject });
      }),
    close: async () => undefined,
  };
  const parking = new Parking({
    policy: { topic: defaultParkTopic },
    reader,
    clock,
    events,
    guard: guardWith((error) => void fatal.push(error)),
    onKnown: ({ topic, partition, parked }) => void known.push(`${topic}[${partition}]: ${parked?.size}`),
  });
  const shared = sharedOf({ park: { topic: defaultParkTopic } });
  const partition = (number: number, topic = 't') => new Partition({ topic, partition: number }, shared);
  const answer = async (error?: Error) => {
    const { resolve, reject } = reads.shift() as (typeof reads)[number];
    if (error === undefined) resolve();
    else reject(error);
    await turn();
  };
  return { parking, reads, partition, answer, asked, known, warnings, fatal, clock };
}

/** A record of a park topic about a key of a source partition. */
function parkedRecord(source: number, offset: number, says: string, key = 'k'): ParkTopicRecord {
  const text = (name: string, value: string): RecordHeader => [`keylane_${name}`, Buffer.from(value)];
  const what = says === 'failed' || says === 'follows' ? text('parked', says) : text('released', says);
  const origin = [text('origin-topic', 't'), text('origin-partition', `${source}`), text('park-key', key)];
  return { topic: 't-parked', partition: 0, offset, headers: [...origin, what] };
}

const UNREADABLE = new KafkaError('ERR_KAFKA', 'no leader', { kafkaCode: 5 });

describe('Parking', () => {
  test('nothing is handed out until the park topic was read; each partition finds its own keys there', async () => {
    const { parking, partition, reads, answer, known, asked } = scene();
    // A park topic with fewer partitions than its source: two of them share one.
    const [one, five] = [partition(1), partition(5)];
    parking.load([one, five]);
    await turn();
    expect([one.handsOut, five.handsOut, asked]).toEqual([false, false, ['t-parked']]);
    const { onRecord } = reads[0] as (typeof reads)[number];
    onRecord(parkedRecord(1, 0, 'failed'));
    onRecord(parkedRecord(5, 1, 'failed'));
    onRecord(parkedRecord(1, 2, 'follows'));
    onRecord(parkedRecord(5, 3, '1'));
    onRecord(parkedRecord(9, 4, 'failed'));
    onRecord({ topic: 't-parked', partition: 0, offset: 5, headers: [] });
    await answer();
    expect([one.handsOut, five.handsOut, known]).toEqual([true, true, ['t[1]: 1', 't[5]: 0']]);
    expect([one.parked?.has('k'), five.parked?.has('k')]).toEqual([true, false]);
  });

  test('what follows a failed record that was deleted is parked as well', async () => {
    const { parking, partition, reads, answer } = scene();
    const one = partition(1);
    parking.load([one]);
    await turn();
    reads[0]?.onRecord(parkedRecord(1, 7, 'follows'));
    await answer();
    expect(one.parked?.mustFollow('k', { topic: 't', partition: 1, offset: 9, headers: [] })).toBe(true);
  });

  test('a topic that cannot be read: a warning, another try, and nothing handed out meanwhile', async () => {
    const { parking, partition, answer, asked, known, warnings, clock } = scene();
    const one = partition(1);
    parking.load([one]);
    await turn();
    for (let tries = 1; tries <= 3; tries += 1) {
      await answer(UNREADABLE);
      expect([warnings.length, one.handsOut, asked.length]).toEqual([tries, false, tries]);
      clock.step();
      await turn();
    }
    expect(warnings[0]).toMatchObject({ code: 'ERR_KAFKA', kafkaCode: 5 });
    expect(warnings[0]?.message).toContain('park topic t-parked cannot be read');
    expect(warnings[0]?.message).toContain('t[1]');
    await answer();
    expect([one.handsOut, known]).toEqual([true, ['t[1]: 0']]);
  });

  test('revoked and assigned again while it is read: each reads for itself, the old one learns nothing', async () => {
    const { parking, partition, reads, answer, known, fatal } = scene();
    const before = partition(1);
    parking.load([before]);
    await turn();
    before.close();
    const after = partition(1);
    parking.load([after]);
    await turn();
    // One topic is read at a time.
    expect(reads.length).toBe(1);
    reads[0]?.onRecord(parkedRecord(1, 0, 'failed'));
    await answer();
    expect([before.parked?.known, after.handsOut, known]).toEqual([false, false, []]);
    reads[0]?.onRecord(parkedRecord(1, 0, 'failed'));
    reads[0]?.onRecord(parkedRecord(1, 1, 'failed', 'other'));
    await answer();
    expect([after.parked?.size, known, fatal]).toEqual([2, ['t[1]: 2'], []]);
  });

  test('what is gone before its turn is not read, nor after a failure', async () => {
    const { parking, partition, answer, asked, known, clock } = scene();
    const [first, second] = [partition(1), partition(2, 'other')];
    parking.load([first]);
    parking.load([second]);
    await turn();
    second.close();
    await answer(UNREADABLE);
    first.drain();
    expect(clock.step()).toBe(true);
    await turn();
    expect([asked, known]).toEqual([['t-parked'], []]);
  });

  test('stopped while it reads, it tells nobody and tries no more', async () => {
    const { parking, partition, answer, known, warnings, clock } = scene();
    parking.load([partition(1)]);
    await turn();
    parking.stop();
    await answer(UNREADABLE);
    expect([known, warnings, clock.step()]).toEqual([[], [], false]);
    parking.load([partition(2)]);
    await turn();
    expect(known).toEqual([]);
  });
});

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { committerOver, outcomeOf, pass } from '../../sim/stations.ts';
import { KafkaError } from '../errors.ts';
import type { CommitAnswer } from './client.ts';

const REFUSED = new KafkaError('ERR_KAFKA', 'coordinator not available', { kafkaCode: 15 });
const REBALANCING = new KafkaError('ERR_KAFKA', 'rebalance in progress', { kafkaCode: 27 });

type Over = ReturnType<typeof committerOver>;

/** Lets time pass, and whoever waited for it go on. */
async function passing({ clock }: Over, durationMs: number): Promise<void> {
  await turn();
  pass(clock, durationMs);
  await turn();
}

describe('Committer.flush', () => {
  test('with nothing to commit it is done', async () => {
    const { flush, sent } = committerOver();
    expect([await outcomeOf(flush()), sent()]).toEqual([undefined, []]);
  });

  test('what the broker takes is sent once', async () => {
    const over = committerOver({ 0: 5, 1: 8 });
    const flushed = over.flush();
    expect([await outcomeOf(flushed), over.sent()]).toEqual(['pending', [['t[0]@5', 't[1]@8']]]);
    over.answer();
    expect([await outcomeOf(flushed), over.sent().length, over.store.confirmed]).toEqual([
      undefined,
      1,
      { 0: 5, 1: 8 },
    ]);
  });

  test.each([
    { name: 'all of it', error: REFUSED, errors: {}, again: ['t[0]@5', 't[1]@8'] },
    { name: 'one partition', error: undefined, errors: { 1: REFUSED }, again: ['t[1]@8'] },
    { name: 'all of it, and no partition is named', error: REFUSED, errors: undefined, again: ['t[0]@5', 't[1]@8'] },
  ])('what the broker refuses is sent again after 100 ms, and no earlier: $name', async ({ error, errors, again }) => {
    const over = committerOver({ 0: 5, 1: 8 });
    const flushed = over.flush();
    if (errors === undefined) over.committer.onAnswered([], error);
    else over.answer(error, errors);
    await passing(over, 99);
    expect([await outcomeOf(flushed), over.sent().length]).toEqual(['pending', 1]);
    await passing(over, 1);
    expect([await outcomeOf(flushed), over.sent().slice(1)]).toEqual(['pending', [again]]);
    over.answer();
    expect([await outcomeOf(flushed), over.sent().length]).toEqual([undefined, 2]);
  });

  test('a rebalance refuses it three times, and then it lands', async () => {
    const over = committerOver({ 0: 5 });
    const flushed = over.flush();
    for (let refused = 0; refused < 3; refused += 1) {
      over.answer(undefined, { 0: REBALANCING });
      await passing(over, 100);
    }
    expect([over.sent().length, over.store.confirmed, over.warnings.length]).toEqual([4, {}, 3]);
    over.answer();
    expect([await outcomeOf(flushed), over.store.confirmed]).toEqual([undefined, { 0: 5 }]);
  });

  test('waits for the commit in flight, then sends the rest', async () => {
    const over = committerOver({ 0: 5 });
    over.committer.start();
    pass(over.clock, 1_000);
    over.store.committable = { 0: 5, 1: 3 };
    const flushed = over.flush();
    expect([await outcomeOf(flushed), over.sent().length]).toEqual(['pending', 1]);
    over.answer();
    expect([await outcomeOf(flushed), over.sent().slice(1)]).toEqual(['pending', [['t[1]@3']]]);
    over.answer();
    expect(await outcomeOf(flushed)).toBeUndefined();
  });

  test('what became committable meanwhile is sent too', async () => {
    const over = committerOver({ 0: 5 });
    const flushed = over.flush();
    over.store.committable = { 0: 6 };
    over.answer();
    expect([await outcomeOf(flushed), over.sent().slice(1)]).toEqual(['pending', [['t[0]@6']]]);
    over.answer();
    expect(await outcomeOf(flushed)).toBeUndefined();
  });

  test('two at once never have two commits in flight, and are both done in the end', async () => {
    const over = committerOver({ 0: 5 });
    const [first, second] = [over.flush(), over.flush()];
    over.store.committable = { 0: 6 };
    over.answer();
    await turn();
    expect(over.sent()).toEqual([['t[0]@5'], ['t[0]@6']]);
    over.answer();
    expect([await outcomeOf(first), await outcomeOf(second), over.sent().length]).toEqual([undefined, undefined, 2]);
  });
});

describe('Committer.flush, for as long as it is wanted', () => {
  test('what nobody wants is not sent; the commit in flight is awaited all the same', async () => {
    const over = committerOver({ 0: 5 });
    over.committer.onCompleted(10);
    over.store.committable = { 0: 6 };
    const flushed = over.committer.flush(() => false);
    expect(await outcomeOf(flushed)).toBe('pending');
    over.answer();
    expect([await outcomeOf(flushed), over.sent()]).toEqual([undefined, [['t[0]@5']]]);
  });

  test.each([
    { name: 'while it waits for the answer', beforeAnswer: true },
    { name: 'while it waits to try again', beforeAnswer: false },
  ])('it ends where nobody wants it any more: $name', async ({ beforeAnswer }) => {
    const over = committerOver({ 0: 5 });
    let wanted = true;
    const flushed = over.committer.flush(() => wanted);
    if (beforeAnswer) wanted = false;
    over.answer(REFUSED);
    await turn();
    wanted = false;
    await passing(over, 100);
    expect([await outcomeOf(flushed), over.sent().length, over.store.confirmed]).toEqual([undefined, 1, {}]);
  });
});

describe('Committer.flush, answers that do not come', () => {
  test('it is tried again', async () => {
    const over = committerOver({ 0: 5 });
    const flushed = over.flush();
    await passing(over, 89_999);
    expect([over.sent().length, over.warnings]).toEqual([1, []]);
    for (const waitMs of [1, 100]) await passing(over, waitMs);
    expect([await outcomeOf(flushed), over.sent().length, over.warnings.length]).toEqual(['pending', 2, 1]);
    over.answer();
    expect(await outcomeOf(flushed)).toBeUndefined();
  });

  const LATE = { topic: 't', partition: 0, offset: 5 };

  /** A commit of 5 was given up, and the next, of what is committable now, is in flight. */
  async function withLateAnswer(change: (store: ReturnType<typeof committerOver>['store']) => void) {
    const over = committerOver({ 0: 5 });
    const flushed = over.flush();
    await passing(over, 90_000);
    change(over.store);
    await passing(over, 100);
    expect(over.sent()).toHaveLength(2);
    return { over, flushed };
  }

  test.each<{
    name: string;
    answer: CommitAnswer;
    error?: KafkaError;
    told: string[][];
    has: object;
    refused: string[];
  }>([
    { name: 'taken', answer: LATE, told: [['t[0]@5']], has: { 0: 5 }, refused: [] },
    { name: 'refused', answer: LATE, error: REFUSED, told: [], has: {}, refused: ['t[0]@5 15'] },
    { name: 'refused in part', answer: { ...LATE, error: REFUSED }, told: [], has: {}, refused: ['t[0]@5 15'] },
  ])('one that comes after all is told, and does not end the next commit: $name', async (late) => {
    const { over, flushed } = await withLateAnswer((store) => {
      store.committable = { 0: 6 };
    });
    over.committer.onAnswered([late.answer], late.error);
    expect([over.store.confirmed, over.store.refused, over.committed]).toEqual([late.has, late.refused, late.told]);
    expect([await outcomeOf(flushed), over.sent()]).toEqual(['pending', [['t[0]@5'], ['t[0]@6']]]);
    over.answer();
    expect([await outcomeOf(flushed), over.store.confirmed]).toEqual([undefined, { 0: 6 }]);
  });

  test('one that comes after the next was confirmed: the broker may have taken it last, so that is said again', async () => {
    const { over, flushed } = await withLateAnswer((store) => {
      store.committable = { 0: 6 };
    });
    over.answer();
    await flushed;
    over.committer.onAnswered([LATE], undefined);
    const again = over.flush();
    expect(over.sent()).toEqual([['t[0]@5'], ['t[0]@6'], ['t[0]@6']]);
    over.answer();
    expect([await outcomeOf(again), over.store.confirmed]).toEqual([undefined, { 0: 6 }]);
  });

  /** The first answer may be the late one's or the next one's: the broker is sure to have what the first said. */
  async function withAnotherMap() {
    const { over, flushed } = await withLateAnswer((store) => {
      store.map = 'fuller map';
    });
    over.committer.onAnswered([LATE], undefined);
    expect([over.store.confirmedMap, await outcomeOf(flushed), over.store.wanted()]).toEqual(['map', 'pending', true]);
    expect(over.commits.map((commit) => commit[0]?.metadata)).toEqual([
      'map of 5',
      'fuller map of 5',
      'fuller map of 5',
    ]);
    return { over, flushed };
  }

  test('it is not believed for another map at the same offset, which is sent again', async () => {
    const { over, flushed } = await withAnotherMap();
    over.answer();
    expect(over.store.confirmedMap).toBe('fuller map');
    await passing(over, 100);
    expect([await outcomeOf(flushed), over.store.wanted(), over.sent().length]).toEqual([undefined, false, 3]);
  });

  test('nor is a refusal of the first taken for one of the second', async () => {
    const { over, flushed } = await withAnotherMap();
    over.committer.onAnswered([LATE], REFUSED);
    await passing(over, 100);
    expect([over.store.confirmedMap, await outcomeOf(flushed), over.sent().length]).toEqual(['map', 'pending', 4]);
    over.answer();
    expect(over.store.confirmedMap).toBe('fuller map');
  });

  test('one that comes after all leaves the limit of the next commit as it was', async () => {
    const over = committerOver({ 0: 5 });
    void over.flush();
    await passing(over, 90_000);
    over.store.committable = { 0: 6 };
    await passing(over, 100);
    over.committer.onAnswered([LATE], undefined);
    await passing(over, 89_999);
    expect(over.warnings).toHaveLength(1);
    await passing(over, 1);
    expect(over.warnings).toHaveLength(2);
  });
});

describe('Committer.stop', () => {
  test("releases every flush that waits for its next try, a revoke's and the close's, and leaves no timer", async () => {
    const over = committerOver({ 0: 5 });
    const flushes = [over.flush(), over.flush()];
    for (const _ of flushes) {
      over.answer(REFUSED);
      await passing(over, 1);
    }
    over.committer.stop();
    expect([await outcomeOf(Promise.all(flushes)), over.clock.step()]).toEqual([[undefined, undefined], false]);
  });

  test('releases a flush that waits for its own commit', async () => {
    const over = committerOver({ 0: 5 });
    const flushed = over.flush();
    over.committer.stop();
    await passing(over, 100);
    expect([await outcomeOf(flushed), over.sent().length]).toEqual([undefined, 1]);
  });

  test('a flush that waits to try again ends without another try', async () => {
    const over = committerOver({ 0: 5 });
    const flushed = over.flush();
    over.answer(REBALANCING);
    await turn();
    over.committer.stop();
    await passing(over, 100);
    expect([await outcomeOf(flushed), over.sent().length]).toEqual([undefined, 1]);
  });

  test('two that wait to try again both end, and leave no wait behind', async () => {
    const over = committerOver({ 0: 5 });
    const flushed = [over.flush(), over.flush()];
    over.answer(REBALANCING);
    await turn();
    over.answer(REBALANCING);
    await turn();
    over.committer.stop();
    expect([await outcomeOf(Promise.all(flushed)), over.clock.step()]).toEqual([[undefined, undefined], false]);
  });

  test.each([
    { name: 'not answered', answered: false },
    { name: 'answered in the same turn', answered: true },
  ])('a flush that waits for an earlier commit, $name, sends no more', async ({ answered }) => {
    const over = committerOver({ 0: 5 });
    over.committer.onCompleted(10);
    over.store.committable = { 0: 6 };
    const flushed = over.flush();
    if (answered) over.answer();
    over.committer.stop();
    await passing(over, 100);
    expect([await outcomeOf(flushed), over.sent()]).toEqual([undefined, [['t[0]@5']]]);
  });

  test('ends all commits and all timers', async () => {
    const over = committerOver({ 0: 5 });
    over.committer.start();
    over.committer.stop();
    over.committer.onCompleted(1_000);
    expect([await outcomeOf(over.flush()), over.clock.step(), over.sent(), over.warnings]).toEqual([
      undefined,
      false,
      [],
      [],
    ]);
  });

  test('with a commit in flight no wait for its answer is left', () => {
    const over = committerOver({ 0: 5 });
    over.committer.onCompleted(10);
    over.committer.stop();
    expect([over.clock.step(), over.warnings]).toEqual([false, []]);
  });

  test('an answer that comes later is told, and changes nothing', () => {
    const over = committerOver({ 0: 5 });
    over.committer.onCompleted(10);
    over.committer.stop();
    over.answer();
    expect([over.committed, over.store.confirmed]).toEqual([[['t[0]@5']], {}]);
  });
});

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { committerOver, pass } from '../../sim/stations.ts';
import { KafkaError } from '../errors.ts';

const REFUSED = new KafkaError('ERR_KAFKA', 'coordinator not available', { kafkaCode: 15 });
const REBALANCING = new KafkaError('ERR_KAFKA', 'rebalance in progress', { kafkaCode: 27 });

describe('Committer, by time and by count', () => {
  test('commits every interval what is committable, and nothing where there is nothing', () => {
    const { committer, clock, store, answer, sent } = committerOver();
    committer.start();
    pass(clock, 1_000);
    expect(sent()).toEqual([]);
    store.committable = { 0: 5, 3: 7 };
    pass(clock, 999);
    expect(sent()).toEqual([]);
    pass(clock, 1);
    expect(sent()).toEqual([['t[0]@5', 't[3]@7']]);
    answer();
    store.committable = { 0: 6, 3: 7 };
    pass(clock, 1_000);
    expect(sent().slice(1)).toEqual([['t[0]@6']]);
  });

  test('commits early after commitRecordsMax records, counted from the commit before', () => {
    const { committer, store, answer, sent } = committerOver({ 0: 9 });
    committer.onCompleted(9);
    expect(sent()).toEqual([]);
    committer.onCompleted(12);
    expect(sent()).toEqual([['t[0]@9']]);
    answer();
    store.committable = { 0: 21 };
    committer.onCompleted(21);
    expect(sent()).toHaveLength(1);
    committer.onCompleted(22);
    expect(sent().slice(1)).toEqual([['t[0]@21']]);
  });

  test('an early commit that a commit in flight held up is made by the next completion', () => {
    const { committer, store, answer, sent } = committerOver({ 0: 9 });
    committer.onCompleted(10);
    committer.onCompleted(20);
    expect(sent()).toEqual([['t[0]@9']]);
    answer();
    store.committable = { 0: 20 };
    committer.onCompleted(21);
    expect(sent().slice(1)).toEqual([['t[0]@20']]);
  });

  test('where nothing is to commit, the next early commit is asked for after as many records again', () => {
    const { committer, store, sent } = committerOver({});
    committer.onCompleted(10);
    store.committable = { 0: 20 };
    committer.onCompleted(19);
    expect(sent()).toEqual([]);
    committer.onCompleted(20);
    expect(sent()).toEqual([['t[0]@20']]);
  });

  test('one commit is in flight at a time', async () => {
    const { committer, clock, store, answer, flush, sent } = committerOver({ 0: 5 });
    committer.start();
    pass(clock, 1_000);
    store.committable = { 0: 6, 1: 1 };
    pass(clock, 10_000);
    committer.onCompleted(1_000);
    void flush();
    await turn();
    expect(sent()).toEqual([['t[0]@5']]);
    answer();
    await turn();
    expect(sent().slice(1)).toEqual([['t[0]@6', 't[1]@1']]);
  });
});

describe('Committer, answers', () => {
  test('only an answer counts as committed', () => {
    const { committer, clock, store, answer, committed } = committerOver({ 0: 5, 1: 8 });
    committer.start();
    pass(clock, 1_000);
    expect([store.confirmed, committed]).toEqual([{}, []]);
    answer();
    expect([store.confirmed, committed]).toEqual([{ 0: 5, 1: 8 }, [['t[0]@5', 't[1]@8']]]);
  });

  test('a refused commit is warned of, stays as it was, and is tried again with the next', () => {
    const { committer, clock, store, answer, warnings, committed, sent } = committerOver({ 0: 5 });
    committer.start();
    pass(clock, 1_000);
    answer(REFUSED);
    expect([store.confirmed, committed]).toEqual([{}, []]);
    expect(warnings).toMatchObject([{ code: 'ERR_COMMIT', kafkaCode: 15, fatal: false, cause: REFUSED }]);
    expect(warnings[0]?.message).toContain('coordinator not available (t[0]@5)');
    pass(clock, 1_000);
    expect(sent()).toEqual([['t[0]@5'], ['t[0]@5']]);
    answer();
    expect([store.confirmed, warnings.length]).toEqual([{ 0: 5 }, 1]);
  });

  test('where one partition is refused, the others count and it alone is tried again', () => {
    const { committer, clock, store, answer, warnings, committed, sent } = committerOver({ 0: 5, 1: 8, 2: 9 });
    committer.start();
    pass(clock, 1_000);
    answer(undefined, { 1: REFUSED });
    expect([store.confirmed, committed]).toEqual([{ 0: 5, 2: 9 }, [['t[0]@5', 't[2]@9']]]);
    expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining('(t[1]@8)')]);
    pass(clock, 1_000);
    expect(sent().slice(1)).toEqual([['t[1]@8']]);
  });

  test('an answer that does not come is taken as lost, and the next commit goes out', () => {
    const { committer, clock, warnings, sent } = committerOver({ 0: 5 });
    committer.start();
    pass(clock, 1_000);
    pass(clock, 89_999);
    expect([sent().length, warnings]).toEqual([1, []]);
    pass(clock, 1_001);
    expect(sent()).toEqual([['t[0]@5'], ['t[0]@5']]);
    expect(warnings).toMatchObject([{ code: 'ERR_COMMIT', message: 'a commit was not answered within 90000 ms' }]);
  });

  test('what is sent is the offset and its metadata, and who is told of the answer stays here', () => {
    const { committer, commits } = committerOver({ 0: 5 });
    committer.onCompleted(10);
    expect(commits).toEqual([[{ topic: 't', partition: 0, offset: 5, metadata: 'map of 5' }]]);
  });

  test.each([
    { name: 'as a whole', error: REBALANCING, errors: {}, refused: ['t[0]@5 27', 't[1]@8 27'] },
    { name: 'for one partition', error: undefined, errors: { 1: REFUSED }, refused: ['t[1]@8 15'] },
    { name: 'for both reasons: the whole counts', error: REBALANCING, errors: { 1: REFUSED }, refused: null },
    { name: 'not at all', error: undefined, errors: {}, refused: [] },
  ])('whose offset was refused is told, and why: $name', ({ error, errors, refused }) => {
    const { committer, store, answer } = committerOver({ 0: 5, 1: 8 });
    committer.onCompleted(10);
    answer(error, errors);
    expect(store.refused).toEqual(refused ?? ['t[0]@5 27', 't[1]@8 27']);
  });

  const at = (partition: number, offset: number) => ({ topic: 't', partition, offset });
  test.each([
    { name: 'of another offset', answers: [at(0, 4), at(1, 8)], error: undefined },
    { name: 'of fewer partitions', answers: [at(0, 5)], error: undefined },
    { name: 'of more partitions', answers: [at(0, 5), at(1, 8), at(2, 9)], error: undefined },
    { name: 'of another offset, refused', answers: [at(0, 4), at(1, 8)], error: REFUSED },
    { name: 'of another offset, in another order', answers: [at(1, 8), at(0, 4)], error: undefined },
    { name: 'of another topic', answers: [{ ...at(0, 5), topic: 'u' }, at(1, 8)], error: undefined },
    { name: 'of nothing', answers: [], error: undefined },
  ])('an answer to another commit changes nothing, and the one in flight waits on: $name', ({ answers, error }) => {
    const { committer, store, answer, sent } = committerOver({ 0: 5, 1: 8 });
    committer.onCompleted(10);
    committer.onAnswered(answers, error);
    committer.onCompleted(20);
    expect([store.confirmed, store.refused, sent().length]).toEqual([{}, [], 1]);
    answer();
    expect(store.confirmed).toEqual({ 0: 5, 1: 8 });
  });

  test('answers in another order are told to those they are of', () => {
    const { committer, store, sent } = committerOver({ 0: 5, 1: 8, 2: 9 });
    committer.onCompleted(10);
    committer.onAnswered([at(2, 9), { ...at(0, 5), error: REFUSED }, at(1, 8)], undefined);
    expect([store.confirmed, store.refused]).toEqual([{ 1: 8, 2: 9 }, ['t[0]@5 15']]);
    committer.onCompleted(20);
    expect(sent().slice(1)).toEqual([['t[0]@5']]);
  });

  test('one that the client does not even send is not in flight: the next goes out', () => {
    const { committer, clock, store, answer, sent, refuseCalls } = committerOver({ 0: 5 });
    refuseCalls(REFUSED);
    expect(() => committer.onCompleted(10)).toThrow(REFUSED);
    expect(clock.step()).toBe(false);
    refuseCalls(undefined);
    committer.onCompleted(20);
    answer();
    expect([sent(), store.confirmed]).toEqual([[['t[0]@5']], { 0: 5 }]);
  });

  test('a request that failed as a whole may name no partition: all of it is tried again', () => {
    const { committer, clock, store, warnings, committed, sent } = committerOver({ 0: 5, 1: 8 });
    committer.start();
    pass(clock, 1_000);
    committer.onAnswered([], REFUSED);
    expect([store.confirmed, committed, warnings]).toMatchObject([{}, [], [{ code: 'ERR_COMMIT', cause: REFUSED }]]);
    pass(clock, 1_000);
    expect(sent()).toEqual([
      ['t[0]@5', 't[1]@8'],
      ['t[0]@5', 't[1]@8'],
    ]);
  });

  test('an answer in time ends the wait for it', () => {
    const { committer, clock, answer, warnings } = committerOver({ 0: 5 });
    committer.start();
    pass(clock, 1_000);
    answer();
    pass(clock, 200_000);
    expect(warnings).toEqual([]);
  });
});

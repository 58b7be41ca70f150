import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../sim/fake-clock.ts';
import { KafkaError, type KeylaneError } from '../errors.ts';
import { Events } from '../events.ts';
import { type CommitAnswer, type PartitionOffset, partitionName } from './client.ts';
import { Committer, type OffsetStore } from './committer.ts';

const REFUSED = new KafkaError('ERR_KAFKA', 'coordinator not available', { kafkaCode: 15 });

/** What is committable, as partition: offset; `confirmed` is what the broker has. */
class FakeStore implements OffsetStore {
  committable: Record<number, number> = {};
  readonly confirmed: Record<number, number> = {};

  uncommitted(): PartitionOffset[] {
    return Object.entries(this.committable)
      .map(([partition, offset]) => ({ topic: 't', partition: Number(partition), offset }))
      .filter(({ partition, offset }) => this.confirmed[partition] !== offset);
  }

  confirm({ partition, offset }: PartitionOffset): void {
    this.confirmed[partition] = offset;
  }
}

function committerOver(committable: Record<number, number> = {}) {
  const clock = new FakeClock();
  const store = new FakeStore();
  store.committable = committable;
  const commits: PartitionOffset[][] = [];
  const [warnings, committed]: [KeylaneError[], string[][]] = [[], []];
  const events = new Events();
  events.on('warning', (error) => void warnings.push(error));
  events.on('committed', ({ offsets }) => void committed.push(offsets.map(nameOf)));
  const committer = new Committer({
    options: { commitIntervalMs: 1_000, commitRecordsMax: 10 },
    client: { commit: (offsets) => void commits.push([...offsets]) },
    clock,
    events,
    store,
  });
  /** The broker answers the last commit sent; `errors` by partition. */
  const answer = (error?: KafkaError, errors: Record<number, KafkaError> = {}) => {
    const answers = (commits.at(-1) as PartitionOffset[]).map((offset): CommitAnswer => {
      const refused = errors[offset.partition];
      return refused === undefined ? offset : { ...offset, error: refused };
    });
    committer.onAnswered(answers, error);
  };
  return { committer, clock, store, answer, warnings, committed, sent: () => commits.map((all) => all.map(nameOf)) };
}

function nameOf(offset: PartitionOffset): string {
  return `${partitionName(offset)}@${offset.offset}`;
}

function pass(clock: FakeClock, durationMs: number): void {
  let over = false;
  clock.after(durationMs, () => {
    over = true;
  });
  while (!over) clock.step();
}

/** What a promise has come to by the next turn of the event loop. */
async function outcomeOf<T>(promise: Promise<T>): Promise<T | 'pending'> {
  return Promise.race([promise, turn('pending' as const)]);
}

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
    const { committer, clock, store, answer, sent } = committerOver({ 0: 5 });
    committer.start();
    pass(clock, 1_000);
    store.committable = { 0: 6, 1: 1 };
    pass(clock, 10_000);
    committer.onCompleted(1_000);
    void committer.flush();
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

  test.each([
    { name: 'taken', error: undefined, refused: undefined, confirmed: { 0: 5 }, warned: 1 },
    { name: 'refused', error: REFUSED, refused: undefined, confirmed: {}, warned: 2 },
    { name: 'refused for its partition', error: undefined, refused: REFUSED, confirmed: {}, warned: 2 },
  ])('an answer past its limit counts, but does not end the next commit: $name', async (row) => {
    const { committer, clock, store, answer, warnings, sent } = committerOver({ 0: 5 });
    void committer.flush();
    pass(clock, 90_000);
    store.committable = { 0: 6 };
    const flush = committer.flush();
    const late = { topic: 't', partition: 0, offset: 5 };
    committer.onAnswered([row.refused === undefined ? late : { ...late, error: row.refused }], row.error);
    expect([store.confirmed, warnings.length]).toEqual([row.confirmed, row.warned]);
    void committer.flush();
    expect([await outcomeOf(flush), sent()]).toEqual(['pending', [['t[0]@5'], ['t[0]@6']]]);
    answer();
    expect([await outcomeOf(flush), store.confirmed]).toEqual([true, { 0: 6 }]);
  });

  test('an answer past its limit leaves the limit of the next commit as it was', async () => {
    const { committer, clock, store, warnings } = committerOver({ 0: 5 });
    void committer.flush();
    pass(clock, 90_000);
    store.committable = { 0: 6 };
    const flush = committer.flush();
    committer.onAnswered([{ topic: 't', partition: 0, offset: 5 }], undefined);
    pass(clock, 90_000);
    expect([await outcomeOf(flush), warnings.length]).toEqual([false, 2]);
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

describe('Committer.flush', () => {
  test('with nothing to commit it has it all', async () => {
    const { committer, sent } = committerOver();
    expect([await outcomeOf(committer.flush()), sent()]).toEqual([true, []]);
  });

  test.each([
    { name: 'taken', error: undefined, errors: {}, outcome: true },
    { name: 'refused', error: REFUSED, errors: {}, outcome: false },
    { name: 'refused for one partition', error: undefined, errors: { 1: REFUSED }, outcome: false },
  ])('says whether the broker has it all: $name', async ({ error, errors, outcome }) => {
    const { committer, answer, sent } = committerOver({ 0: 5, 1: 8 });
    const flush = committer.flush();
    expect([await outcomeOf(flush), sent()]).toEqual(['pending', [['t[0]@5', 't[1]@8']]]);
    answer(error, errors);
    expect([await outcomeOf(flush), sent().length]).toEqual([outcome, 1]);
  });

  test('waits for the commit in flight, then sends the rest', async () => {
    const { committer, clock, store, answer, sent } = committerOver({ 0: 5 });
    committer.start();
    pass(clock, 1_000);
    store.committable = { 0: 5, 1: 3 };
    const flush = committer.flush();
    expect([await outcomeOf(flush), sent().length]).toEqual(['pending', 1]);
    answer();
    expect([await outcomeOf(flush), sent().slice(1)]).toEqual(['pending', [['t[1]@3']]]);
    answer();
    expect(await outcomeOf(flush)).toBe(true);
  });

  test('two at once wait for the same commits, one after the other', async () => {
    const { committer, store, answer, sent } = committerOver({ 0: 5 });
    const first = committer.flush();
    store.committable = { 0: 6 };
    const second = committer.flush();
    answer();
    expect([await outcomeOf(first), await outcomeOf(second), sent().slice(1)]).toEqual([true, 'pending', [['t[0]@6']]]);
    answer();
    expect(await outcomeOf(second)).toBe(true);
  });

  test('an answer that does not come ends it too', async () => {
    const { committer, clock } = committerOver({ 0: 5 });
    const flush = committer.flush();
    pass(clock, 90_000);
    expect(await outcomeOf(flush)).toBe(false);
  });
});

describe('Committer.stop', () => {
  test('releases a flush that waits for its own commit', async () => {
    const { committer } = committerOver({ 0: 5 });
    const flush = committer.flush();
    committer.stop();
    expect(await outcomeOf(flush)).toBe(false);
  });

  test.each([
    { name: 'not answered', answered: false },
    { name: 'answered in the same turn', answered: true },
  ])('a flush that waits for an earlier commit, $name, has not all of it and sends no more', async ({ answered }) => {
    const { committer, clock, store, answer, sent } = committerOver({ 0: 5 });
    committer.start();
    pass(clock, 1_000);
    store.committable = { 0: 6 };
    const flush = committer.flush();
    if (answered) answer();
    committer.stop();
    expect(await outcomeOf(flush)).toBe(false);
    expect(sent()).toEqual([['t[0]@5']]);
  });

  test('ends all commits and all timers', async () => {
    const { committer, clock, sent, warnings } = committerOver({ 0: 5 });
    committer.start();
    committer.stop();
    committer.onCompleted(1_000);
    await outcomeOf(committer.flush());
    expect([clock.step(), sent(), warnings]).toEqual([false, [], []]);
  });

  test('with a commit in flight no wait for its answer is left', () => {
    const { committer, clock, warnings } = committerOver({ 0: 5 });
    void committer.flush();
    committer.stop();
    expect([clock.step(), warnings]).toEqual([false, []]);
  });
});

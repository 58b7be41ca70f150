/**
 * A client of the fake cluster that behaves as librdkafka was measured to: one rebalance at a time, and nothing is
 * delivered until it is answered; rebalances and the answers to commits are served only while `consume` is called;
 * what a call had taken still arrives, even after its partition was given back; a lost membership is learned late.
 */
import type {
  Client,
  ClientListener,
  ClientRecord,
  CommittedOffset,
  OnConsumed,
  PartitionOffset,
  TopicPartition,
  Watermarks,
} from '../src/poller/client.ts';
import type { Clock } from '../src/poller/clock.ts';
import { Assigned, endsOf } from './assigned.ts';
import { type FakeCluster, nameOf, statisticsOf } from './fake-cluster.ts';
import { FakeCommits, kafkaError } from './fake-commits.ts';
import { FakeFaults } from './fake-faults.ts';
import { CODES, type FakeGroup, type GroupMember, type MemberSide } from './fake-group.ts';
import type { Random } from './random.ts';
import type { Weather } from './weather.ts';

/** What the group tells, waiting until `consume` serves it. */
interface Rebalance {
  readonly kind: 'assign' | 'revoke' | 'lost';
  readonly names: readonly string[];
  readonly generation: number;
}

export interface ClientParts {
  readonly cluster: FakeCluster;
  readonly group: FakeGroup;
  readonly random: Random;
  readonly weather: Weather;
  /** The process's event loop. */
  readonly inbox: Clock;
  /** The network, which goes on when the process does not. */
  readonly network: Clock;
  readonly onAssigned: (at: TopicPartition) => void;
  /** Reading goes on from another offset: because it was told to, or because it was past the end of the log. */
  readonly onSought: (at: TopicPartition) => void;
  readonly onReset: (at: TopicPartition, offset: number) => void;
  /** These are no longer ours; since when the group has waited for them, where it has. */
  readonly onGivenBack: (names: readonly string[], askedAt: number | undefined) => void;
  /** The client leaves the group; since when a rebalance has waited for its answer, where one does. */
  readonly onDisconnect: (askedAt: number | undefined) => void;
  /** It was to leave, and never will by itself. */
  readonly onHung: () => void;
  readonly onViolation: (text: string) => void;
}

export class FakeClient implements Client, MemberSide {
  member: GroupMember | undefined = undefined;
  /** When it was last asked for records. */
  askedForRecordsAt = 0;
  connected = true;
  readonly assigned: Map<string, Assigned> = new Map();
  readonly faults: FakeFaults;
  readonly #parts: ClientParts;
  readonly #commits: FakeCommits;
  #listener: ClientListener | undefined = undefined;
  #generation = -1;
  #rebalances: Rebalance[] = [];
  /** The rebalance that was served and waits for its answer. */
  #unanswered: Rebalance | undefined = undefined;
  #askedAt: number | undefined = undefined;
  #answers: (() => void)[] = [];
  #sentUntil = 0;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.faults = new FakeFaults(parts);
    this.#commits = new FakeCommits({
      ...parts,
      send: (callback) => this.#send(callback),
      onAnswer: (answers, error) => {
        this.#answers.push(() => {
          this.#commits.told(answers);
          this.#listener?.onCommitAnswered(answers, error);
        });
        this.wake();
      },
    });
  }

  async connect(listener: ClientListener): Promise<void> {
    this.#listener = listener;
    this.askedForRecordsAt = this.#parts.inbox.now();
  }

  async subscribe(): Promise<readonly string[]> {
    this.#later(1, () => this.#join());
    return [];
  }

  consume(recordsMax: number, done: OnConsumed): void {
    const { random, inbox } = this.#parts;
    this.askedForRecordsAt = inbox.now();
    this.faults.check('consume');
    this.#later(3, () => {
      // What is served while records are taken may be told before them or after, whenever it was served.
      const servesFirst = random.chance(0.5);
      if (servesFirst) this.#serve();
      const records = this.#unanswered === undefined ? this.#fetch(recordsMax) : [];
      const ends = this.#unanswered === undefined ? endsOf(this.assigned.values()) : [];
      if (!servesFirst) this.#serve();
      this.#later(random.chance(0.1) ? 20 : 2, () => done(undefined, records, ends));
    });
  }

  committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    const { random, weather, cluster } = this.#parts;
    const fails = random.chance(weather.committedFails);
    return new Promise((resolve, reject) => {
      this.#later(random.chance(weather.committedSlow) ? 5_000 : 5, () => {
        if (fails) return reject(kafkaError(14));
        const known = partitions.map((at) => cluster.get(at)).filter(({ committed }) => committed >= 0);
        resolve(
          known.map(({ committed, committedEpoch, metadata, ...at }) => ({
            ...topicPartition(at),
            offset: committed,
            metadata,
            leaderEpoch: committedEpoch,
          })),
        );
      });
    });
  }

  watermarks(at: TopicPartition): Watermarks | undefined {
    return this.assigned.get(nameOf(at))?.watermarks;
  }

  assign(partitions: readonly (TopicPartition & { readonly offset?: number })[]): void {
    const { cluster, onAssigned, onReset } = this.#parts;
    this.faults.check('assign');
    if (!this.#answer('assign', partitions)) return;
    for (const { offset, ...topicPartition } of partitions) {
      const at = cluster.get(topicPartition);
      const start = offset ?? Math.max(0, at.committed);
      this.assigned.set(at.name, new Assigned(at, start, (low) => onReset(topicPartition, low)));
      onAssigned(topicPartition);
    }
    this.wake();
  }

  unassign(partitions: readonly TopicPartition[]): void {
    this.faults.check('unassign');
    const askedAt = this.#unanswered?.kind === 'revoke' ? this.#askedAt : undefined;
    if (!this.#answer('revoke', partitions)) return;
    const names = partitions.map(nameOf);
    for (const name of names) this.assigned.delete(name);
    this.#parts.onGivenBack(names, askedAt);
  }

  async seek(offset: PartitionOffset): Promise<void> {
    this.faults.check('seek');
    return new Promise((resolve) => {
      this.#later(5, () => {
        for (const assigned of this.#own([offset], 'read again')) {
          assigned.seek(offset.offset);
          this.#parts.onSought(offset);
        }
        this.#later(2, resolve);
      });
    });
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.faults.check('pause');
    for (const assigned of this.#own(partitions, 'paused')) assigned.paused = true;
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.faults.check('resume');
    for (const assigned of this.#own(partitions, 'resumed')) assigned.paused = false;
    this.wake();
  }

  commit(offsets: readonly CommittedOffset[]): void {
    this.faults.check('commit');
    const generation = this.#generation;
    const { member } = this;
    this.#own(offsets, 'committed');
    this.#commits.send(offsets, (taken) =>
      member === undefined ? CODES.unknownMember : this.#parts.group.commit(member, generation, taken),
    );
  }

  async disconnect(): Promise<void> {
    const { group, inbox, random, onGivenBack, onDisconnect } = this.#parts;
    onDisconnect(this.#unanswered && this.#askedAt);
    this.connected = false;
    if (this.faults.leavingHangs) return new Promise(() => this.#parts.onHung());
    const names = [...this.assigned.keys()];
    this.assigned.clear();
    onGivenBack(names, undefined);
    this.#send(() => {
      if (this.member !== undefined && !this.member.fenced) group.remove(this.member);
    });
    await new Promise<void>((resolve) => inbox.after(random.next() * 20, resolve));
  }

  /** There may be records now, or something else to serve. */
  wake(): void {
    this.#later(5, () => this.#listener?.onRecordsAvailable());
  }

  rebalance(kind: 'assign' | 'revoke', names: readonly string[], generation: number): void {
    const { member } = this;
    this.#hear(() => {
      if (this.member !== member || member?.fenced) return;
      this.#rebalances.push({ kind, names, generation });
      if (this.#parts.random.chance(0.5)) this.wake();
    });
  }

  synced(generation: number): void {
    const { member } = this;
    this.#hear(() => {
      if (this.member === member) this.#generation = generation;
    });
  }

  /** The group fenced this member; the client learns it with its next heartbeat. */
  fenced(): void {
    this.#later(50, () => {
      this.#rebalances = [{ kind: 'lost', names: [], generation: -1 }];
    });
  }

  #join(): void {
    this.#send(() => {
      this.member = this.#parts.group.join(this);
    });
  }

  #serve(): void {
    const answers = this.#answers;
    this.#answers = [];
    for (const answer of answers) this.#later(2, answer);
    if (this.#parts.random.chance(0.02))
      this.#later(2, () => this.#listener?.onStatistics(statisticsOf(this.#parts.cluster)));
    if (this.#unanswered !== undefined) return;
    const next = this.#rebalances.shift();
    if (next === undefined) return;
    const names = next.kind === 'lost' ? [...this.assigned.keys()] : next.names;
    if (next.kind === 'lost' && names.length === 0 && !this.#parts.random.chance(this.#parts.weather.emptyLists)) {
      this.#join();
      return;
    }
    this.#unanswered = { ...next, names };
    this.#askedAt = undefined;
    this.#later(2, () => {
      this.#generation = next.generation;
      this.#askedAt = this.#parts.inbox.now();
      const partitions = names.map((name) => topicPartition(this.#parts.cluster.named(name)));
      if (next.kind === 'assign') this.#listener?.onAssigned(partitions);
      else this.#listener?.onRevoked(partitions, next.kind === 'lost');
    });
  }

  /** Takes the answer to a rebalance; false where there is nobody left to answer. */
  #answer(kind: 'assign' | 'revoke', partitions: readonly TopicPartition[]): boolean {
    if (!this.connected) return false;
    const { group, onViolation } = this.#parts;
    const asked = this.#unanswered;
    const names = partitions.map(nameOf);
    const matches = asked !== undefined && kind === (asked.kind === 'lost' ? 'revoke' : asked.kind);
    if (!matches || [...names].sort().join() !== [...asked.names].sort().join()) {
      onViolation(`${kind} [${names}] does not answer ${asked?.kind ?? 'nothing'} [${asked?.names ?? ''}]`);
      return false;
    }
    this.#unanswered = undefined;
    const { member } = this;
    if (asked.kind === 'lost') this.#join();
    else this.#send(() => member !== undefined && group.answered(member, kind, names));
    return true;
  }

  /** Those of these partitions that are this client's; to name others is a fault, and so is to commit lost ones. */
  #own(partitions: readonly TopicPartition[], what: string): Assigned[] {
    const lost = what === 'committed' && this.#unanswered?.kind === 'lost' && this.#generation === -1;
    return partitions.flatMap((at) => {
      const name = nameOf(at);
      const assigned = this.assigned.get(name);
      if (assigned === undefined || lost) this.#parts.onViolation(`${name} was ${what}, and is not assigned`);
      return assigned === undefined ? [] : [assigned];
    });
  }

  /** Runs of records of random partitions, each from where it stands; now and then some that came before. */
  #fetch(recordsMax: number): ClientRecord[] {
    const { random, weather } = this.#parts;
    const fetched: ClientRecord[] = [];
    const sources = [...this.assigned.values()].filter((assigned) => assigned.fetches());
    while (fetched.length < recordsMax && sources.length > 0) {
      const source = random.pick(sources);
      const again = random.chance(weather.duplicates) ? random.int(1, 5) : 0;
      const run = source.take(Math.min(random.int(1, 20), recordsMax - fetched.length), again);
      if (run.length === 0) sources.splice(sources.indexOf(source), 1);
      for (const record of run) fetched.push(record);
    }
    if (random.chance(weather.unowned)) fetched.push(...this.#foreign());
    return fetched;
  }

  /** A record of a partition that is not this client's, nor about to become so. */
  #foreign(): ClientRecord[] {
    const { cluster, random } = this.#parts;
    if (this.#rebalances.length > 0) return [];
    const { name, records } = random.pick([...cluster.partitions.values()]);
    const record = records.length === 0 ? undefined : random.pick(records);
    return record === undefined || this.assigned.has(name) ? [] : [record];
  }

  /** Something of this client's own happens a little later, in its process. */
  #later(delayMaxMs: number, callback: () => void): void {
    this.#parts.inbox.after(this.#parts.random.next() * delayMaxMs, () => {
      if (this.connected) callback();
    });
  }

  /** To the coordinator, in order. */
  #send(callback: () => void): void {
    const { network, random } = this.#parts;
    const at = Math.max(this.#sentUntil, network.now() + random.next() * 5);
    this.#sentUntil = at;
    network.after(at - network.now(), callback);
  }

  /** From the coordinator, in order. */
  #hear(callback: () => void): void {
    this.#parts.inbox.after(2, () => {
      if (this.connected) callback();
    });
  }
}

function topicPartition({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

/**
 * The coordinator of a group, for the three protocols. It hands partitions out, asks for them back, fences members
 * that were silent too long, and takes commits: of whoever has the current generation, owner or not, as a real one.
 *
 * - eager: everybody gives everything back, then everything is dealt out anew.
 * - cooperative: rounds that all members answer; only what moves is asked back, and dealt out in the next round.
 * - consumer (KIP-848): each member is reconciled by itself, what moves as soon as it is free.
 */
import type { CommittedOffset } from '../src/poller/client.ts';
import { type FakeCluster, nameOf } from './fake-cluster.ts';
import type { Random } from './random.ts';

export type Protocol = 'eager' | 'cooperative' | 'consumer';

/** Kafka's codes for a commit that is refused. */
export const CODES = {
  offsetMetadataTooLarge: 12,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  staleMemberEpoch: 113,
} as const;

/** Metadata that a broker takes, at most. */
export const METADATA_MAX = 4_095;

/** What the group tells a member's client. */
export interface MemberSide {
  rebalance(kind: 'assign' | 'revoke', names: readonly string[], generation: number): void;
  /** Nothing moves, but this is the generation now. */
  synced(generation: number): void;
}

/** One membership: from a join to the leave or the fence. A client that was fenced joins again as another member. */
export interface GroupMember {
  readonly side: MemberSide;
  fenced: boolean;
  /** It was told something and did not answer yet. */
  busy: boolean;
  generation: number;
}

export interface GroupParts {
  readonly cluster: FakeCluster;
  readonly random: Random;
  readonly protocol: Protocol;
  /** How often a partition stays with its owner where it may. */
  readonly stickiness: number;
  /** Empty rebalances are told now and then. */
  readonly emptyLists: number;
  /** A commit of a generation that has just passed is refused. */
  readonly strictGenerations: boolean;
  /** Runs this a little later. */
  readonly soon: (callback: () => void) => void;
  /** What no broker would do for a correct member. */
  readonly onViolation: (text: string) => void;
  /** A commit was taken. */
  readonly onCommitted: (offset: CommittedOffset) => void;
}

export class FakeGroup {
  generation = 0;
  readonly members: Set<GroupMember> = new Set();
  readonly owners: Map<string, GroupMember> = new Map();
  readonly #parts: GroupParts;
  #target: Map<string, GroupMember> = new Map();
  /** Members came or went since the target was made. */
  #stale = false;
  /** A round has to follow, because partitions were freed. */
  #follows = false;
  /** Eager: everybody was asked to give everything back. */
  #revoking = false;
  #scheduled = false;

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  join(side: MemberSide): GroupMember {
    const member = { side, fenced: false, busy: false, generation: -1 };
    this.members.add(member);
    this.disturb();
    return member;
  }

  /** The member is gone, by its own will or because it was silent for too long. */
  remove(member: GroupMember): string[] {
    const names = this.ownedBy(member);
    member.fenced = true;
    this.members.delete(member);
    for (const name of names) this.owners.delete(name);
    this.disturb();
    return names;
  }

  /** A rebalance for no visible reason: a subscription changed, a topic grew. */
  disturb(): void {
    this.#stale = true;
    this.#schedule();
  }

  answered(member: GroupMember, kind: 'assign' | 'revoke', names: readonly string[]): void {
    if (member.fenced) return;
    member.busy = false;
    if (kind === 'revoke') {
      for (const name of names) if (this.owners.get(name) === member) this.owners.delete(name);
      this.#follows = true;
    }
    this.#schedule();
  }

  /** The code of a refusal, or `undefined` where every offset was taken. */
  commit(member: GroupMember, generation: number, offsets: readonly CommittedOffset[]): number | undefined {
    const { cluster, protocol, strictGenerations, onCommitted, onViolation } = this.#parts;
    if (member.fenced) return CODES.unknownMember;
    if (generation !== member.generation && strictGenerations)
      return protocol === 'consumer' ? CODES.staleMemberEpoch : CODES.illegalGeneration;
    if (offsets.some(({ metadata }) => metadata.length > METADATA_MAX)) return CODES.offsetMetadataTooLarge;
    for (const offset of offsets) {
      const partition = cluster.get(offset);
      if (this.owners.get(partition.name) !== member)
        onViolation(`${partition.name} was committed at ${offset.offset} by a member that does not own it`);
      // Who does not know the last leader may have had more than there is now.
      if (offset.offset > partition.end && (offset.leaderEpoch ?? partition.leaderEpoch) === partition.leaderEpoch)
        onViolation(`${partition.name} was committed at ${offset.offset}, past its end ${partition.end}`);
      partition.committed = offset.offset;
      partition.committedEpoch = offset.leaderEpoch;
      partition.metadata = offset.metadata;
      onCommitted(offset);
    }
    return undefined;
  }

  /** Whether a rebalance is under way. */
  get unsettled(): boolean {
    return this.#stale || this.#follows || this.#revoking || [...this.members].some(({ busy }) => busy);
  }

  ownedBy(member: GroupMember): string[] {
    return [...this.owners].filter(([, owner]) => owner === member).map(([name]) => name);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#parts.soon(() => {
      this.#scheduled = false;
      if (this.members.size === 0) return;
      if (this.#parts.protocol === 'consumer') this.#reconcile();
      else if ([...this.members].every(({ busy }) => !busy)) this.#round();
    });
  }

  #round(): void {
    if (this.#parts.protocol === 'cooperative') {
      if (this.#stale || this.#follows) this.#deal(true);
    } else if (this.#revoking) {
      this.#deal(false);
      this.#revoking = false;
    } else if (this.#stale) {
      this.#stale = false;
      this.#revoking = true;
      for (const member of this.members) this.#tell(member, 'revoke', this.ownedBy(member), member.generation);
      this.#schedule();
    }
  }

  /** Everybody learns the new generation, what is asked back and what comes. */
  #deal(cooperative: boolean): void {
    this.generation += 1;
    if (this.#stale || !cooperative) this.#aim();
    this.#stale = false;
    this.#follows = false;
    for (const member of this.members) {
      member.generation = this.generation;
      const moves = this.ownedBy(member).filter((name) => this.#target.get(name) !== member);
      if (moves.length > 0) this.#tell(member, 'revoke', moves, this.generation);
      else this.#give(member);
    }
  }

  #reconcile(): void {
    if (this.#stale) this.#aim();
    this.#stale = false;
    this.#follows = false;
    for (const member of this.members) {
      if (member.busy) continue;
      const moves = this.ownedBy(member).filter((name) => this.#target.get(name) !== member);
      if (moves.length > 0) this.#tell(member, 'revoke', moves, member.generation);
      else if (this.#dueTo(member).length > 0) {
        this.generation += 1;
        member.generation = this.generation;
        this.#give(member);
      }
    }
  }

  #give(member: GroupMember): void {
    const names = this.#dueTo(member);
    for (const name of names) this.owners.set(name, member);
    this.#tell(member, 'assign', names, member.generation);
  }

  #dueTo(member: GroupMember): string[] {
    return [...this.#target.keys()].filter((name) => this.#target.get(name) === member && !this.owners.has(name));
  }

  /** Empty lists are told now and then; otherwise a member with nothing to answer only learns the generation. */
  #tell(member: GroupMember, kind: 'assign' | 'revoke', names: readonly string[], generation: number): void {
    if (names.length === 0 && !this.#parts.random.chance(this.#parts.emptyLists)) {
      member.side.synced(generation);
      return;
    }
    member.busy = true;
    member.side.rebalance(kind, names, generation);
  }

  /** Who shall have what: mostly who has it now, as far as that is fair. */
  #aim(): void {
    const { cluster, random, stickiness } = this.#parts;
    const quota = Math.ceil(cluster.partitions.size / this.members.size);
    const members = [...this.members];
    const loads = new Map(members.map((member) => [member, 0]));
    const loadOf = (member: GroupMember) => loads.get(member) ?? quota;
    this.#target = new Map();
    for (const partition of cluster.partitions.values()) {
      const name = nameOf(partition);
      const owner = this.owners.get(name);
      const free = members.filter((member) => loadOf(member) < quota);
      const keeps = owner !== undefined && loadOf(owner) < quota && random.chance(stickiness);
      const chosen = keeps ? owner : random.pick(free);
      loads.set(chosen, loadOf(chosen) + 1);
      this.#target.set(name, chosen);
    }
  }
}

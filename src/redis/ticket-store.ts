/**
 * The tickets' state in Redis: claims, compare-and-commit, outbox, recorded outcomes. Guarantees: a commit
 * takes effect whole or not at all; only the last claimer's commits take effect; a command id takes effect
 * once; what a reader is told of a sale is durable outside Redis.
 */
import type {
  Claim,
  Clock,
  Commit,
  CommitResult,
  Cursors,
  Pulse,
  RecordedOutcome,
  Reply,
  StoredTicket,
  TicketCounters,
  TicketStore,
} from '../actors/ports.js';
import { comparePositions, formatPosition, parsePosition } from '../actors/position.js';
import { NewerSchemaError, SCHEMA_VERSION } from '../actors/state-codec.js';
import type { CommittedEvent, LedgerPosition } from '../archive/port.js';
import { CATEGORIES } from '../catalog/match.js';
import type { Orphan, RemoteTally, Reservation, TicketEvent, TicketId, Told } from '../rules/index.js';
import { askAll, type Question } from './ask-all.js';
import { isCluster, type RedisClient } from './connection.js';
import { Fence } from './fence.js';
import { ticketName, type RedisKeys } from './keys.js';
import { loadScript } from './scripts.js';
import {
  changesOf,
  countersAfter,
  ENDED_KEEP_MS,
  isSaleTold,
  metaChangesOf,
  sortedRemote,
  storedTicket,
  toldOf,
  type CommittedMeta,
  type StoredReservation,
} from './stored-ticket.js';
import { encodeLeft, waitingFields } from './stored-waiting.js';

/** Reservations looked at by one step of a scan: about 200 KB. */
const SCAN_COUNT = 500;

/** In a cluster a sweep waits so long for one match at most, milliseconds. */
const PULSE_MS_MAX = 1_000;

/** States of a connection that was lost. */
export const AWAY: ReadonlySet<string> = new Set(['reconnecting', 'close', 'end']);

/** What waits in a ticket's queue, and whether anybody looks after it. */
export interface QueueStanding {
  /** When the oldest job that is not done was added, epoch milliseconds; null when there is none any more. */
  readonly oldestAt: number | null;
  /** Whether a worker has the ticket. */
  readonly isOwned: boolean;
}

/** The newest event in Redis, and the newest that is archived. */
export interface TicketProgress {
  readonly position: LedgerPosition;
  readonly archived: LedgerPosition;
}

/** A ticket in Redis, with the events that are not both archived and published yet. */
export interface InspectedTicket {
  readonly stored: StoredTicket;
  readonly outbox: readonly CommittedEvent[];
}

/** Redis lost writes, and its next owner has not brought the ticket back yet: what can be read may no longer be so. */
export class WaitsToBeRebuiltError extends Error {
  override readonly name = 'WaitsToBeRebuiltError';
  constructor(ticket: TicketId) {
    super(`ticket ${ticketName(ticket)} waits to be rebuilt`);
  }
}

export class RedisTicketStore implements TicketStore {
  readonly #redis: RedisClient;
  readonly #keys: RedisKeys;
  readonly #clock: Clock;
  readonly #fence: Fence;
  readonly #claim = loadScript('claim-1');
  readonly #claimInCluster = loadScript('claim-3', 'holder');
  readonly #findInCluster = loadScript('find-3', 'holder');
  readonly #commit = loadScript('commit-n');
  readonly #advance = loadScript('advance-2');
  readonly #publisher = loadScript('publisher-1');

  constructor(redis: RedisClient, keys: RedisKeys, clock: Clock) {
    this.#redis = redis;
    this.#keys = keys;
    this.#clock = clock;
    this.#fence = new Fence(redis, keys);
  }

  /** Whether the tickets are spread over several nodes. */
  get isInCluster(): boolean {
    return isCluster(this.#redis);
  }

  async claim(ticket: TicketId, owner: string): Promise<Claim> {
    if (isCluster(this.#redis)) return this.#claimAtOnce(ticket, owner);
    const keys = this.#keys.ticket(ticket);
    await this.#claim(this.#redis, [keys.meta], [owner, this.#clock.now()]);
    // From here on nobody else can commit, so these reads see one state.
    const [runId, meta, reservations, remote] = await Promise.all([
      this.#fence.runId(ticket),
      this.#redis.hgetall(keys.meta),
      this.#redis.hvals(keys.reservations),
      this.#redis.hgetall(keys.remote),
    ]);
    return { runId, stored: decodeTicket(ticket, meta, reservations, remote) };
  }

  /** In a cluster another node could answer the reads than the claim. */
  async #claimAtOnce(ticket: TicketId, owner: string): Promise<Claim> {
    const { meta, reservations, remote } = this.#keys.ticket(ticket);
    const [runId, fields, jsons, tallies] = (await this.#claimInCluster(
      this.#redis,
      [meta, reservations, remote],
      [owner, this.#clock.now()],
    )) as [string, string[], string[], string[]];
    return { runId, stored: decodeTicket(ticket, recordOf(fields), jsons, recordOf(tallies)) };
  }

  async commit(ticket: TicketId, commit: Commit): Promise<CommitResult> {
    const keys = this.#keys.ticket(ticket);
    const changes = changesOf(commit);
    const others = CATEGORIES.filter((category) => category !== ticket.category);
    const scriptKeys = [
      keys.meta,
      keys.reservations,
      keys.remote,
      keys.persons,
      keys.outbox,
      keys.waiting,
      ...others.map((category) => this.#keys.ticket({ ...ticket, category }).persons),
      ...comparedIds(commit).map((id) => this.#keys.outcome(ticket, id)),
      ...changes.ended.map(({ r }) => this.#keys.ended(ticket, r.id)),
      ...changes.waiting.ended.map(({ id }) => this.#keys.ended(ticket, id)),
    ];
    const waiting = waitingFields(changes.waiting);
    const args: (string | number)[] = [
      commit.owner,
      commit.version,
      commit.commitId,
      commit.replace ? 1 : 0,
      others.length,
    ];
    const section = (values: readonly (string | number)[]): void => {
      args.push(values.length);
      for (const value of values) args.push(value);
    };
    section([...commit.guards].flat());
    section(encodeMeta(metaChangesOf(commit)));
    section(changes.setReservations.flatMap(([id, stored]) => [id, encodeReservation(stored)]));
    section(changes.delReservations);
    section([
      ...changes.setRemote.flatMap(([key, tally]) => [key, JSON.stringify(tally)]),
      ...waiting.written.flatMap(([field, value]) => [field, JSON.stringify(value)]),
    ]);
    section([...changes.delRemote, ...waiting.removed]);
    section(changes.setPersons.flat());
    section(changes.delPersons);
    section(changes.waiting.set.flatMap(({ id, place }) => [place, id]));
    section(changes.waiting.removed.map(({ id }) => id));
    section(commit.events.flatMap((event) => [formatPosition(event), encodeEvent(event)]));
    section([
      ...commit.records.flatMap(({ outcome, keepMs }) => [encodeOutcome(outcome), keepMs]),
      // A life of 0: nothing is written.
      ...(commit.unanswered ?? []).flatMap(() => ['', 0]),
    ]);
    section([
      ...changes.ended.flatMap((ended) => [encodeEnded(ended), ENDED_KEEP_MS]),
      ...changes.waiting.ended.flatMap((entry) => [encodeLeft(entry), ENDED_KEEP_MS]),
    ]);
    section(this.#messages(ticket, commit));
    return commitResult(await this.#commit(this.#redis, scriptKeys, args), commit);
  }

  /** Replies to gateways, and the counters to everyone when they may have changed. */
  #messages(ticket: TicketId, commit: Commit): string[] {
    const messages = this.#replyMessages(commit.replies);
    if (commit.after.opened && (commit.events.length > 0 || commit.replace)) {
      messages.push(this.#keys.channels.changes(), JSON.stringify(countersAfter(ticket, commit)));
    }
    return messages;
  }

  #replyMessages(replies: ReadonlyMap<string, readonly Reply[]>): string[] {
    const messages: string[] = [];
    for (const [gatewayId, list] of replies) {
      if (list.length > 0) messages.push(this.#keys.channels.replies(gatewayId), JSON.stringify(list));
    }
    return messages;
  }

  async outbox(ticket: TicketId, after: LedgerPosition, limit: number): Promise<readonly CommittedEvent[]> {
    const entries = await this.#redis.xrange(
      this.#keys.ticket(ticket).outbox,
      `(${formatPosition(after)}`,
      '+',
      'COUNT',
      limit,
    );
    return entries.map(([id, fields]) => decodeEvent(ticket, id, fields[1] ?? ''));
  }

  async advance(
    ticket: TicketId,
    owner: string,
    { archived, published }: Cursors,
    replies: ReadonlyMap<string, readonly Reply[]>,
  ): Promise<void> {
    const keys = this.#keys.ticket(ticket);
    const passed = comparePositions(archived, published) < 0 ? archived : published;
    const keepFrom = formatPosition({ ...passed, sequence: passed.sequence + 1 });
    await this.#advance(
      this.#redis,
      [keys.meta, keys.outbox],
      [owner, formatPosition(archived), formatPosition(published), keepFrom, ...this.#replyMessages(replies)],
    );
  }

  async setPublisher(
    ticket: TicketId,
    owner: string,
    publisher: string | null,
    published: LedgerPosition,
  ): Promise<boolean> {
    const { meta } = this.#keys.ticket(ticket);
    const answer = await this.#publisher(
      this.#redis,
      [meta],
      [owner, publisher ?? '', formatPosition(published)],
    );
    return answer === 1;
  }

  /** How far each ticket that Redis knows is committed and archived, by name. */
  async progress(tickets: readonly TicketId[]): Promise<ReadonlyMap<string, TicketProgress>> {
    const results = await askAll(
      this.#redis,
      tickets.map((ticket) => ['hmget', this.#keys.ticket(ticket).meta, 'position', 'archived'] as const),
    );
    const found = new Map<string, TicketProgress>();
    results.forEach((value, i) => {
      const [position, archived] = value as [string | null, string | null];
      const ticket = tickets[i];
      if (!ticket || position === null) return;
      found.set(ticketName(ticket), { position: parsePosition(position), archived: parsePosition(archived) });
    });
    return found;
  }

  /** Everything of a ticket as it was at one moment, with what its outbox still has; null when Redis knows nothing of it. */
  async inspect(ticket: TicketId): Promise<InspectedTicket | null> {
    const keys = this.#keys.ticket(ticket);
    const [meta, reservations, remote, entries] = valuesOf(
      await this.#redis
        .multi()
        .hgetall(keys.meta)
        .hvals(keys.reservations)
        .hgetall(keys.remote)
        .xrange(keys.outbox, '-', '+')
        .exec(),
    ) as [Record<string, string>, string[], Record<string, string>, [string, string[]][]];
    const stored = decodeTicket(ticket, meta, reservations, remote);
    return (
      stored && { stored, outbox: entries.map(([id, fields]) => decodeEvent(ticket, id, fields[1] ?? '')) }
    );
  }

  /**
   * Which run of the server answers now, in a cluster which runs of those that have these tickets; asked each time, for
   * a proxy may put another behind a connection.
   */
  async runId(tickets: readonly TicketId[] = []): Promise<string> {
    const runIdOf = await this.#fence.runIds(tickets);
    return isCluster(this.#redis) ? tickets.map(runIdOf).join(' ') : runIdOf();
  }

  /** In a cluster those of a node that does not answer are left out: the others must not wait for them. */
  async pulse(tickets: readonly TicketId[]): Promise<readonly Pulse[]> {
    if (!isCluster(this.#redis)) return this.#pulseOf(tickets);
    const matches = new Map<number, TicketId[]>();
    for (const ticket of tickets) {
      matches.set(ticket.matchNumber, [...(matches.get(ticket.matchNumber) ?? []), ticket]);
    }
    const found = await Promise.all([...matches.values()].map((some) => this.#inTime(this.#pulseOf(some))));
    if (tickets.length > 0 && found.every((some) => some === null))
      throw new Error('no node of Redis answers');
    return found.flatMap((some) => some ?? []);
  }

  /** Null when it fails, or takes too long for a sweep. */
  #inTime<T>(work: Promise<T>): Promise<T | null> {
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(PULSE_MS_MAX, () => resolve(null));
      work.then(resolve, () => resolve(null)).finally(cancel);
    });
  }

  async #pulseOf(tickets: readonly TicketId[]): Promise<readonly Pulse[]> {
    const questions = tickets.flatMap((ticket): Question[] => {
      const { queuePrefix, queueName, meta } = this.#keys.ticket(ticket);
      return [
        ['llen', `${queuePrefix}:${queueName}:wait`],
        ['llen', `${queuePrefix}:${queueName}:active`],
        ['hmget', meta, 'due', 'runId', 'position', 'archived', 'published'],
      ];
    });
    const [results, runIdOf] = await Promise.all([
      askAll(this.#redis, questions),
      this.#fence.runIds(tickets),
    ]);
    return tickets.map((ticket, i) => {
      const [waiting, active, meta] = results.slice(3 * i, 3 * i + 3);
      const runId = runIdOf(ticket);
      const [due = null, claimedRun = null, ...cursors] = meta as (string | null)[];
      const [position = '', archived = '', published = ''] = cursors.map((text) => text ?? '');
      // After a restart Redis may be behind what buyers were told: a claim finds out, needed or not.
      const isKnown = due !== null && (claimedRun === null || claimedRun === runId);
      return {
        ticket,
        waiting: Number(waiting),
        active: Number(active),
        dueAt: isKnown ? Number(due) : null,
        isOut: isAtOrPast(archived, position) && isAtOrPast(published, position),
      };
    });
  }

  /** Of tickets with work in their queues: how old it is, and whether anybody has them. */
  async standing(tickets: readonly TicketId[]): Promise<readonly QueueStanding[]> {
    const lists = tickets.flatMap((ticket): Question[] => {
      const { queuePrefix, queueName, lease } = this.#keys.ticket(ticket);
      // Jobs join at the head and leave at the tail.
      return [
        ['lindex', `${queuePrefix}:${queueName}:active`, -1],
        ['lindex', `${queuePrefix}:${queueName}:wait`, -1],
        ['exists', lease],
      ];
    });
    const found = await askAll(this.#redis, lists);
    const heads = tickets.map((ticket, i) => {
      const { queuePrefix, queueName } = this.#keys.ticket(ticket);
      const [active, waiting, leases] = found.slice(3 * i, 3 * i + 3);
      const jobs = [active, waiting].filter((id) => typeof id === 'string');
      return { keys: jobs.map((id) => `${queuePrefix}:${queueName}:${id}`), isOwned: leases === 1 };
    });
    const times = heads.flatMap(({ keys }) => keys.map((key) => ['hget', key, 'timestamp'] as const));
    const addedAt = (await askAll(this.#redis, times)).values();
    return heads.map(({ keys, isOwned }) => {
      // One that was completed meanwhile has no time.
      const all = keys.map(() => Number(addedAt.next().value ?? NaN)).filter((at) => !Number.isNaN(at));
      return { oldestAt: all.length === 0 ? null : Math.min(...all), isOwned };
    });
  }

  async recall(ticket: TicketId, ids: readonly string[]): Promise<ReadonlyMap<string, Told>> {
    const found = new Map<string, Told>();
    if (ids.length === 0) return found;
    const [values, archivedText] = await Promise.all([
      this.#redis.mget(ids.map((id) => this.#keys.outcome(ticket, id))),
      this.#redis.hget(this.#keys.ticket(ticket).meta, 'archived'),
    ]);
    const archived = parsePosition(archivedText);
    ids.forEach((id, i) => {
      const value = values[i];
      if (typeof value !== 'string') return;
      const { result, durableAt } = decodeOutcome(value);
      if (!durableAt || comparePositions(durableAt, archived) <= 0) found.set(id, result);
    });
    return found;
  }

  /**
   * A reservation as it may be told: live, or ended a short while ago; null when Redis does not have it, and
   * `unknown_ticket` when it has nothing of its ticket. One whose sale is not archived yet reads PAYING. Throws while
   * Redis may be behind what buyers were told, because the ticket waits to be rebuilt: money would be settled by it,
   * and buyers told what is no longer so. So it does while a refund of it is not archived.
   */
  async findReservation(ticket: TicketId, id: string): Promise<Reservation | null | 'unknown_ticket'> {
    // A read queued until Redis is back would pile up behind readers who have long gone.
    if (AWAY.has(this.#redis.status)) throw new Error('Redis cannot be reached');
    const { live, archivedText, claimedRun, ended, runId } = isCluster(this.#redis)
      ? await this.#findAtOnce(ticket, id)
      : await this.#find(ticket, id);
    if (claimedRun !== null) checkRun(ticket, claimedRun, runId);
    const archived = parsePosition(archivedText);
    if (live !== null) return toldOf(decodeReservation(live), archived);
    if (ended !== null) return toldOf(decodeEnded(ended), archived);
    return claimedRun === null ? 'unknown_ticket' : null;
  }

  async #find(ticket: TicketId, id: string) {
    const keys = this.#keys.ticket(ticket);
    const [live, [archivedText = null, claimedRun = null], ended, runId] = await Promise.all([
      this.#redis.hget(keys.reservations, id),
      this.#redis.hmget(keys.meta, 'archived', 'runId'),
      this.#redis.get(this.#keys.ended(ticket, id)),
      // The last of them: another server can have come behind the same connection.
      this.#fence.runId(ticket),
    ]);
    return { live, archivedText, claimedRun, ended, runId };
  }

  /** In a cluster each of these could be answered by another node. */
  async #findAtOnce(ticket: TicketId, id: string) {
    const { meta, reservations } = this.#keys.ticket(ticket);
    const keys = [meta, reservations, this.#keys.ended(ticket, id)];
    const [runId, live, archivedText, claimedRun, ended] = (await this.#findInCluster(this.#redis, keys, [
      id,
    ])) as [string, ...(string | null)[]];
    return {
      runId,
      live: live ?? null,
      archivedText: archivedText ?? null,
      claimedRun: claimedRun ?? null,
      ended: ended ?? null,
    };
  }

  /**
   * Every live reservation of a ticket, as committed; in no order, and without what is held meanwhile. Throws while
   * Redis may be behind what buyers were told, because the ticket waits to be rebuilt.
   */
  async *live(ticket: TicketId): AsyncGenerator<Reservation> {
    for await (const { r } of this.#scan(ticket)) yield r;
  }

  /** Those of them that are sales, as they may be told. */
  async *sold(ticket: TicketId): AsyncGenerator<Reservation> {
    const archived = parsePosition(await this.#redis.hget(this.#keys.ticket(ticket).meta, 'archived'));
    for await (const stored of this.#scan(ticket)) {
      if (stored.r.status === 'RESERVED' && isSaleTold(stored, archived)) yield stored.r;
    }
  }

  async *#scan(ticket: TicketId): AsyncGenerator<StoredReservation> {
    if (AWAY.has(this.#redis.status)) throw new Error('Redis cannot be reached');
    const keys = this.#keys.ticket(ticket);
    // A scan may show the same twice when the hash grows.
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const [next, found] = await this.#redis.hscan(keys.reservations, cursor, 'COUNT', SCAN_COUNT);
      // After the look, too: what is read may be what a Redis that lost writes has left.
      const { claimedRun, runId } = await this.#fence.compare(ticket);
      checkRun(ticket, claimedRun, runId);
      for (let i = 1; i < found.length; i += 2) {
        const stored = decodeReservation(found[i] ?? '');
        if (seen.has(stored.r.id)) continue;
        seen.add(stored.r.id);
        yield stored;
      }
      cursor = next;
    } while (cursor !== '0');
  }

  /** What waits for an operator's decision: orphans by id, and what peers hold, by tally. */
  async market(ticket: TicketId): Promise<{
    readonly orphans: ReadonlyMap<string, Orphan>;
    readonly remote: ReadonlyMap<string, RemoteTally>;
  }> {
    const keys = this.#keys.ticket(ticket);
    const [orphans, remote] = await Promise.all([
      this.#redis.hget(keys.meta, 'orphans'),
      this.#redis.hgetall(keys.remote),
    ]);
    return {
      orphans: new Map(JSON.parse(orphans ?? '[]') as [string, Orphan][]),
      remote: new Map(sortedRemote(parsedRemote(remote)).remote),
    };
  }

  /** Who has each ticket (null: nobody), and how many of its events are not out yet; in the order of `tickets`. */
  async holders(
    tickets: readonly TicketId[],
  ): Promise<readonly { readonly owner: string | null; readonly outbox: number }[]> {
    const questions = tickets.flatMap((ticket): Question[] => {
      const keys = this.#keys.ticket(ticket);
      return [
        ['hget', keys.meta, 'owner'],
        ['exists', keys.lease],
        ['xlen', keys.outbox],
      ];
    });
    const found = await askAll(this.#redis, questions);
    return tickets.map((_, i) => {
      const [owner, isLeased, outbox] = found.slice(3 * i, 3 * i + 3);
      // An owner is a worker and a claim of it.
      const worker = typeof owner === 'string' ? owner.slice(0, owner.lastIndexOf('/')) : null;
      return { owner: isLeased === 1 ? worker : null, outbox: Number(outbox) };
    });
  }

  /** Counters as committed; tickets that were never opened are absent. */
  async counters(tickets: readonly TicketId[]): Promise<readonly TicketCounters[]> {
    const found: TicketCounters[] = [];
    for (const json of await this.countersAsStored(tickets)) {
      if (json !== null) found.push(JSON.parse(json) as TicketCounters);
    }
    return found;
  }

  /** The same as text, in the order of `tickets`; null for one that was never opened. */
  async countersAsStored(tickets: readonly TicketId[]): Promise<readonly (string | null)[]> {
    const questions = tickets.map((ticket) => ['hget', this.#keys.ticket(ticket).meta, 'counters'] as const);
    return (await askAll(this.#redis, questions)) as (string | null)[];
  }
}

/** What a pipeline was answered, or its first error. */
function valuesOf(results: readonly (readonly [Error | null, unknown])[] | null): unknown[] {
  return (results ?? []).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

const isAtOrPast = (cursor: string, position: string): boolean =>
  comparePositions(parsePosition(cursor), parsePosition(position)) >= 0;

/** A ticket that was claimed in another run of the server may have lost writes with it. */
function checkRun(ticket: TicketId, claimedRun: string | null, runId: string): void {
  if (claimedRun !== runId) throw new WaitsToBeRebuiltError(ticket);
}

/** A hash as a script answers it. */
function recordOf(flat: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) record[flat[i] ?? ''] = flat[i + 1] ?? '';
  return record;
}

/** As fields and values of the hash. */
function encodeMeta(meta: Partial<CommittedMeta>): (string | number)[] {
  const fields: (string | number)[] = [];
  const put = <T>(field: string, value: T | undefined, text: (value: T) => string | number): void => {
    if (value !== undefined) fields.push(field, text(value));
  };
  const asIs = (value: string | number): string | number => value;
  put('version', meta.version, asIs);
  put('commit', meta.commit, asIs);
  put('due', meta.due, asIs);
  put('schema', meta.schema, asIs);
  put('runId', meta.runId, asIs);
  put('position', meta.position, formatPosition);
  put('archived', meta.archived, formatPosition);
  put('published', meta.published, formatPosition);
  put('publisher', meta.publisher, asIs);
  put('state', meta.state, JSON.stringify);
  put('counters', meta.counters, JSON.stringify);
  put('orphans', meta.orphans, JSON.stringify);
  put('positions', meta.positions, JSON.stringify);
  return fields;
}

/** Throws for what a newer version wrote, before anything of it is read. */
function decodeMeta(ticket: TicketId, meta: Record<string, string>): Partial<CommittedMeta> {
  const { version, state, runId, publisher, orphans, positions } = meta;
  if (version === undefined || state === undefined) return {};
  const schema = Number(meta['schema']);
  if (schema > SCHEMA_VERSION) throw new NewerSchemaError(`Ticket ${ticketName(ticket)} in Redis`, schema);
  return {
    schema,
    version: Number(version),
    ...(runId !== undefined && { runId }),
    ...(publisher !== undefined && { publisher }),
    position: parsePosition(meta['position']),
    archived: parsePosition(meta['archived']),
    published: parsePosition(meta['published']),
    state: JSON.parse(state) as CommittedMeta['state'],
    orphans: JSON.parse(orphans ?? '[]') as CommittedMeta['orphans'],
    positions: JSON.parse(positions ?? '[]') as CommittedMeta['positions'],
  };
}

function decodeTicket(
  ticket: TicketId,
  meta: Record<string, string>,
  reservations: readonly string[],
  remote: Record<string, string>,
): StoredTicket | null {
  return storedTicket(
    ticket,
    decodeMeta(ticket, meta),
    reservations.map((json) => decodeReservation(json).r),
    parsedRemote(remote),
  );
}

const parsedRemote = (remote: Record<string, string>): [string, unknown][] =>
  Object.entries(remote).map(([key, json]) => [key, JSON.parse(json)]);

function encodeReservation({ r, p }: StoredReservation): string {
  return JSON.stringify({ r, p: formatPosition(p) });
}

function decodeReservation(json: string): StoredReservation {
  const { r, p } = JSON.parse(json) as { r: Reservation; p: string };
  return { r, p: parsePosition(p) };
}

/** The reservation itself, as older versions wrote it, and read it still, with the position beside its members. */
function encodeEnded({ r, p }: StoredReservation): string {
  return JSON.stringify({ ...r, position: formatPosition(p) });
}

/** What an older version wrote has no position, and was told when it was written. */
function decodeEnded(json: string): StoredReservation {
  const { position, ...r } = JSON.parse(json) as Reservation & { readonly position?: string };
  return { r, p: parsePosition(position) };
}

/** Whose outcomes must not be on record yet, in the order of the script's keys. */
const comparedIds = ({ records, unanswered = [] }: Commit): readonly string[] => [
  ...records.map(({ id }) => id),
  ...unanswered,
];

function commitResult(raw: unknown, commit: Commit): CommitResult {
  const [kind, ...rest] = raw as string[];
  switch (kind) {
    case 'committed':
    case 'fenced':
    case 'behind':
      return { kind };
    case 'repeat': {
      const ids = comparedIds(commit);
      const recorded = new Map<string, RecordedOutcome>();
      for (let i = 0; i + 1 < rest.length; i += 2) {
        const id = ids[Number(rest[i]) - 1];
        if (id !== undefined) recorded.set(id, decodeOutcome(rest[i + 1] ?? ''));
      }
      return { kind, recorded };
    }
    case 'guard': {
      const tallies = new Map<string, number>();
      for (let i = 0; i + 1 < rest.length; i += 2) tallies.set(rest[i] ?? '', Number(rest[i + 1]));
      return { kind, tallies };
    }
    default:
      throw new Error(`commit-n.lua answered ${JSON.stringify(raw)}`);
  }
}

function encodeOutcome({ result, durableAt }: RecordedOutcome): string {
  return JSON.stringify(durableAt ? { r: result, d: formatPosition(durableAt) } : { r: result });
}

function decodeOutcome(json: string): RecordedOutcome {
  const { r, d } = JSON.parse(json) as { r: Told; d?: string };
  return d === undefined ? { result: r } : { result: r, durableAt: parsePosition(d) };
}

/** `formerly` is set only for events that go to the archive without passing the outbox. */
function encodeEvent({ commandId, requestId, event }: CommittedEvent): string {
  return JSON.stringify({ c: commandId, q: requestId, e: event });
}

function decodeEvent(ticket: TicketId, id: string, json: string): CommittedEvent {
  const { c, q, e } = JSON.parse(json) as { c: string; q?: string; e: TicketEvent };
  return { ticket, ...parsePosition(id), commandId: c, event: e, ...(q !== undefined && { requestId: q }) };
}

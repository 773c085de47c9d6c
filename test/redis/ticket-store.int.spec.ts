/** The store of tickets on a real Redis, driven by hand: claims, compare-and-commit, outbox, records, reads. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Redis } from 'ioredis';
import type { Commit, RecordedOutcome, Reply } from '../../src/actors/ports.js';
import type { CommittedEvent } from '../../src/archive/port.js';
import { systemClock } from '../../src/process/clock.js';
import { RedisKeys } from '../../src/redis/keys.js';
import { RedisTicketStore } from '../../src/redis/ticket-store.js';
import {
  apply,
  decide,
  initialState,
  remoteKey,
  type Command,
  type TicketId,
  type Told,
  type TicketState,
} from '../../src/rules/index.js';
import { TEST_POLICY, testRedisUrl, until } from '../helpers/engine.js';
import { deleteKeys } from '../helpers/faults.js';
import { stateVersionOf } from '../../src/actors/state-codec.js';
import { told } from '../helpers/told.js';

const STATE_VERSION = stateVersionOf({ ordered: null });

const ticket: TicketId = { matchNumber: 7, category: 2 };
const sibling: TicketId = { matchNumber: 7, category: 3 };
const start = { incarnation: 1, sequence: 0 };
const zero = { incarnation: 0, sequence: 0 };

/** An owner that commits what the rules decide; a small stand-in for the actor. */
class Owner {
  state: TicketState;
  version = 0;
  sequence = 0;
  readonly owner = randomUUID();
  runId = '';

  constructor(
    readonly store: RedisTicketStore,
    readonly ticket: TicketId,
    readonly incarnation = 1,
  ) {
    this.state = initialState(ticket);
  }

  async claim(): Promise<this> {
    const { runId, stored } = await this.store.claim(this.ticket, this.owner);
    this.runId = runId;
    if (stored) {
      this.state = stored.state;
      this.version = stored.version;
      this.sequence = stored.position.sequence;
    }
    return this;
  }

  /** A commit of commands, not sent yet. */
  prepare(commands: readonly Command[], more: Partial<Commit> = {}): Commit {
    let after = this.state;
    const events: CommittedEvent[] = [];
    const records: { id: string; keepMs: number; outcome: RecordedOutcome }[] = [];
    for (const command of commands) {
      const { events: facts, outcome } = decide(after, command, TEST_POLICY);
      for (const event of facts) {
        after = apply(after, event);
        const sequence = this.sequence + events.length + 1;
        events.push({
          ticket: this.ticket,
          incarnation: this.incarnation,
          sequence,
          commandId: command.id,
          event,
        });
      }
      records.push({ id: command.id, keepMs: 60_000, outcome: { result: told(outcome) } });
    }
    return {
      commitId: randomUUID(),
      owner: this.owner,
      version: this.version,
      runId: this.runId,
      incarnation: this.incarnation,
      before: this.state,
      after,
      events,
      records,
      replies: new Map(),
      guards: new Map(),
      dueAt: 0,
      replace:
        this.version === 0
          ? {
              archived: { ...start, incarnation: this.incarnation },
              published: { ...start, incarnation: this.incarnation },
              uncertain: false,
            }
          : null,
      ...more,
    };
  }

  async send(commit: Commit) {
    const result = await this.store.commit(this.ticket, commit);
    if (result.kind === 'committed') {
      this.state = commit.after;
      this.version += 1;
      this.sequence += commit.events.length;
    }
    return result;
  }

  commit(commands: readonly Command[], more: Partial<Commit> = {}) {
    return this.send(this.prepare(commands, more));
  }
}

let ids = 0;
const next = () => ({ id: `c${(ids += 1)}`, at: 1_000 });
const load = (capacity = 10): Command => ({ ...next(), type: 'load', capacity, price: 75, currency: 'USD' });
const hold = (reservationId: string, quantity = 1, person = reservationId): Command => ({
  ...next(),
  type: 'hold',
  reservationId,
  quantity,
  email: person,
  person,
  personElsewhere: 0,
});
const pay = (reservationId: string): Command => ({
  ...next(),
  type: 'startPayment',
  reservationId,
  paymentId: 'p',
});
const confirm = (reservationId: string): Command => ({
  ...next(),
  type: 'confirm',
  reservationId,
  paymentId: 'p',
});
const release = (reservationId: string): Command => ({ ...next(), type: 'release', reservationId });

describe('the store of tickets', () => {
  let redis: Redis;
  let prefix: string;
  let keys: RedisKeys;
  let store: RedisTicketStore;

  beforeEach(() => {
    redis = new Redis(testRedisUrl());
    prefix = `t-${randomUUID().slice(0, 8)}`;
    keys = new RedisKeys(prefix);
    store = new RedisTicketStore(redis, keys, systemClock);
  });
  afterEach(async () => {
    await deleteKeys(redis, prefix);
    redis.disconnect();
  });

  const own = (of = ticket) => new Owner(store, of).claim();
  const opened = async (of = ticket): Promise<Owner> => {
    const owner = await own(of);
    expect(await owner.commit([load()])).toEqual({ kind: 'committed' });
    return owner;
  };
  /** Everything of the market in Redis. */
  const everything = async (): Promise<Map<string, string>> => {
    const all = new Map<string, string>();
    for (const key of await redis.keys(`${prefix}:*`)) {
      all.set(key, (await redis.dumpBuffer(key))?.toString('base64') ?? '');
    }
    return all;
  };

  describe('a claim', () => {
    it('of a ticket that nobody knows finds nothing, and asks for attention until the first commit', async () => {
      const { runId, stored } = await store.claim(ticket, 'me');
      expect(stored).toBeNull();
      expect(runId).toMatch(/^\w{40}$/);
      expect(await store.pulse([ticket])).toMatchObject([{ dueAt: expect.any(Number) }]);
      await opened();
      expect(await store.pulse([ticket])).toMatchObject([{ dueAt: 0 }]);
    });

    it('finds what was committed', async () => {
      const owner = await opened();
      const position = { source: 'kafka/0', offset: '12', index: 1 };
      const peer = {
        ...next(),
        type: 'remote',
        action: 'pending',
        clientId: 'peer',
        quantity: 2,
        recordedAt: 5,
      } as const;
      await owner.commit([hold('r1', 2, 'anna'), hold('r2'), { ...peer, position }]);
      await owner.commit([release('r2'), pay('r1')]);
      const { stored, runId } = await store.claim(ticket, 'next');
      expect(stored).toMatchObject({
        version: 3,
        runId,
        schema: STATE_VERSION,
        position: { incarnation: 1, sequence: 6 },
        cursors: { archived: start, published: start },
      });
      const read = stored!.state;
      expect(read.reservations.toJSON()).toEqual(owner.state.reservations.toJSON());
      expect(read.persons.toJSON()).toEqual({ anna: 2 });
      expect(read.remote.toJSON()).toEqual(owner.state.remote.toJSON());
      expect(read.positions.toJSON()).toEqual({ 'kafka/0': { offset: '12', index: 1 } });
      expect(read).toMatchObject({ capacity: 10, heldHere: 2, heldElsewhere: 2, opened: true });
    });

    it('takes the ticket from the one before', async () => {
      const first = await opened();
      const second = await own();
      const before = await everything();
      expect(await first.commit([hold('r1')])).toEqual({ kind: 'fenced' });
      expect(await everything()).toEqual(before);
      expect(await second.commit([hold('r1')])).toEqual({ kind: 'committed' });
    });
  });

  describe('a commit', () => {
    it('writes all of it: counters, records, outbox, tallies, and tells the gateways and everyone', async () => {
      const heard: [string, unknown][] = [];
      const bus = new Redis(testRedisUrl());
      await bus.subscribe(keys.channels.changes(), keys.channels.replies('g1'), keys.channels.replies('g2'));
      bus.on('message', (channel, message) => heard.push([channel, JSON.parse(message)]));
      const owner = await opened();
      await until(() => heard.splice(0).length === 1);
      const command = hold('r1', 2, 'anna');
      const replies = new Map<string, Reply[]>([
        ['g1', [{ id: 'x', result: { kind: 'closed' } }]],
        ['g2', []],
      ]);
      const commit = owner.prepare([command], { replies, dueAt: 77 });
      expect(await owner.send(commit)).toEqual({ kind: 'committed' });
      const counters = {
        ...ticket,
        capacity: 10,
        available: 10,
        pending: 8,
        price: 75,
        currency: 'USD',
        closed: false,
        cancelled: false,
        paused: false,
        pauseRevision: 0,
        soldHere: 0,
        soldElsewhere: 0,
        heldHere: 2,
        heldElsewhere: 0,
        incarnation: 1,
        version: 2,
      };
      await until(() => heard.length === 2);
      expect(heard).toEqual([
        [keys.channels.replies('g1'), [{ id: 'x', result: { kind: 'closed' } }]],
        [keys.channels.changes(), counters],
      ]);
      bus.disconnect();
      expect(await store.counters([ticket, sibling])).toEqual([counters]);
      expect(await store.outbox(ticket, zero, 10)).toEqual([
        expect.objectContaining({ incarnation: 1, sequence: 1 }),
        commit.events[0],
      ]);
      expect(await store.recall(ticket, [command.id, 'unknown'])).toEqual(
        new Map([[command.id, commit.records[0]!.outcome.result]]),
      );
      expect(await redis.pttl(keys.outcome(ticket, command.id))).toBeGreaterThan(50_000);
      expect(await redis.hgetall(keys.ticket(ticket).persons)).toEqual({ anna: '2' });
      expect(await store.pulse([ticket])).toMatchObject([{ dueAt: 77 }]);
    });

    it('on another version than was decided on writes nothing', async () => {
      const owner = await opened();
      const stale = owner.prepare([hold('r1')]);
      await owner.commit([hold('r2')]);
      const before = await everything();
      expect(await owner.send(stale)).toEqual({ kind: 'behind' });
      expect(await everything()).toEqual(before);
    });

    it('of an owner that Redis has forgotten writes nothing', async () => {
      const owner = await opened();
      await deleteKeys(redis, prefix);
      expect(await owner.commit([hold('r1')])).toEqual({ kind: 'behind' });
      expect(await everything()).toEqual(new Map());
    });

    it('that was sent twice took effect once, and says so', async () => {
      const owner = await opened();
      const commit = owner.prepare([hold('r1', 2)]);
      expect(await owner.send(commit)).toEqual({ kind: 'committed' });
      const before = await everything();
      expect(await store.commit(ticket, commit)).toEqual({ kind: 'committed' });
      expect(await everything()).toEqual(before);
    });

    it('with commands that took effect before answers their records, and writes nothing', async () => {
      const owner = await opened();
      const known = hold('r1', 2);
      const refused = hold('r2', 9);
      const durable: RecordedOutcome = {
        result: { kind: 'applied' },
        durableAt: { incarnation: 1, sequence: 9 },
      };
      const first = owner.prepare([known, refused]);
      await owner.send({
        ...first,
        records: [...first.records, { id: 'd', keepMs: 60_000, outcome: durable }],
      });
      const before = await everything();
      const again = owner.prepare([hold('r3'), refused, known]);
      const result = await owner.send({
        ...again,
        records: [...again.records, { id: 'd', keepMs: 60_000, outcome: durable }],
      });
      expect(result).toEqual({
        kind: 'repeat',
        recorded: new Map<string, RecordedOutcome>([
          [refused.id, first.records[1]!.outcome],
          [known.id, first.records[0]!.outcome],
          ['d', durable],
        ]),
      });
      expect(await everything()).toEqual(before);
    });

    it('that assumed too little of what a person has elsewhere answers the true tallies', async () => {
      const other = await opened(sibling);
      await other.commit([hold('s1', 2, 'anna'), hold('s2', 1, 'bob')]);
      const third = await opened({ matchNumber: 7, category: 1 });
      await third.commit([hold('t1', 1, 'anna')]);
      const owner = await opened();
      const before = await everything();
      const commands = [hold('r1', 1, 'anna'), hold('r2', 1, 'bob'), hold('r3', 1, 'carl')];
      const guards = new Map([
        ['anna', 0],
        ['bob', 1],
        ['carl', 2],
      ]);
      expect(await owner.commit(commands, { guards })).toEqual({
        kind: 'guard',
        tallies: new Map([
          ['anna', 3],
          ['carl', 0],
        ]),
      });
      expect(await everything()).toEqual(before);
      guards.set('anna', 3).set('carl', 0);
      expect(await owner.commit(commands, { guards })).toEqual({ kind: 'committed' });
    });

    it('that replaces leaves nothing of what was there, and goes on with the outbox', async () => {
      const owner = await opened();
      const peer = {
        ...next(),
        type: 'remote',
        action: 'pending',
        clientId: 'peer',
        quantity: 2,
        recordedAt: 5,
      } as const;
      await owner.commit([hold('r1', 2, 'anna'), peer]);
      const rebuilt = new Owner(store, ticket, 2);
      await rebuilt.claim();
      rebuilt.sequence = 0;
      rebuilt.state = initialState(ticket);
      const cursors = {
        archived: { incarnation: 2, sequence: 0 },
        published: { incarnation: 1, sequence: 1 },
        uncertain: true,
      };
      // Whatever version is stored.
      const commit = rebuilt.prepare([load(5), hold('r9', 1, 'zoe')], { replace: cursors, version: 41 });
      expect(await rebuilt.send(commit)).toEqual({ kind: 'committed' });
      const { stored } = await store.claim(ticket, 'reader');
      const { uncertain, ...rest } = cursors;
      const expected = { version: 42, position: { incarnation: 2, sequence: 2 }, cursors: rest, uncertain };
      expect(stored).toMatchObject({ ...expected, publisher: null });
      expect(stored!.state.reservations.keySeq().toArray()).toEqual(['r9']);
      expect(stored!.state.remote.size).toBe(0);
      expect(await redis.hgetall(keys.ticket(ticket).persons)).toEqual({ zoe: '1' });
      const outbox = await store.outbox(ticket, zero, 10);
      expect(outbox.map(({ incarnation, sequence }) => [incarnation, sequence])).toEqual([
        [1, 1],
        [1, 2],
        [1, 3],
        [2, 1],
        [2, 2],
      ]);
    });

    it('that would replace and is refused leaves all that was there', async () => {
      const other = await opened(sibling);
      await other.commit([hold('s1', 1, 'anna')]);
      const owner = await opened();
      const known = hold('r1', 2, 'anna');
      await owner.commit([known]);
      const before = await everything();
      const replace = { archived: start, published: start, uncertain: true };
      const anew = { replace };
      const guards = new Map([['anna', 0]]);
      expect(await owner.commit([hold('r2')], { ...anew, guards })).toMatchObject({ kind: 'guard' });
      expect(await everything()).toEqual(before);
      expect(await owner.commit([known], anew)).toMatchObject({ kind: 'repeat' });
      expect(await everything()).toEqual(before);
      const late = owner.prepare([hold('r3')], anew);
      const first = { ...late, events: late.events.map((event) => ({ ...event, sequence: 1 })) };
      await expect(owner.send(first)).rejects.toThrow('equal or smaller');
      expect(await everything()).toEqual(before);
    });

    it('takes away what ended, and keeps it readable', async () => {
      const owner = await opened();
      await owner.commit([hold('r1', 2, 'anna'), hold('r2')]);
      const peer = {
        type: 'remote',
        clientId: 'a/b',
        quantity: 1,
        recordedAt: 5,
        reservationId: 'x',
      } as const;
      await owner.commit([{ ...next(), ...peer, action: 'pending' }]);
      expect(await redis.hkeys(keys.ticket(ticket).remote)).toEqual([remoteKey('a/b', 'x')]);
      await owner.commit([release('r1'), { ...next(), ...peer, action: 'cancelled' }]);
      expect(await redis.hkeys(keys.ticket(ticket).reservations)).toEqual(['r2']);
      expect(await redis.hkeys(keys.ticket(ticket).remote)).toEqual([]);
      expect(await redis.hkeys(keys.ticket(ticket).persons)).toEqual(['r2']);
      expect(await store.findReservation(ticket, 'r1')).toMatchObject({ status: 'CANCELLED', quantity: 2 });
      expect(await redis.pttl(keys.ended(ticket, 'r1'))).toBeGreaterThan(86_000_000);
    });

    it('may be very large', async () => {
      const owner = await own();
      await owner.commit([load(20_000)]);
      const commands = Array.from({ length: 5_000 }, (_, i) => hold(`many-${i}`));
      expect(await owner.commit(commands)).toEqual({ kind: 'committed' });
      expect(await redis.hlen(keys.ticket(ticket).reservations)).toBe(5_000);
      expect(await owner.commit([{ ...next(), type: 'close', endHolds: true }])).toEqual({
        kind: 'committed',
      });
      expect(await redis.hlen(keys.ticket(ticket).reservations)).toBe(0);
      const [counters] = await store.counters([ticket]);
      expect(counters).toMatchObject({ closed: true, heldHere: 0, pending: 20_000 });
    });

    it('of a ticket that is not open is not told to anyone as one that is', async () => {
      const heard: string[] = [];
      const bus = new Redis(testRedisUrl());
      await bus.subscribe(keys.channels.changes());
      bus.on('message', (_, message) => heard.push(message));
      const owner = await own();
      await owner.commit([hold('r1')]);
      expect(await store.counters([ticket])).toEqual([]);
      await owner.commit([load()]);
      await until(() => heard.length > 0);
      expect(JSON.parse(heard[0]!)).toMatchObject({ capacity: 10, version: 2 });
      bus.disconnect();
    });
  });

  describe('the outbox', () => {
    it('is read after a position, in order, up to a limit', async () => {
      const owner = await opened();
      await owner.commit([hold('r1'), hold('r2'), hold('r3')]);
      const read = async (after: number, limit: number) =>
        (await store.outbox(ticket, { incarnation: 1, sequence: after }, limit)).map(
          ({ sequence }) => sequence,
        );
      expect(await read(0, 10)).toEqual([1, 2, 3, 4]);
      expect(await read(1, 2)).toEqual([2, 3]);
      expect(await read(4, 2)).toEqual([]);
    });

    it('keeps the request behind a command', async () => {
      const owner = await opened();
      const commit = owner.prepare([hold('r1')]);
      await owner.send({ ...commit, events: commit.events.map((event) => ({ ...event, requestId: 'req' })) });
      const [event] = await store.outbox(ticket, { incarnation: 1, sequence: 1 }, 1);
      expect(event).toEqual({ ...commit.events[0], requestId: 'req' });
    });

    it('is trimmed behind what was both archived and published, by its owner only; replies go out anyway', async () => {
      const heard: string[] = [];
      const bus = new Redis(testRedisUrl());
      await bus.subscribe(keys.channels.replies('g'));
      bus.on('message', (_, message) => heard.push(message));
      const owner = await opened();
      await owner.commit([hold('r1'), hold('r2'), hold('r3')]);
      const at = (sequence: number) => ({ incarnation: 1, sequence });
      const replies = new Map<string, Reply[]>([['g', [{ id: 'a', result: { kind: 'closed' } }]]]);
      await store.advance(ticket, 'someone else', { archived: at(4), published: at(4) }, replies);
      await until(() => heard.length === 1);
      expect(await redis.xlen(keys.ticket(ticket).outbox)).toBe(4);
      await store.advance(ticket, owner.owner, { archived: at(3), published: at(2) }, replies);
      await until(() => heard.length === 2);
      expect((await store.outbox(ticket, zero, 10)).map(({ sequence }) => sequence)).toEqual([3, 4]);
      const { stored } = await store.claim(ticket, 'next');
      expect(stored?.cursors).toEqual({ archived: at(3), published: at(2) });
      bus.disconnect();
    });
  });

  describe('what is told of a sale', () => {
    const durable = (result: Told, sequence: number): RecordedOutcome => ({
      result,
      durableAt: { incarnation: 1, sequence },
    });

    it('waits until it is archived: recorded outcomes, and the reservation', async () => {
      const owner = await opened();
      await owner.commit([hold('r1'), pay('r1')]);
      const commit = owner.prepare([confirm('r1')]);
      const [record] = commit.records;
      const outcome = durable(record!.outcome.result, 4);
      await owner.send({ ...commit, records: [{ ...record!, outcome }] });
      expect(await store.recall(ticket, [record!.id])).toEqual(new Map());
      expect(await store.findReservation(ticket, 'r1')).toMatchObject({ status: 'PAYING' });
      const at = (sequence: number) => ({ incarnation: 1, sequence });
      await store.advance(ticket, owner.owner, { archived: at(4), published: at(0) }, new Map());
      expect(await store.recall(ticket, [record!.id])).toEqual(new Map([[record!.id, outcome.result]]));
      expect(await store.findReservation(ticket, 'r1')).toMatchObject({ status: 'RESERVED' });
    });

    it('is nothing while a refund is not archived, of a part or of all: its money would be given back', async () => {
      const owner = await opened();
      const archivedNow = async (): Promise<void> => {
        const here = { incarnation: 1, sequence: owner.sequence };
        await store.advance(ticket, owner.owner, { archived: here, published: start }, new Map());
      };
      await owner.commit([hold('r1', 2), pay('r1'), confirm('r1')]);
      await archivedNow();
      for (const [refundedQuantity, status] of [
        [1, 'RESERVED'],
        [2, 'REFUNDED'],
      ]) {
        await owner.commit([{ ...next(), type: 'refund', reservationId: 'r1', quantity: 1 }]);
        await expect(store.findReservation(ticket, 'r1')).rejects.toThrow('waits for the archive');
        await archivedNow();
        expect(await store.findReservation(ticket, 'r1')).toMatchObject({ status, refundedQuantity });
      }
      expect(await store.findReservation(ticket, 'r1')).not.toHaveProperty('position');
    });

    it('is what an older version left of an ended one, which has no position', async () => {
      const owner = await opened();
      await owner.commit([hold('r1'), { ...next(), type: 'release', reservationId: 'r1' }]);
      const key = keys.ended(ticket, 'r1');
      const { position, ...older } = JSON.parse((await redis.get(key)) ?? '') as Record<string, unknown>;
      expect(position).toBe(`1-${owner.sequence}`);
      await redis.set(key, JSON.stringify({ ...older, status: 'REFUNDED', refundedQuantity: 1 }));
      expect(await store.findReservation(ticket, 'r1')).toMatchObject({ status: 'REFUNDED' });
    });

    it('is nothing at all while the ticket waits to be rebuilt after a restart of Redis', async () => {
      const owner = await opened();
      await owner.commit([hold('r1')]);
      await redis.hset(keys.ticket(ticket).meta, 'runId', 'the-run-before');
      await expect(store.findReservation(ticket, 'r1')).rejects.toThrow('waits to be rebuilt');
      await expect(store.findReservation(ticket, 'never-held')).rejects.toThrow('waits to be rebuilt');
    });

    it('is asked for together with the run that answers, which a proxy may change behind a connection', async () => {
      const owner = await opened();
      await owner.commit([hold('r1')]);
      expect(await store.findReservation(ticket, 'r1')).toMatchObject({ status: 'PENDING' });
      const info = jest.spyOn(redis, 'info').mockResolvedValue('run_id:another\r\n');
      await expect(store.findReservation(ticket, 'r1')).rejects.toThrow('waits to be rebuilt');
      expect(await store.pulse([ticket])).toMatchObject([{ dueAt: null }]);
      info.mockRestore();
      expect(await store.findReservation(ticket, 'r1')).toMatchObject({ status: 'PENDING' });
    });

    it('is nothing for what nobody ever held', async () => {
      await opened();
      expect(await store.findReservation(ticket, 'r1')).toBeNull();
      expect(await store.recall(ticket, [])).toEqual(new Map());
    });
  });

  describe('all that is sold of a ticket', () => {
    const soldNow = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { id, quantity, status } of store.sold(ticket))
        found.push(`${id} ${quantity} ${status}`);
      return found.sort();
    };
    const archivedUpTo = async (owner: Owner): Promise<void> => {
      const here = { incarnation: 1, sequence: owner.sequence };
      await store.advance(ticket, owner.owner, { archived: here, published: start }, new Map());
    };

    it('is what may be told: no hold, and no sale before it is archived', async () => {
      const owner = await opened();
      await owner.commit([hold('r1', 2), pay('r1'), confirm('r1'), hold('r2'), hold('r3'), pay('r3')]);
      expect(await soldNow()).toEqual([]);
      await archivedUpTo(owner);
      expect(await soldNow()).toEqual(['r1 2 RESERVED']);
      await owner.commit([pay('r2'), confirm('r2')]);
      // Known by its refund, which nobody could have ordered before.
      await owner.commit([{ ...next(), type: 'refund', reservationId: 'r1', quantity: 1 }]);
      expect(await soldNow()).toEqual(['r1 1 RESERVED']);
      await owner.commit([{ ...next(), type: 'refund', reservationId: 'r1', quantity: 1 }]);
      await archivedUpTo(owner);
      expect(await soldNow()).toEqual(['r2 1 RESERVED']);
    });

    it('is each sale once, however many', async () => {
      const owner = await opened();
      await owner.commit([load(5_000)]);
      const many = Array.from({ length: 3_000 }, (_, i) => [hold(`r${i}`), pay(`r${i}`), confirm(`r${i}`)]);
      await owner.commit(many.flat());
      await archivedUpTo(owner);
      const found = await soldNow();
      expect(found).toHaveLength(3_000);
      expect(new Set(found).size).toBe(3_000);
    });

    it('is not told while another run of Redis may have lost some, nor of a ticket it does not know', async () => {
      const owner = await opened();
      expect(await soldNow()).toEqual([]);
      await redis.hset(keys.ticket(ticket).meta, 'runId', 'another');
      await expect(soldNow()).rejects.toThrow(/waits to be rebuilt/);
      await redis.hset(keys.ticket(ticket).meta, 'runId', owner.runId);
      expect(await soldNow()).toEqual([]);
      const unknown = store.sold({ matchNumber: 8, category: 1 });
      await expect(unknown.next()).rejects.toThrow(/waits to be rebuilt/);
    });
  });

  describe('the pulse', () => {
    it('says what each ticket asks for, in the order asked', async () => {
      const { queuePrefix, queueName } = keys.ticket(ticket);
      await redis.rpush(`${queuePrefix}:${queueName}:wait`, '1', '2');
      await redis.rpush(`${queuePrefix}:${queueName}:active`, '3');
      await opened(sibling);
      expect(await store.pulse([sibling, ticket])).toEqual([
        { ticket: sibling, waiting: 0, active: 0, dueAt: 0, isOut: false },
        { ticket, waiting: 2, active: 1, dueAt: null, isOut: true },
      ]);
    });

    it('asks for a look at every ticket that another run of Redis left', async () => {
      await opened();
      await redis.hset(keys.ticket(ticket).meta, 'runId', 'an earlier run');
      expect(await store.pulse([ticket])).toMatchObject([{ dueAt: null }]);
    });

    it('says when Redis cannot answer', async () => {
      await redis.set(`${keys.ticket(ticket).queuePrefix}:${keys.ticket(ticket).queueName}:wait`, 'no list');
      await expect(store.pulse([ticket])).rejects.toThrow('WRONGTYPE');
      await redis.set(keys.ticket(ticket).meta, 'no hash');
      await expect(store.counters([ticket])).rejects.toThrow('WRONGTYPE');
      await expect(store.claim(ticket, 'me')).rejects.toThrow('WRONGTYPE');
    });
  });
});

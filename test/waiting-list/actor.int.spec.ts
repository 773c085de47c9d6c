/** The waiting list on a real Redis: kept by commits, found by claims, rebuilt from the ledger, read by position. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { RedisWaitingLists } from '../../src/redis/waiting-lists.js';
import type { TicketId } from '../../src/rules/index.js';
import {
  addJob,
  envelopeOf,
  holdBody,
  ledgerOf,
  loadBody,
  startEngine,
  TEST_POLICY,
  until,
  type Engine,
} from '../helpers/engine.js';
import { deleteKeys } from '../helpers/faults.js';

const [ticket, other] = [1, 2].map((category) => ({ matchNumber: 7, category })) as [TicketId, TicketId];
const POLICY = { ...TEST_POLICY, waitingListMax: 1_000, waitingOfferMs: 600_000 };

const joinBody = (person: string, quantity = 2) =>
  ({
    type: 'joinWaitingList',
    entryId: `w-${person}`,
    reservationId: `o-${person}`,
    quantity,
    email: `${person}@example.org`,
    person,
  }) as const;

describe('a waiting list', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  const start = async (): Promise<RedisWaitingLists> => {
    engine = await startEngine({ matches: [7], worker: { policy: POLICY } });
    return new RedisWaitingLists(engine.core.redis, engine.core.keys);
  };

  /** All of two tickets held, and these in line. */
  const soldOut = async (...persons: readonly string[]): Promise<void> => {
    await engine.tell(ticket, loadBody(2));
    await engine.tell(ticket, holdBody('held', 2));
    for (const person of persons) {
      expect(await engine.tell(ticket, joinBody(person))).toMatchObject({ kind: 'waiting' });
    }
  };
  const release = () => engine.tell(ticket, { type: 'release', reservationId: 'held' });
  const positions = (lists: RedisWaitingLists, persons: readonly string[]) =>
    Promise.all(
      persons.map(async (person) => {
        const found = await lists.find(ticket, `w-${person}`);
        return found?.kind === 'waiting' ? found.position : (found?.kind ?? null);
      }),
    );

  it('is where the next owner finds it, in order', async () => {
    const lists = await start();
    await soldOut('ann', 'bob', 'cy', 'dan');
    await engine.tell(ticket, { type: 'leaveWaitingList', entryId: 'w-bob' });
    expect(await positions(lists, ['ann', 'bob', 'cy', 'dan'])).toEqual([1, 'left', 2, 3]);
    expect(await lists.ofPerson([ticket, other], 'cy')).toEqual([{ ticket, entryId: 'w-cy' }]);
    expect(await lists.ofPerson([ticket, other], 'bob')).toEqual([]);
    await engine.workers[0]!.stop();
    await engine.addWorker({ policy: POLICY });
    await release();
    const { store } = engine.core;
    expect(await store.findReservation(ticket, 'o-ann')).toMatchObject({
      status: 'PENDING',
      quantity: 2,
      offer: { entryId: 'w-ann' },
    });
    expect(await positions(lists, ['ann', 'cy', 'dan'])).toEqual([null, 1, 2]);
    // The peers' tallies stand in the same hash.
    expect(await store.market(ticket)).toEqual({ orphans: new Map(), remote: new Map() });
  });

  it.each(['another worker', 'a Redis that lost everything'])(
    'keeps what a phase of the sale allowed for %s',
    async (after) => {
      const lists = await start();
      await soldOut();
      const limits = { perPerson: 2, until: Date.now() + 60_000, code: { digest: 'd', ticketsMax: 3 } };
      expect(await engine.tell(ticket, { ...joinBody('ann'), limits })).toMatchObject({ kind: 'waiting' });
      // One code is not for more than it gets.
      const more = await engine.tell(ticket, {
        ...joinBody('bob'),
        limits: { code: { digest: 'd', ticketsMax: 1 } },
      });
      expect(more).toMatchObject({ kind: 'purchase_limit', of: 'code' });
      if (after === 'another worker') {
        await engine.workers[0]!.stop();
        await engine.addWorker({ policy: POLICY });
      } else {
        await deleteKeys(engine.core.redis, engine.prefix);
        await until(async () => (await positions(lists, ['ann']).catch(() => [null]))[0] === 1);
      }
      await release();
      expect(await engine.core.store.findReservation(ticket, 'o-ann')).toMatchObject({
        status: 'PENDING',
        code: 'd',
        limits: { perPerson: 2, perCode: 3 },
      });
    },
  );

  it('gives a place once to whoever leaves and joins again', async () => {
    const lists = await start();
    await soldOut('ann', 'bob');
    const { keys, redis } = engine.core;
    // In one commit, so that the field that is written is not removed again.
    await addJob(engine.core, ticket, [
      envelopeOf('leave', { type: 'leaveWaitingList', entryId: 'w-ann' }),
      envelopeOf('again', { ...joinBody('ann'), entryId: 'w-again', reservationId: 'o-again' }),
    ]);
    await engine.core.redis.publish(engine.core.keys.channels.wake(), '7:1');
    await until(async () => (await lists.find(ticket, 'w-again')) !== null);
    expect(await lists.ofPerson([ticket], 'ann')).toEqual([{ ticket, entryId: 'w-again' }]);
    expect(await lists.find(ticket, 'w-again')).toMatchObject({ kind: 'waiting', position: 2 });
    expect(await redis.zrange(keys.ticket(ticket).waiting, 0, -1)).toEqual(['w-bob', 'w-again']);
  });

  it('survives a Redis that lost everything, and is told only when it will', async () => {
    const lists = await start();
    await soldOut('ann', 'bob');
    const types = (await ledgerOf(engine.archive, ticket)).map(({ event }) => event.type);
    expect(types).toEqual(['loaded', 'held', 'waitingJoined', 'waitingJoined']);
    await deleteKeys(engine.core.redis, engine.prefix);
    await until(async () => (await positions(lists, ['bob']).catch(() => [null]))[0] === 2);
    expect(await positions(lists, ['ann', 'bob'])).toEqual([1, 2]);
    await release();
    expect(await engine.core.store.findReservation(ticket, 'o-ann')).toMatchObject({ status: 'PENDING' });
    expect(await positions(lists, ['ann', 'bob'])).toEqual([null, 1]);
  });

  it('offers the next when an offer lapses, with nobody asking', async () => {
    engine = await startEngine({ matches: [7], worker: { policy: { ...POLICY, waitingOfferMs: 300 } } });
    await soldOut('ann', 'bob');
    await release();
    const { store } = engine.core;
    await until(async () => (await store.findReservation(ticket, 'o-bob')) !== null);
    await until(async () => {
      const offer = await store.findReservation(ticket, 'o-bob');
      return offer !== 'unknown_ticket' && offer?.status === 'EXPIRED';
    });
    const offered = (await ledgerOf(engine.archive, ticket)).filter(({ event }) => event.type === 'held');
    expect(offered.map(({ event }) => 'reservation' in event && event.reservation.id)).toEqual([
      'held',
      'o-ann',
      'o-bob',
    ]);
  });

  it('passes those by who have bought in another category, however many they are', async () => {
    await start();
    await engine.tell(other, loadBody(1_000));
    const rich = Array.from({ length: 250 }, (_, i) => `rich${i}`);
    await engine.tell(ticket, loadBody(2));
    await engine.tell(ticket, holdBody('held', 2));
    for (const person of [...rich, 'ann']) void (await engine.ask(ticket, joinBody(person)));
    await Promise.all(
      rich.flatMap((person) => [
        engine.tell(other, holdBody(`${person}-1`, 2, person)),
        engine.tell(other, holdBody(`${person}-2`, 2, person)),
      ]),
    );
    await release();
    const types = async (type: string) =>
      (await ledgerOf(engine.archive, ticket)).filter(({ event }) => event.type === type);
    await until(async () => (await types('held')).length === 2);
    const ledger = await ledgerOf(engine.archive, ticket);
    const left = ledger.filter(({ event }) => event.type === 'waitingLeft');
    expect(left).toHaveLength(rich.length);
    expect(await engine.core.store.findReservation(ticket, 'o-ann')).toMatchObject({ status: 'PENDING' });
  });
});

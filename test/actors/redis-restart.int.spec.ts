/** A redis-server that is killed and started again under a running engine. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  countersOf,
  holdBody,
  ledgerOf,
  loadBody,
  sell,
  startEngine,
  until,
  type Engine,
} from '../helpers/engine.js';
import { OwnRedis } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };

describe('a redis-server that is killed and started again', () => {
  const server = new OwnRedis();
  let engine: Engine;
  beforeEach(() => server.start());
  afterEach(async () => {
    await engine.stop();
    await server.remove();
  });

  it('loses nothing that was answered, and the engine goes on by itself', async () => {
    engine = await startEngine({ redisUrl: server.url, prefix: 'restart', matches: [7] });
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('sold', 2));
    expect(await sell(engine, ticket, 'sold')).toMatchObject({ kind: 'reserved' });
    expect(await engine.tell(ticket, holdBody('held', 1))).toMatchObject({ kind: 'held' });
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 1, soldHere: 2, heldHere: 1 });

    await server.kill();
    await until(() => engine.core.redis.status !== 'ready');
    expect(await engine.ask(ticket, holdBody('refused'))).toMatchObject({ kind: 'overloaded' });
    await server.start();

    await until(async () => (await countersOf(engine, ticket)).incarnation === 2);
    expect(await countersOf(engine, ticket)).toMatchObject({
      capacity: 10,
      available: 8,
      pending: 7,
      soldHere: 2,
      heldHere: 1,
    });
    expect(await engine.core.store.findReservation(ticket, 'sold')).toMatchObject({ status: 'RESERVED' });
    expect(await engine.core.store.findReservation(ticket, 'held')).toMatchObject({ status: 'PENDING' });
    await until(async () => (await engine.ask(ticket, holdBody('after', 2), 'after')).kind === 'answered');
    expect(await sell(engine, ticket, 'after')).toMatchObject({ kind: 'reserved' });
    expect(await sell(engine, ticket, 'held')).toMatchObject({ kind: 'reserved' });
    expect(await countersOf(engine, ticket)).toMatchObject({ available: 5, pending: 5, soldHere: 5 });
    const positions = (await ledgerOf(engine.archive, ticket)).map(
      ({ incarnation, sequence, event }) => `${incarnation}-${sequence} ${event.type}`,
    );
    expect(positions).toEqual([
      '1-1 loaded',
      '1-2 held',
      '1-3 paymentStarted',
      '1-4 sold',
      '1-5 held',
      '2-1 held',
      '2-2 paymentStarted',
      '2-3 sold',
      '2-4 paymentStarted',
      '2-5 sold',
    ]);
  });
});

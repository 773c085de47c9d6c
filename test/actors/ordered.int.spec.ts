/** Holds that the log decides, on a real Redis and archive: who is told, when, and what survives. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { SubmissionResult } from '../../src/http/ports.js';
import { NotPublishedError, type OutgoingRecord } from '../../src/kafka/port.js';
import { encodeSale } from '../../src/kafka/wire.js';
import type { CommandBody } from '../../src/actors/ports.js';
import {
  holdBody,
  ledgerOf,
  loadBody,
  logOf,
  sell,
  startEngine,
  storedOf,
  TEST_POLICY,
  until,
  type Engine,
} from '../helpers/engine.js';
import { deleteKeys } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };
const policy = { ...TEST_POLICY, ordered: true, waitingListMax: 10 };

describe('holds that the log decides', () => {
  let engine: Engine;
  let log: OutgoingRecord[] = [];
  /** How many of the log were handed to the actor. */
  let folded = 0;
  let isLogAway = false;
  afterEach(() => engine.stop());

  async function start(capacity: number): Promise<void> {
    log = [];
    folded = 0;
    engine = await startEngine({
      matches: [7],
      worker: { policy, snapshotMs: 60_000 },
      deps: {
        log: logOf((records) => {
          if (isLogAway) return Promise.reject(new NotPublishedError('away'));
          log.push(...records);
          return Promise.resolve();
        }),
        encode: (event) =>
          encodeSale(event, { clientId: 'me', topic: 'sales', clientIdInValue: false, ordered: true }),
      },
    });
    await engine.tell(ticket, loadBody(capacity));
  }

  const published = (count: number) => until(() => log.length >= count);

  /** A message at the next place of the log. */
  const at = (offset: number) => ({
    recordedAt: Date.now(),
    position: { source: 'cluster/0', offset: String(offset), index: 0 },
  });

  /** Hands our own records back, as far as they were published. */
  async function fold(): Promise<void> {
    for (; folded < log.length; folded += 1) {
      const { value, headers } = log[folded]!;
      const { meta, body } = JSON.parse(value) as {
        meta: { action: string };
        body: { tickets: { quantity: number } };
      };
      const action = meta.action.replace('TICKET_', '').toLowerCase() as 'pending' | 'reserved' | 'cancelled';
      const own: CommandBody = {
        type: 'own',
        action,
        reservationId: headers['reservationId']!,
        quantity: body.tickets.quantity,
        ...at(10 * folded),
      };
      expect(await engine.tell(ticket, own)).toEqual({ kind: 'applied' });
    }
  }

  /** A message of another marketplace that goes by the log, before what is at `offset`. */
  const peerPends = (offset: number, quantity = 1) =>
    engine.tell(ticket, {
      type: 'remote',
      action: 'pending',
      clientId: 'peer',
      reservationId: `peer-${offset}`,
      ordered: true,
      quantity,
      ...at(offset),
    });

  const isAnswered = async (asked: Promise<SubmissionResult>): Promise<boolean> => {
    const later = new Promise<'later'>((resolve) => setTimeout(() => resolve('later'), 50));
    return (await Promise.race([asked, later])) !== 'later';
  };

  it('tells the buyer when its record came back, and sells what it granted', async () => {
    await start(2);
    const asked = engine.ask(ticket, holdBody('a', 2));
    await published(1);
    expect(await isAnswered(asked)).toBe(false);
    expect(await engine.core.store.findReservation(ticket, 'a')).toBeNull();
    await fold();
    expect(await asked).toMatchObject({
      kind: 'answered',
      result: { kind: 'held', reservation: { id: 'a' } },
    });
    expect(await sell(engine, ticket, 'a')).toMatchObject({ kind: 'reserved' });
    await published(2);
    await fold();
    expect(log.map(({ value }) => (JSON.parse(value) as { meta: object }).meta)).toEqual([
      { action: 'TICKET_PENDING' },
      { action: 'TICKET_RESERVED' },
    ]);
  });

  it('answers who gives a place up while the log is asked for its tickets that it is to be asked again', async () => {
    await start(1);
    const held = engine.tell(ticket, holdBody('a'));
    await published(1);
    await fold();
    expect(await held).toMatchObject({ kind: 'held' });
    const body = { type: 'joinWaitingList', entryId: 'w', reservationId: 'o', quantity: 1 } as const;
    const joined = await engine.tell(ticket, { ...body, email: 'ann@example.org', person: 'ann' });
    expect(joined).toMatchObject({ kind: 'waiting' });
    await engine.tell(ticket, { type: 'release', reservationId: 'a' });
    await published(2);
    await fold();
    await published(3);
    const leave = () => engine.tell(ticket, { type: 'leaveWaitingList', entryId: 'w' }, 'leave');
    expect(await leave()).toEqual({ kind: 'being_offered' });
    // Another marketplace had the place before: the entry waits on, and the same command takes effect.
    expect(await peerPends(15)).toEqual({ kind: 'applied' });
    await fold();
    expect(await leave()).toMatchObject({ kind: 'left_waiting_list', entry: { id: 'w' } });
  });

  it('tells the one who came too late that it is held, and takes it back', async () => {
    await start(1);
    const asked = engine.ask(ticket, holdBody('a'));
    await published(1);
    expect(await peerPends(0)).toEqual({ kind: 'applied' });
    folded = 1;
    const own: CommandBody = {
      type: 'own',
      action: 'pending',
      reservationId: 'a',
      quantity: 1,
      ...at(5),
    };
    await engine.tell(ticket, own);
    expect(await asked).toEqual({
      kind: 'answered',
      result: { kind: 'temporarily_unavailable', remaining: 0 },
    });
    await published(2);
    expect(log[1]!.headers).toMatchObject({ reservationId: 'a', reason: 'cancelled', admission: 'ordered' });
  });

  it('everybody who asks for the same hold meanwhile is told, also under another id', async () => {
    await start(2);
    const body = holdBody('a', 1, 'ann');
    const first = engine.ask(ticket, body, 'one');
    await published(1);
    const again = engine.ask(ticket, body, 'one');
    const other = engine.ask(ticket, body, 'two');
    await until(async () => (await engine.core.store.pulse([ticket]))[0]?.waiting === 0);
    await fold();
    for (const asked of [first, again, other]) {
      expect(await asked).toMatchObject({ kind: 'answered', result: { kind: 'held' } });
    }
    expect(log).toHaveLength(1);
  });

  it('who asks once more is told what the log decided, and does not ask it again', async () => {
    await start(2);
    const body = holdBody('a', 1, 'ann');
    const first = engine.ask(ticket, body, 'one');
    await published(1);
    await fold();
    expect(await first).toMatchObject({ result: { kind: 'held' } });
    expect(await engine.tell(ticket, { type: 'release', reservationId: 'a' })).toMatchObject({
      kind: 'released',
    });
    await published(2);
    await fold();
    // A request that comes twice, or a job that is worked on again by the next owner.
    expect(await engine.ask(ticket, body, 'one')).toMatchObject({
      kind: 'answered',
      result: { kind: 'held', reservation: { id: 'a' } },
    });
    const ledger = (await ledgerOf(engine.archive, ticket)).map(({ event }) => event.type);
    expect(ledger.filter((type) => type === 'asked')).toHaveLength(1);
    expect(log).toHaveLength(2);
  });

  it('an owner that dies between asking and the decision leaves it to the next; the buyer is told by the record', async () => {
    await start(1);
    const asked = engine.ask(ticket, holdBody('a'));
    await published(1);
    await engine.workers[0]!.stop();
    await engine.addWorker();
    await fold();
    expect(await asked).toMatchObject({ kind: 'answered', result: { kind: 'held' } });
  });

  it('a Redis that lost everything forgets neither who asked nor what the log gave', async () => {
    await start(3);
    const kept = engine.ask(ticket, holdBody('kept', 2));
    await published(1);
    await fold();
    expect(await kept).toMatchObject({ result: { kind: 'held' } });
    const asked = engine.ask(ticket, holdBody('asked'));
    await published(2);
    const ledger = (await ledgerOf(engine.archive, ticket)).map(({ event }) => event.type);
    expect(ledger.slice(0, 3)).toEqual(['loaded', 'asked', 'held']);
    await deleteKeys(engine.core.redis, engine.prefix);
    await fold();
    expect(await asked).toMatchObject({ result: { kind: 'held' } });
    // All is given: by the log, not only by what is held here.
    expect(await engine.tell(ticket, holdBody('more'))).toEqual({
      kind: 'temporarily_unavailable',
      remaining: 0,
    });
    expect(await sell(engine, ticket, 'kept')).toMatchObject({ kind: 'reserved' });
  });

  it('Redis has what the owner has: another one begins where it was', async () => {
    await start(3);
    void engine.ask(ticket, holdBody('a'));
    await published(1);
    await peerPends(0);
    const { remote } = (await storedOf(engine.core, ticket)) as { remote: Record<string, string> };
    expect(Object.keys(remote).sort()).toEqual(['%asked/a', 'peer/peer-0']);
    await engine.workers[0]!.stop();
    await engine.addWorker();
    folded = 1;
    await engine.tell(ticket, {
      type: 'own',
      action: 'pending',
      reservationId: 'a',
      quantity: 1,
      ...at(5),
    });
    const after = (await storedOf(engine.core, ticket)) as { remote: Record<string, string> };
    expect(Object.keys(after.remote).sort()).toEqual(['%logged/a', 'peer/peer-0']);
    expect(await engine.core.store.market(ticket)).toMatchObject({ remote: new Map([['peer/peer-0', {}]]) });
  });

  it('a worker of the other mode publishes nothing of what the last owner left', async () => {
    await start(1);
    isLogAway = true;
    void engine.ask(ticket, holdBody('a'));
    await until(async () => (await ledgerOf(engine.archive, ticket)).length === 2);
    await engine.workers[0]!.stop();
    isLogAway = false;
    await engine.addWorker({ policy: TEST_POLICY });
    // Long enough for some looks at it.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(log).toEqual([]);
    await engine.workers[1]!.stop();
    await engine.addWorker();
    await published(1);
  });

  it('a ticket that was opened in the other mode is not sold', async () => {
    await start(1);
    await engine.workers[0]!.stop();
    await engine.addWorker({ policy: TEST_POLICY });
    const asked = engine.ask(ticket, holdBody('a'));
    expect(await isAnswered(asked)).toBe(false);
    await engine.workers[1]!.stop();
    await engine.addWorker();
    await published(1);
    await fold();
    expect(await asked).toMatchObject({ result: { kind: 'held' } });
  });
});

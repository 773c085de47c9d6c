/** One effect and one outcome per command id, however often and in whatever job it comes. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CommandEnvelope, Reply } from '../../src/actors/ports.js';
import {
  addJob,
  countersOf,
  envelopeOf,
  hearReplies,
  holdBody,
  ledgerOf,
  loadBody,
  startEngine,
  until,
  type Engine,
} from '../helpers/engine.js';
import { patched, Pause } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };
const to = (id: string, body: CommandEnvelope['body']) => envelopeOf(id, body, { replyTo: 'probe' });

describe('a command that comes again', () => {
  let engine: Engine;
  let replies: readonly Reply[];
  afterEach(() => engine.stop());

  const start = async (workers = 1): Promise<void> => {
    engine = await startEngine({
      workers,
      matches: [7],
      core: { jobLockMs: 500 },
      worker: { leaseMs: 600 },
    });
    replies = await hearReplies(engine.core, 'probe');
  };
  const kinds = () => replies.map(({ id, result }) => `${id} ${result.kind}`);

  it('in another job is told the recorded outcome: grants, refusals and what waits for the archive', async () => {
    await start();
    const job = [
      to('load', loadBody(4)),
      to('hold', holdBody('r1', 2)),
      to('no', holdBody('r2', 9)),
      to('pay', { type: 'startPayment', reservationId: 'r1', paymentId: 'p' }),
      to('sell', { type: 'confirm', reservationId: 'r1', paymentId: 'p' }),
      to('gone', { type: 'release', reservationId: 'nobody' }),
    ];
    await addJob(engine.core, ticket, job);
    await until(() => replies.length === 6);
    const first = new Map(replies.map(({ id, result }) => [id, result]));
    // A refusal stays a refusal, although what it says has changed since.
    await engine.tell(ticket, { type: 'refund', reservationId: 'r1', quantity: 2 });
    await addJob(engine.core, ticket, job);
    await until(() => replies.length === 12);
    for (const { id, result } of replies.slice(6)) expect(result).toEqual(first.get(id));
    expect(await ledgerOf(engine.archive, ticket)).toHaveLength(5);
    expect(await countersOf(engine, ticket)).toMatchObject({ soldHere: 0, heldHere: 0, pending: 4 });
  });

  it('takes effect, when it is a message of another marketplace that came before its ticket opened', async () => {
    await start();
    const message = to('log/1/0', {
      type: 'remote',
      action: 'pending',
      clientId: 'north',
      quantity: 2,
      recordedAt: 1,
      position: { source: 'log', offset: '1', index: 0 },
    });
    for (const envelope of [message, message, to('load', loadBody(4)), message, message]) {
      const heard = replies.length;
      await addJob(engine.core, ticket, [envelope]);
      await until(() => replies.length > heard);
    }
    expect(kinds()).toEqual([
      'log/1/0 not_open',
      'log/1/0 not_open',
      'load applied',
      'log/1/0 applied',
      'log/1/0 applied',
    ]);
    expect(await countersOf(engine, ticket)).toMatchObject({ capacity: 4, heldElsewhere: 2 });
  });

  it('in the same job has one effect and is told one outcome', async () => {
    await start();
    const hold = to('hold', holdBody('r1', 2));
    await addJob(engine.core, ticket, [to('load', loadBody(4)), hold, hold]);
    await until(() => replies.length === 3);
    expect(kinds()).toEqual(['load applied', 'hold held', 'hold held']);
    expect(replies[1]).toEqual(replies[2]);
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 2 });
  });

  it('among new ones is told again, and the new ones take effect', async () => {
    await start();
    await addJob(engine.core, ticket, [to('load', loadBody(4)), to('a', holdBody('r1', 2))]);
    await addJob(engine.core, ticket, [to('b', holdBody('r2', 2)), to('a', holdBody('r1', 2))]);
    await addJob(engine.core, ticket, [to('a', holdBody('r1', 2)), to('c', holdBody('r3', 2))]);
    await until(() => replies.length === 6);
    expect(kinds().sort()).toEqual([
      'a held',
      'a held',
      'a held',
      'b held',
      'c temporarily_unavailable',
      'load applied',
    ]);
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 4, pending: 0 });
  });

  it.each(['before the commit was answered', 'before the job was completed'])(
    'because its worker died %s, has one effect and is told its outcome',
    async (moment) => {
      await start(0);
      // Nothing before `pay` sleeps: the answer of a hold can be here before its worker has gone on.
      const pause = new Pause(true);
      const dying = await engine.addPeer({
        parts: ({ store, queues }) => ({
          store: patched(store, {
            commit: async (of, commit) => {
              const result = await store.commit(of, commit);
              const isPaying = commit.records.some(({ id }) => id === 'pay');
              if (moment.includes('commit') && isPaying) await pause.here();
              return result;
            },
          }),
          queues: patched(queues, {
            next: async (of, previous) => {
              const isPaying = JSON.stringify(previous?.data ?? null).includes('"id":"pay"');
              if (moment.includes('completed') && isPaying) await pause.here();
              return queues.next(of, previous);
            },
          }),
        }),
      });
      expect(await engine.tell(ticket, loadBody(4))).toMatchObject({ kind: 'applied' });
      await engine.tell(ticket, holdBody('r1', 2));
      const job = [
        to('pay', { type: 'startPayment', reservationId: 'r1', paymentId: 'p' }),
        to('hold', holdBody('r2', 2)),
        to('no', holdBody('r3', 1)),
      ];
      await addJob(engine.core, ticket, job);
      await pause.reached;
      const times = (id: string) => replies.filter((reply) => reply.id === id).length;
      await until(() => times('hold') + times('no') === 2);
      dying.kill();
      await engine.addWorker();
      await until(() => times('hold') + times('no') === 4 && times('pay') > 0);
      for (const { id, result } of replies) {
        if (id === 'pay') expect(result).toMatchObject({ kind: 'paying', reservation: { paymentId: 'p' } });
        if (id === 'hold') expect(result).toMatchObject({ kind: 'held', reservation: { id: 'r2' } });
        if (id === 'no') expect(result).toEqual({ kind: 'temporarily_unavailable', remaining: 0 });
      }
      await until(async () => (await ledgerOf(engine.archive, ticket)).length === 4);
      expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 4, pending: 0, incarnation: 1 });
      await until(async () => {
        const [pulse] = await engine.core.store.pulse([ticket]);
        return pulse?.waiting === 0 && pulse.active === 0;
      });
    },
  );
});

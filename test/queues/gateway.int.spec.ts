/** The gateway on real queues: refusals, lost replies, and a Redis that goes away. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CommandJob, Reply } from '../../src/actors/ports.js';
import { systemClock } from '../../src/process/clock.js';
import { Gateway } from '../../src/queues/gateway.js';
import {
  addJob,
  countersOf,
  envelopeOf,
  hearReplies,
  holdBody,
  loadBody,
  sell,
  silentLogger,
  startEngine,
  until,
  type Engine,
} from '../helpers/engine.js';
import { OwnRedis, patched, Pause } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };

describe('the gateway on real queues', () => {
  let engine: Engine;
  let server: OwnRedis | null = null;
  afterEach(async () => {
    await engine.stop();
    await server?.remove();
    server = null;
  });

  it('a command past its deadline is refused and not recorded: a later attempt takes effect', async () => {
    engine = await startEngine();
    await engine.tell(ticket, loadBody(3));
    const replies = await hearReplies(engine.core, 'probe');
    const deadline = Date.now() - 1;
    await addJob(engine.core, ticket, [envelopeOf('h', holdBody('r1'), { replyTo: 'probe', deadline })]);
    await until(() => replies.length === 1);
    expect(replies).toEqual([{ id: 'h', result: { kind: 'deadline_passed' }, deadline }]);
    expect(await engine.core.store.recall(ticket, ['h'])).toEqual(new Map());
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 0 });
    expect(await engine.tell(ticket, holdBody('r1'), 'h')).toMatchObject({ kind: 'held' });
  });

  it('nothing new is sold while the outbox is full; what was begun can end; then it goes on', async () => {
    const appending = new Pause();
    engine = await startEngine({
      matches: [7],
      worker: { outboxEntriesMax: 3 },
      archive: (real) =>
        patched(real, {
          append: async (batches) => {
            await appending.here();
            return real.append(batches);
          },
        }),
    });
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('before'));
    await until(async () => {
      const { redis, keys } = engine.core;
      const cursors = await redis.hmget(keys.ticket(ticket).meta, 'archived', 'published');
      return cursors.every((cursor) => cursor === '1-2');
    });
    appending.arm();
    const granted: string[] = [];
    await until(async () => {
      const id = `r${granted.length}`;
      const answer = await engine.tell(ticket, holdBody(id), id);
      granted.push(answer.kind);
      return answer.kind === 'outbox_full';
    });
    expect(granted).toEqual(['held', 'held', 'held', 'outbox_full']);
    expect(await engine.tell(ticket, { type: 'release', reservationId: 'before' })).toMatchObject({
      kind: 'released',
    });
    expect(await engine.tell(ticket, holdBody('again'), 'again')).toEqual({ kind: 'outbox_full' });
    // What was granted before is told as it was.
    expect(await engine.tell(ticket, holdBody('r0'), 'r0')).toMatchObject({ kind: 'held' });
    appending.open();
    await until(async () => (await engine.tell(ticket, holdBody('again'), 'again')).kind === 'held');
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 4 });
    expect(await sell(engine, ticket, 'again')).toMatchObject({ kind: 'reserved' });
  });

  it('what is not known in time is told so, and the same id asked again tells', async () => {
    engine = await startEngine({ workers: 0, core: { replyWaitMs: 5_000 } });
    const body = loadBody(3);
    expect(await engine.ask(ticket, body, 'load')).toEqual({ kind: 'unknown' });
    // Still nobody works, and the first attempt's time is over: the second one takes effect.
    const again = engine.ask(ticket, body, 'load');
    await engine.addWorker();
    expect(await again).toEqual({ kind: 'answered', result: { kind: 'applied' } });
    expect(await engine.ask(ticket, body, 'load')).toEqual({ kind: 'answered', result: { kind: 'applied' } });
  });

  it('a reply that is lost is found on record', async () => {
    engine = await startEngine();
    const { store, queues } = engine.core;
    // Nothing hears the replies to this one.
    const deaf = new Gateway({
      gatewayId: 'deaf',
      queues,
      store,
      clock: systemClock,
      logger: silentLogger,
      isUp: () => true,
      replyWaitMs: 10_000,
      commandsWaitingMax: 100,
      batchCommandsMax: 100,
    });
    deaf.start();
    const submit = (id: string, body: Parameters<Engine['tell']>[1]) =>
      deaf.submit({ ticket, id, body, keepMs: 60_000 });
    await submit('load', loadBody(3));
    await submit('hold', holdBody('r1'));
    const payment = { reservationId: 'r1', paymentId: 'p' };
    const [paying, refused] = await Promise.all([
      submit('pay', { type: 'startPayment', ...payment }),
      submit('no', holdBody('r2', 9)),
    ]);
    expect(paying).toMatchObject({ kind: 'answered', result: { kind: 'paying' } });
    expect(refused).toMatchObject({ kind: 'answered', result: { kind: 'purchase_limit' } });
    await deaf.stop();
  });

  it('commands gather while an add is in flight, and all are answered in order', async () => {
    engine = await startEngine();
    await engine.tell(ticket, loadBody(50));
    const jobs: CommandJob[] = [];
    const adding = new Pause(true);
    const { queues, store, bus, keys } = engine.core;
    const gateway = new Gateway({
      gatewayId: 'g2',
      queues: {
        add: async (of, job) => {
          jobs.push(job);
          await adding.here();
          await queues.add(of, job);
        },
      },
      store,
      clock: systemClock,
      logger: silentLogger,
      isUp: () => true,
      replyWaitMs: 10_000,
      commandsWaitingMax: 1_000,
      batchCommandsMax: 40,
    });
    await bus.subscribe(keys.channels.replies('g2'), (message) => {
      gateway.onReplies(JSON.parse(message) as Reply[]);
    });
    gateway.start();
    const answers = Array.from({ length: 101 }, (_, i) =>
      gateway.submit({ ticket, id: `c${i}`, body: holdBody(`r${i}`), keepMs: 60_000 }),
    );
    await adding.reached;
    adding.open();
    const kinds = (await Promise.all(answers)).map(
      (answer) => answer.kind === 'answered' && answer.result.kind,
    );
    expect(jobs.map(({ commands }) => commands.length)).toEqual([1, 40, 40, 20]);
    expect(jobs.flatMap(({ commands }) => commands.map(({ id }) => id))).toEqual(
      Array.from({ length: 101 }, (_, i) => `c${i}`),
    );
    // First come, first served.
    expect(kinds).toEqual([
      ...Array.from({ length: 50 }, () => 'held'),
      ...Array.from({ length: 51 }, () => 'temporarily_unavailable'),
    ]);
    await gateway.stop();
  });

  it('refuses while Redis is away, answers what it had accepted, and stops with everything answered', async () => {
    server = new OwnRedis();
    await server.start();
    engine = await startEngine({
      redisUrl: server.url,
      prefix: 'away',
      matches: [7],
      core: { replyWaitMs: 3_000 },
    });
    await engine.tell(ticket, loadBody(50));
    const accepted = Array.from({ length: 30 }, (_, i) => engine.ask(ticket, holdBody(`r${i}`), `c${i}`));
    await server.kill();
    await until(() => engine.core.redis.status !== 'ready');
    expect(await engine.ask(ticket, holdBody('late'))).toEqual({ kind: 'overloaded', retryAfterMs: 1_000 });
    await server.start();
    for (const answer of await Promise.all(accepted)) {
      expect(['answered', 'unknown']).toContain(answer.kind);
    }
    // Whatever each was told, the same id tells the outcome now.
    await until(async () => (await engine.ask(ticket, loadBody(50))).kind === 'answered');
    for (let i = 0; i < 30; i += 1) {
      expect(await engine.tell(ticket, holdBody(`r${i}`), `c${i}`)).toMatchObject({ kind: 'held' });
    }
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 30, pending: 20 });
    const last = Array.from({ length: 20 }, (_, i) => engine.ask(ticket, holdBody(`s${i}`)));
    await engine.core.gateway.stop();
    expect(engine.core.gateway.waiting).toBe(0);
    for (const answer of await Promise.all(last)) expect(answer).toMatchObject({ kind: 'answered' });
    expect(await engine.ask(ticket, holdBody('never'))).toMatchObject({ kind: 'overloaded' });
  });
});

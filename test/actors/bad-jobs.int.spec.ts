/** Jobs and states that cannot be worked on: set aside without a loss, and never guessed at. */
import { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { CommandEnvelope } from '../../src/actors/ports.js';
import {
  addJob,
  countersOf,
  envelopeOf,
  hearReplies,
  holdBody,
  loadBody,
  startEngine,
  storedOf,
  TEST_POLICY,
  until,
  type Engine,
} from '../helpers/engine.js';
import { SCHEMA_VERSION, stateVersionOf } from '../../src/actors/state-codec.js';

const STATE_VERSION = stateVersionOf({ ordered: null });

const ticket = { matchNumber: 7, category: 2 };
const to = (id: string, body: CommandEnvelope['body']) => envelopeOf(id, body, { replyTo: 'probe' });

/** A logger whose lines the test reads. */
function listening() {
  const lines: {
    readonly msg: string;
    readonly err?: { readonly type: string; readonly message: string };
  }[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _, done) => {
      lines.push(JSON.parse(chunk.toString()) as (typeof lines)[number]);
      done();
    },
  });
  return { logger: pino({ level: 'error' }, sink), lines };
}

/** How often anything in a queue was taken. */
async function takenOf(queue: ReturnType<Engine['core']['queues']['queue']>): Promise<{ started: number }> {
  const jobs = await queue.getWaiting();
  return { started: jobs.reduce((sum, { attemptsStarted }) => sum + attemptsStarted, 0) };
}

describe('what cannot be worked on', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  it.each([
    ['no job at all', 'just text'],
    ['a job without commands', { schema: 1 }],
    ['an unknown command', { schema: 1, commands: [{ ...to('x', loadBody(1)), body: { type: 'steal' } }] }],
    ['a quantity of nothing', { schema: 1, commands: [to('x', holdBody('r', 0))] }],
    ['no id', { schema: 1, commands: [to('', loadBody(1))] }],
  ])('%s goes to the dead letters with what it was, and the jobs after it go on', async (_, data) => {
    const letters: { reason: string; raw: unknown }[] = [];
    engine = await startEngine({
      deps: {
        deadLetter: async (of, reason, raw) => {
          expect(of).toEqual(ticket);
          letters.push({ reason, raw });
        },
      },
    });
    const queue = engine.core.queues.queue(ticket);
    await queue.add('commands', data as never);
    expect(await engine.tell(ticket, loadBody(3))).toEqual({ kind: 'applied' });
    expect(letters).toEqual([{ reason: expect.any(String), raw: data }]);
    const failed = await queue.getFailed();
    expect(failed.map((job) => [job.data, job.failedReason])).toEqual([[data, letters[0]?.reason]]);
    // A command is answered before its job is completed.
    await until(async () => {
      const [pulse] = await engine.core.store.pulse([ticket]);
      return pulse?.waiting === 0 && pulse.active === 0;
    });
  });

  it('a job of a newer version is not touched, is met once, and waits for a worker that knows it', async () => {
    const { logger, lines } = listening();
    const letters: unknown[] = [];
    engine = await startEngine({
      matches: [7],
      workers: 0,
      core: { jobLockMs: 500 },
      deps: { deadLetter: async (_, reason) => letters.push(reason) as never },
    });
    const worker = await engine.addWorker({ newerLookMs: 3_000 }, undefined, { logger });
    await engine.tell(ticket, loadBody(3));
    const other = { matchNumber: 7, category: 1 };
    await engine.tell(other, loadBody(3));
    const replies = await hearReplies(engine.core, 'probe');
    await engine.core.queues.add(ticket, {
      schema: SCHEMA_VERSION + 1,
      commands: [to('new', holdBody('r1'))],
    });
    await addJob(engine.core, ticket, [to('old', holdBody('r2'))]);
    const refusals = () => lines.filter(({ err }) => err?.type === 'NewerSchemaError');
    await until(() => refusals().length === 1);
    expect(refusals()[0]).toMatchObject({
      err: { message: expect.stringContaining('start the newer version') },
    });
    // Its turn is the next one again, at once, and nobody has it.
    const queue = engine.core.queues.queue(ticket);
    await until(async () => (await queue.getActiveCount()) === 0);
    const jobs = (await queue.getJobs(['waiting'], 0, -1, true)).map(({ data }) => data.schema);
    expect(jobs).toEqual([SCHEMA_VERSION + 1, SCHEMA_VERSION]);
    expect(worker.host.newer).toMatchObject([{ ticket, reason: expect.stringContaining('start the newer') }]);
    // Alone, it goes on with what it understands; the many sweeps meanwhile leave the other ticket alone.
    const { started } = await takenOf(queue);
    expect(await engine.tell(other, holdBody('r3'))).toMatchObject({ kind: 'held' });
    await until(async () => (await engine.core.redis.zcard(engine.core.keys.workers)) === 0);
    expect(await takenOf(queue)).toEqual({ started });
    expect(refusals()).toHaveLength(1);
    expect(await queue.getFailedCount()).toBe(0);
    expect({ replies, letters }).toEqual({ replies: [], letters: [] });
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 0 });
    // Once it is understood, both jobs are done, in their order.
    const [first] = await queue.getJobs(['waiting'], 0, 0, true);
    await first?.updateData({ ...first.data, schema: SCHEMA_VERSION });
    await until(() => replies.length === 2);
    expect(replies.map(({ id }) => id)).toEqual(['new', 'old']);
    await until(() => worker.host.newer.length === 0);
  });

  it('a worker that meets such a job stands down: the others have all of its tickets', async () => {
    const { logger, lines } = listening();
    engine = await startEngine({ matches: [7, 8, 9], workers: 0 });
    const old = await engine.addWorker({ newerLookMs: 60_000 }, undefined, { logger });
    await engine.tell(ticket, loadBody(3));
    await engine.core.queues.add(ticket, {
      schema: SCHEMA_VERSION + 1,
      commands: [to('new', holdBody('r1'))],
    });
    await until(() => old.host.newer.length === 1);
    // Whoever knows it finds a job of its own version here.
    const queue = engine.core.queues.queue(ticket);
    await until(async () => (await queue.getWaitingCount()) === 1);
    const [job] = await queue.getWaiting();
    await job?.updateData({ ...job.data, schema: SCHEMA_VERSION });
    const replies = await hearReplies(engine.core, 'probe');
    const successor = await engine.addPeer();
    await until(() => replies.length === 1);
    expect(replies).toMatchObject([{ id: 'new', result: { kind: 'held' } }]);
    const told = () => lines.filter(({ msg }) => msg.includes('stands down'));
    await until(() => told().length > 0);
    for (const matchNumber of [7, 8, 9]) {
      for (const category of [1, 2, 3]) await engine.tell({ matchNumber, category }, loadBody(5));
    }
    await until(() => old.host.owned.length === 0);
    expect(told()).toHaveLength(1);
    expect(successor.worker.host.owned.length).toBeGreaterThan(0);
    expect((await engine.core.redis.zrange(engine.core.keys.workers, 0, -1)).length).toBe(1);
    // With nobody else left it takes up again what it understands.
    await successor.worker.stop();
    expect(await engine.tell({ matchNumber: 8, category: 1 }, holdBody('r2'))).toMatchObject({
      kind: 'held',
    });
    expect(old.host.owned.map(({ ticket: { matchNumber } }) => matchNumber)).toContain(8);
  });

  it('a state of a newer version in Redis is not touched either', async () => {
    const { logger, lines } = listening();
    engine = await startEngine({ matches: [7] });
    await engine.tell(ticket, loadBody(3));
    await engine.workers[0]!.stop();
    const { redis, keys } = engine.core;
    await redis.hset(keys.ticket(ticket).meta, 'schema', SCHEMA_VERSION + 1);
    const before = (await storedOf(engine.core, ticket)) as { meta: Record<string, string> };
    const worker = await engine.addWorker({ newerLookMs: 1_000 }, undefined, { logger });
    const replies = await hearReplies(engine.core, 'probe');
    await addJob(engine.core, ticket, [to('h', holdBody('r1'))]);
    await until(() => worker.host.newer.length === 1);
    const { meta, ...after } = (await storedOf(engine.core, ticket)) as typeof before;
    // All but who was here last.
    expect({ ...after, meta: { ...meta, owner: before.meta['owner'] } }).toEqual(before);
    expect(await engine.core.store.pulse([ticket])).toMatchObject([{ waiting: 1, active: 0 }]);
    await redis.hset(keys.ticket(ticket).meta, 'schema', STATE_VERSION);
    await until(() => replies.length > 0);
    expect(replies).toMatchObject([{ id: 'h', result: { kind: 'held' } }]);
    expect(lines.filter(({ err }) => err?.type === 'NewerSchemaError')).toHaveLength(1);
    // Whoever writes a state says its version, also where another stood.
    await redis.hset(keys.ticket(ticket).meta, 'schema', 1);
    await engine.tell(ticket, holdBody('r2'));
    expect(await redis.hget(keys.ticket(ticket).meta, 'schema')).toBe(String(STATE_VERSION));
  });

  it('a ledger with a fact of a newer version rebuilds nothing', async () => {
    engine = await startEngine({ matches: [7], worker: { snapshotMs: 60_000 } });
    await engine.tell(ticket, loadBody(3));
    await until(async () => (await engine.archive.head(ticket)) !== null);
    await engine.workers[0]!.stop();
    const head = (await engine.archive.head(ticket))!;
    const event = { type: 'lottery', at: 1 } as never;
    const fact = {
      ticket,
      incarnation: head.incarnation,
      sequence: head.sequence + 1,
      commandId: 'x',
      event,
    };
    await engine.archive.append([{ ticket, incarnation: head.incarnation, events: [fact] }]);
    const worker = await engine.addWorker();
    await addJob(engine.core, ticket, [to('h', holdBody('r1'))]);
    await until(() => worker.host.newer.length === 1);
    expect(worker.host.newer[0]?.reason).toMatch(/fact "lottery" of ticket 7:2 .* start the newer version/);
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 1 });
  });

  it('a command that a defect keeps from being decided fails alone', async () => {
    const letters: { reason: string; raw: unknown }[] = [];
    const { logger, lines } = listening();
    engine = await startEngine({
      workers: 0,
      deps: { deadLetter: async (_, reason, raw) => letters.push({ reason, raw }) as never },
    });
    let defect = false;
    const policy = {
      ...TEST_POLICY,
      get holdMs(): number {
        if (!defect) return TEST_POLICY.holdMs;
        defect = false;
        throw new Error('a defect');
      },
    };
    await engine.addWorker({ policy }, undefined, { logger });
    await engine.tell(ticket, loadBody(5));
    const replies = await hearReplies(engine.core, 'probe');
    defect = true;
    const bad = to('bad', holdBody('r1'));
    await addJob(engine.core, ticket, [bad, to('good', holdBody('r2')), to('next', loadBody(6))]);
    await until(() => replies.length === 3);
    expect(replies.map(({ id, result }) => [id, result.kind])).toEqual([
      ['bad', 'failed'],
      ['good', 'held'],
      ['next', 'applied'],
    ]);
    expect(letters).toEqual([{ reason: expect.stringContaining('a defect'), raw: bad }]);
    expect(lines).toMatchObject([{ msg: 'a command could not be decided' }]);
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 1, capacity: 6 });
    // It is not on record: once the defect is gone the same command is decided.
    await addJob(engine.core, ticket, [bad]);
    await until(() => replies.length === 4);
    expect(replies[3]).toMatchObject({ id: 'bad', result: { kind: 'held' } });
  });

  it('a dead letter that cannot be kept keeps its job, too', async () => {
    let away = true;
    let tries = 0;
    engine = await startEngine({
      matches: [7],
      core: { jobLockMs: 500 },
      deps: {
        deadLetter: async () => {
          tries += 1;
          if (away) throw new Error('the dead letters are away');
        },
      },
    });
    const queue = engine.core.queues.queue(ticket);
    await queue.add('commands', 'garbage' as never);
    await until(() => tries >= 2);
    expect(await queue.getFailedCount()).toBe(0);
    away = false;
    expect(await engine.tell(ticket, loadBody(3))).toEqual({ kind: 'applied' });
    expect(await queue.getFailedCount()).toBe(1);
  });
});

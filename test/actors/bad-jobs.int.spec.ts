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
import { SCHEMA_VERSION } from '../../src/actors/state-codec.js';

const ticket = { matchNumber: 7, category: 2 };
const to = (id: string, body: CommandEnvelope['body']) => envelopeOf(id, body, { replyTo: 'probe' });

/** A logger whose lines the test reads. */
function listening() {
  const lines: { readonly msg: string; readonly err?: { readonly type: string } }[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _, done) => {
      lines.push(JSON.parse(chunk.toString()) as (typeof lines)[number]);
      done();
    },
  });
  return { logger: pino({ level: 'error' }, sink), lines };
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

  it('a job of a newer version is not touched, and waits for a worker that knows it', async () => {
    const { logger, lines } = listening();
    const letters: unknown[] = [];
    engine = await startEngine({
      matches: [7],
      workers: 0,
      core: { jobLockMs: 500 },
      deps: { deadLetter: async (_, reason) => letters.push(reason) as never },
    });
    await engine.addWorker(undefined, undefined, { logger });
    await engine.tell(ticket, loadBody(3));
    const replies = await hearReplies(engine.core, 'probe');
    await engine.core.queues.add(ticket, {
      schema: SCHEMA_VERSION + 1,
      commands: [to('new', holdBody('r1'))],
    });
    await addJob(engine.core, ticket, [to('old', holdBody('r2'))]);
    const refusals = () => lines.filter(({ err }) => err?.type === 'NewerSchemaError').length;
    await until(() => refusals() >= 2);
    const queue = engine.core.queues.queue(ticket);
    // First in line again each time, and those behind it wait for their turn.
    await until(async () => (await queue.getActiveCount()) === 0 || refusals() >= 3);
    expect((await queue.getJobs(['active', 'waiting'])).map(({ data }) => data.schema).sort()).toEqual([
      SCHEMA_VERSION,
      SCHEMA_VERSION + 1,
    ]);
    expect(await queue.getFailedCount()).toBe(0);
    expect({ replies, letters }).toEqual({ replies: [], letters: [] });
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 0 });
    // For the engine to stop without waiting for it.
    await queue.obliterate({ force: true });
  });

  it('a state of a newer version in Redis is not touched either', async () => {
    const { logger, lines } = listening();
    engine = await startEngine({ matches: [7] });
    await engine.tell(ticket, loadBody(3));
    await engine.workers[0]!.stop();
    const { redis, keys } = engine.core;
    await redis.hset(keys.ticket(ticket).meta, 'schema', SCHEMA_VERSION + 1);
    const before = (await storedOf(engine.core, ticket)) as { meta: Record<string, string> };
    await engine.addWorker(undefined, undefined, { logger });
    const replies = await hearReplies(engine.core, 'probe');
    await addJob(engine.core, ticket, [to('h', holdBody('r1'))]);
    await until(() => lines.filter(({ err }) => err?.type === 'NewerSchemaError').length >= 2);
    const { meta, ...after } = (await storedOf(engine.core, ticket)) as typeof before;
    // All but who was here last.
    expect({ ...after, meta: { ...meta, owner: before.meta['owner'] } }).toEqual(before);
    expect(await engine.core.store.pulse([ticket])).toMatchObject([{ waiting: 1, active: 0 }]);
    await redis.hset(keys.ticket(ticket).meta, 'schema', SCHEMA_VERSION);
    await until(() => replies.length > 0);
    expect(replies).toMatchObject([{ id: 'h', result: { kind: 'held' } }]);
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

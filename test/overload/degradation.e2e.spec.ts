/**
 * Rows of the table in docs/overload.md, with real processes: a part goes away, what each kind of client still gets is as the
 * table says, and when it is back all is as ever. One marketplace for all rows: two workers, the security service and the rest.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../helpers/engine.js';
import { OwnRedis } from '../helpers/faults.js';
import { mongoFound, startMongo, type MongoServer } from '../helpers/mongo.js';
import { freePort } from '../helpers/ports.js';
import { request, run, scratchDir, type Answer, type Running } from '../helpers/processes.js';
import { skipBecause } from '../helpers/skips.js';
import { TestMailServer } from '../mail/smtp-server.js';
import { firstPassword, logIn, OPERATOR } from '../operations/market.js';
import { namedClassOf } from '../../src/overload/classes.js';

const ROW_MS_MAX = 180_000;
const CARD = '4242424242424242';
const REST = ['shop', 'reservations', 'consumer', 'user', 'payments', 'client'];
const OUTBOX_ENTRIES_MAX = 12;

interface World {
  readonly url: (role: string) => string;
}

/** Each hold is of another person. */
let people = 0;
const someone = (): string => `fan${(people += 1)}-${randomUUID().slice(0, 8)}@example.org`;

const browse = (world: World): Promise<Answer> => request('GET', `${world.url('shop')}/api/v1/matches/7`);
const hold = (
  world: World,
  { matchNumber = 7, key }: { matchNumber?: number; key?: string } = {},
): Promise<Answer> =>
  request('POST', `${world.url('reservations')}/api/v1/reservations`, {
    body: { matchNumber, category: 1, quantity: 1, email: someone() },
    ...(key !== undefined && { key }),
  });
const pay = (world: World, { id, token }: { id: string; token: string }, key: string): Promise<Answer> =>
  request('POST', `${world.url('reservations')}/api/v1/reservations/${id}/payment`, {
    body: { paymentMethod: CARD },
    token,
    key,
  });
const read = (world: World, { id, token }: { id: string; token: string }): Promise<Answer> =>
  request('GET', `${world.url('reservations')}/api/v1/reservations/${id}`, { token });

/** The same request, until it is answered otherwise than that it should be asked again. */
async function final(ask: () => Promise<Answer>): Promise<Answer> {
  let answer = await ask();
  await until(async () => {
    if (answer.status !== 503) return true;
    await new Promise((resolve) => setTimeout(resolve, 200));
    answer = await ask();
    return answer.status !== 503;
  }, 90_000);
  return answer;
}

async function metric(world: World, role: string, name: string): Promise<number> {
  const text = await (await fetch(`${world.url(role)}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}

const ready = async (world: World, role: string): Promise<{ status: number; text: string }> => {
  const answer = await fetch(`${world.url(role)}/health/ready`);
  return { status: answer.status, text: await answer.text() };
};

/** Whoever asks gets what they ask for. */
async function allIsWell(world: World): Promise<void> {
  expect((await final(() => browse(world))).status).toBe(200);
  const key = randomUUID();
  const email = someone();
  const body = { matchNumber: 7, category: 1, quantity: 1, email };
  const held = await final(() =>
    request('POST', `${world.url('reservations')}/api/v1/reservations`, { body, key }),
  );
  expect(held).toMatchObject({ status: 201, body: { status: 'PENDING' } });
  const payKey = randomUUID();
  expect((await final(() => pay(world, held.body, payKey))).body.status).toBe('RESERVED');
  expect((await final(() => read(world, held.body))).body.status).toBe('RESERVED');
}

const PEOPLE_WAITING = 100;
const ROOM = '/api/v1/waiting-room';

interface Room {
  readonly state: string;
  readonly admitted: number;
}

const room = async (world: World): Promise<Room> =>
  (await request('GET', `${world.url('reservations')}${ROOM}`)).body as unknown as Room;
const place = async (world: World, token: string): Promise<{ status: string; pass?: string }> => {
  const headers = { 'Waiting-Room-Token': token };
  return (await fetch(`${world.url('reservations')}${ROOM}/places/mine`, { headers })).json() as Promise<{
    status: string;
    pass?: string;
  }>;
};

const ENOUGH = { TICKETS_PER_PERSON_MAX: '4', REPLY_WAIT_MS: '2000' };

describe('a marketplace on servers of its own', () => {
  const scratch = scratchDir();
  const redis = new OwnRedis();
  const mail = new TestMailServer();
  let mongo: MongoServer | null = null;
  let mailPort: number;
  let env: Record<string, string>;
  let workers: Running[] = [];
  let security: Running;
  let world: Running;

  beforeAll(async () => {
    await redis.start();
    mailPort = await mail.start();
    if (mongoFound.kind !== 'none') mongo = await startMongo();
    const securityPort = String(await freePort());
    env = {
      ...ENOUGH,
      DATA_DIR: scratch.dir,
      REDIS_URL: redis.url,
      SMTP_URL: `smtp://127.0.0.1:${mailPort}`,
      SECURITY_URL: `http://127.0.0.1:${securityPort}`,
      SECURITY_PORT: securityPort,
      MAIL_CHECK_MS: '100',
      OUTBOX_ENTRIES_MAX: String(OUTBOX_ENTRIES_MAX),
      ...(mongo && { MONGODB_URL: `${mongo.url}degradation`, MONGODB_TIMEOUT_MS: '1000' }),
    };
    workers = [await run(['worker'], env)];
    security = await run(['security'], env);
    world = await run(REST, env);
    workers.push(await run(['worker'], env));
  }, ROW_MS_MAX);
  afterAll(async () => {
    await Promise.all([world, security, ...workers].map((running) => running?.end('SIGKILL')));
    await redis.remove();
    await mail.stop();
    await mongo?.stop();
    scratch.remove();
  }, ROW_MS_MAX);

  it('every route of every service is in the table of classes', async () => {
    const missing: string[] = [];
    let routes = 0;
    for (const [running, role] of [
      ...REST.map((name) => [world, name] as const),
      [security, 'security'] as const,
    ]) {
      const text = await (await fetch(`${running.url(role)}/api/v1/openapi.json`)).text();
      const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, unknown>> };
      for (const [path, methods] of Object.entries(paths)) {
        for (const method of Object.keys(methods)) {
          routes += 1;
          const sample = path.replaceAll(/\{\w+\}/g, 'x');
          if (namedClassOf(method.toUpperCase(), sample) === null) missing.push(`${method} ${path}`);
        }
      }
    }
    expect(missing).toEqual([]);
    expect(routes).toBeGreaterThan(80);
  });

  it(
    'Redis: whoever asks is told to come back, nobody is charged, and gets it then',
    async () => {
      const held = await final(() => hold(world));
      const key = randomUUID();
      await redis.kill();
      const [looked, wanted, paid, own] = await Promise.all([
        browse(world),
        hold(world),
        pay(world, held.body, key),
        read(world, held.body),
      ]);
      for (const answer of [looked, wanted, paid, own])
        expect(answer).toMatchObject({ status: 503, body: { code: 'overloaded' } });
      await until(async () => (await ready(world, 'reservations')).status === 503);
      await redis.start();
      expect((await final(() => pay(world, held.body, key))).body.status).toBe('RESERVED');
      await allIsWell(world);
    },
    ROW_MS_MAX,
  );

  it(
    'the mail server: everything goes on, mails wait, and come once it is back',
    async () => {
      await mail.stop();
      const before = mail.messages.length;
      await allIsWell(world);
      await until(async () => (await metric(world, 'payments', 'ticktak_mails_due')) > 0, 60_000);
      await allIsWell(world);
      await mail.start('127.0.0.1', mailPort);
      await until(() => mail.messages.length >= before + 2, 120_000);
      expect((await ready(world, 'payments')).text).toContain('"dependency":"mail"');
    },
    ROW_MS_MAX,
  );

  it(
    'the security service: with the policy "allow" nobody notices',
    async () => {
      await security.end('SIGKILL');
      await allIsWell(world);
      security = await run(['security'], env);
      await allIsWell(world);
    },
    ROW_MS_MAX,
  );

  it(
    'one worker: its tickets are answered a little later, by the other',
    async () => {
      await final(() => hold(world));
      const [first] = workers.splice(0, 1);
      await first?.end('SIGKILL');
      await allIsWell(world);
    },
    ROW_MS_MAX,
  );

  it(
    'all workers: looking goes on, holds and payments are not known, nobody is charged, and the same key tells',
    async () => {
      const held = await final(() => hold(world));
      await Promise.all(workers.splice(0).map((worker) => worker.end('SIGKILL')));
      const [wantKey, payKey] = [randomUUID(), randomUUID()];
      const email = someone();
      const want = (): Promise<Answer> =>
        request('POST', `${world.url('reservations')}/api/v1/reservations`, {
          body: { matchNumber: 7, category: 1, quantity: 1, email },
          key: wantKey,
        });
      const [looked, wanted, paid, own] = await Promise.all([
        browse(world),
        want(),
        pay(world, held.body, payKey),
        read(world, held.body),
      ]);
      expect(looked.status).toBe(200);
      expect(own).toMatchObject({ status: 200, body: { status: 'PENDING' } });
      for (const answer of [wanted, paid])
        expect(answer).toMatchObject({ status: 503, body: { code: 'overloaded', outcome: 'unknown' } });
      workers = [await run(['worker'], env)];
      expect((await final(want)).status).toBe(201);
      expect((await final(() => pay(world, held.body, payKey))).body.status).toBe('RESERVED');
    },
    ROW_MS_MAX,
  );

  const LINE = 'MongoDB, with a waiting room: those who wait are let in as ever, and hold with their pass';
  if (mongoFound.kind === 'none') {
    skipBecause(LINE, mongoFound.reason);
  } else {
    it(
      LINE,
      async () => {
        const operator = await logIn(world.url('user'), OPERATOR, firstPassword(world));
        const operate = (body: object): Promise<Answer> =>
          request('PUT', `${world.url('payments')}/api/v1/operations/waiting-room`, {
            body,
            token: operator,
          });
        expect((await operate({ mode: 'on', perMinuteMax: 0 })).status).toBe(200);
        await until(async () => (await room(world)).state === 'open');
        const places: { email: string; token: string }[] = [];
        for (let i = 0; i < PEOPLE_WAITING; i += 1) {
          const email = someone();
          const joined = await request('POST', `${world.url('reservations')}${ROOM}/places`, {
            body: { email },
          });
          expect(joined.status).toBe(201);
          places.push({ email, token: joined.body.token });
        }
        expect((await operate({ mode: 'on', perMinuteMax: 60 })).status).toBe(200);
        await mongo?.kill('SIGKILL');
        await until(
          async () =>
            (await metric(world, 'reservations', 'ticktak_breaker_state{dependency="mongodb"}')) > 0,
          60_000,
        );
        expect((await operate({ mode: 'off' })).status).toBe(503);
        const { admitted } = await room(world);
        expect(admitted).toBeLessThan(PEOPLE_WAITING);
        await until(async () => (await room(world)).admitted > admitted, 60_000);
        const { email, token } = places[admitted]!;
        const { status, pass } = await place(world, token);
        expect(status).toBe('admitted');
        const held = await fetch(`${world.url('reservations')}/api/v1/reservations`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', 'Waiting-Room-Pass': String(pass) },
          body: JSON.stringify({ matchNumber: 8, category: 1, quantity: 1, email }),
        });
        expect(held.status).toBe(201);
        // Nobody goes past them.
        expect(await hold(world, { matchNumber: 8 })).toMatchObject({
          status: 403,
          body: { code: 'waiting_room' },
        });
        await mongo?.restart();
        await until(async () => (await operate({ mode: 'off' })).status === 200, 60_000);
        await until(async () => (await room(world)).state === 'off');
        await allIsWell(world);
      },
      ROW_MS_MAX,
    );
  }

  const MONGO =
    'MongoDB: looking and holding go on until the outbox is full; nobody is charged, and it is left alone';
  if (mongoFound.kind === 'none') {
    skipBecause(MONGO, mongoFound.reason);
  } else {
    it(
      MONGO,
      async () => {
        const held = await final(() => hold(world, { matchNumber: 9 }));
        const key = randomUUID();
        await mongo?.kill('SIGKILL');
        expect((await browse(world)).status).toBe(200);
        expect((await final(() => hold(world, { matchNumber: 9 }))).status).toBe(201);
        expect(await pay(world, held.body, key)).toMatchObject({
          status: 503,
          body: { code: 'overloaded' },
        });
        expect((await read(world, held.body)).body.status).not.toBe('RESERVED');
        await until(
          async () =>
            (await metric(workers[0]!, 'worker', 'ticktak_breaker_state{dependency="mongodb"}')) > 0,
          60_000,
        );
        expect((await ready(world, 'reservations')).status).toBe(503);
        // Of a ticket whose outbox is full no more is sold; of the others it is.
        let last = await hold(world, { matchNumber: 9 });
        await until(async () => {
          if (last.status === 503) return true;
          last = await hold(world, { matchNumber: 9 });
          return false;
        });
        expect(last.body).toMatchObject({ code: 'overloaded', outcome: 'refused' });
        expect((await final(() => hold(world, { matchNumber: 10 }))).status).toBe(201);
        await mongo?.restart();
        expect((await final(() => pay(world, held.body, key))).body.status).toBe('RESERVED');
        await allIsWell(world);
        await until(async () => (await ready(world, 'reservations')).status === 200);
      },
      ROW_MS_MAX,
    );
  }
});

const DISK = 'the disk of the embedded archive: holds go on, nobody is charged, and it is told';
const LIMITS_BYTES = { none: 'unlimited', full: '1' };
if (spawnSync('prlimit', ['--version']).status !== 0) {
  describe('a marketplace on one disk', () => {
    skipBecause(DISK, 'prlimit, which limits the files of a process that runs, is not installed');
  });
} else {
  describe('a marketplace on one disk', () => {
    const scratch = scratchDir();
    const redis = new OwnRedis();
    let worker: Running;
    let world: Running;

    beforeAll(async () => {
      await redis.start();
      const env = { ...ENOUGH, DATA_DIR: scratch.dir, REDIS_URL: redis.url };
      worker = await run(['worker'], env);
      world = await run(['shop', 'reservations', 'consumer', 'payments'], env);
    }, ROW_MS_MAX);
    afterAll(async () => {
      await Promise.all([world, worker].map((running) => running?.end('SIGKILL')));
      await redis.remove();
      scratch.remove();
    }, ROW_MS_MAX);

    /** Files of the worker, which archives, may grow no more: as on a disk that is full. */
    const limitFiles = (limit: string): void => {
      execFileSync('prlimit', ['--pid', String(worker.child.pid), `--fsize=${limit}:unlimited`]);
    };

    it(
      DISK,
      async () => {
        await allIsWell(world);
        const held = await final(() => hold(world));
        const key = randomUUID();
        limitFiles(LIMITS_BYTES.full);
        expect((await browse(world)).status).toBe(200);
        expect((await final(() => hold(world))).status).toBe(201);
        const paid = await pay(world, held.body, key);
        expect(paid).toMatchObject({ status: 503, body: { code: 'overloaded', outcome: 'unknown' } });
        await until(async () => (await ready(worker, 'worker')).text.includes('"archive","status":"down"'));
        limitFiles(LIMITS_BYTES.none);
        // What failed while it wrote says so until the process is started again.
        await until(async () => {
          if ((await ready(worker, 'worker')).status === 200) return true;
          await worker.end('SIGKILL');
          worker = await run(['worker'], { ...ENOUGH, DATA_DIR: scratch.dir, REDIS_URL: redis.url });
          return false;
        }, ROW_MS_MAX);
        expect((await final(() => pay(world, held.body, key))).body.status).toBe('RESERVED');
      },
      ROW_MS_MAX,
    );
  });
}

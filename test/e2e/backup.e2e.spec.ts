/** A running marketplace is backed up, and goes on from the backup in another folder: what was bought is there. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, expect, it, jest } from '@jest/globals';
import { linesOf, rewritten, type Line } from '../helpers/backup.js';
import { until } from '../helpers/engine.js';
import { request, run, scratchDir, type Answer, type Running } from '../helpers/processes.js';

const TEST_MS_MAX = 240_000;
jest.setTimeout(TEST_MS_MAX);

const CARD = '4242424242424242';
const PASSWORD = 'horse staple battery 42';
/** Of the matches used here, in the bundled list. */
const CAPACITY = 20;

const scratch = scratchDir();
const inScratch = (name: string): string => join(scratch.dir, name);
let running: Running | null = null;
afterEach(async () => {
  await running?.end();
  running = null;
});
afterAll(() => scratch.remove());

/** Runs one of the scripts as people do; answers what it said, or rejects when it failed. */
async function script(name: string, args: readonly string[], dataDir: string): Promise<string> {
  const path = new URL(`../../scripts/${name}.mjs`, import.meta.url).pathname;
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], DATA_DIR: dataDir };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [path, ...args], { env });
  return stdout + stderr;
}

/** A marketplace with all roles on a folder. */
class Life {
  readonly dir: string;

  constructor(name: string) {
    this.dir = inScratch(name);
  }

  async start(): Promise<void> {
    running = await run([], { DATA_DIR: this.dir, RECONCILE_MS: '500' });
  }

  async end(): Promise<void> {
    await running?.end();
    running = null;
  }

  url(role: string): string {
    return running!.url(role);
  }

  user(method: string, path: string, body: unknown): Promise<Answer & { body: Tokens }> {
    return request(method, `${this.url('user')}/api/v1/${path}`, { body }) as Promise<
      Answer & { body: Tokens }
    >;
  }

  /** Bought and answered; a guest's token reads it. */
  async bought(matchNumber: number, quantity: number, token?: string): Promise<Purchase> {
    const email = `${randomUUID()}@example.org`;
    const body = { matchNumber, category: 1, quantity, ...(token === undefined && { email }) };
    const base = `${this.url('reservations')}/api/v1/reservations`;
    const held = await request('POST', base, { body, ...(token !== undefined && { token }) });
    expect(held).toMatchObject({ status: 201 });
    const { id } = held.body;
    const purchase = { id, quantity, token: token ?? held.body.token };
    const paid = await request('POST', `${base}/${id}/payment`, {
      body: { paymentMethod: CARD },
      token: purchase.token,
    });
    expect(paid).toMatchObject({ status: 200, body: { status: 'RESERVED' } });
    return purchase;
  }

  /** Null when nothing is known of it. */
  async statusOf({ id, token }: Purchase): Promise<string | null> {
    const { status, body } = await request('GET', `${this.url('reservations')}/api/v1/reservations/${id}`, {
      token,
    });
    return status === 404 ? null : body.status;
  }

  async counters(matchNumber: number) {
    const { body } = await request('GET', `${this.url('shop')}/api/v1/matches/${matchNumber}`);
    const { available, pending } = body.availability['category1']!;
    return { available, pending };
  }

  mails(kind: string): string[] {
    try {
      return readdirSync(join(this.dir, 'mail')).filter((name) => name.includes(`-${kind}-`));
    } catch {
      return [];
    }
  }
}

interface Purchase {
  readonly id: string;
  readonly quantity: number;
  readonly token: string;
}
interface Tokens extends Pick<Answer['body'], 'id' | 'token' | 'status'> {
  readonly accessToken: string;
  readonly refreshToken: string;
}

it('goes on from a backup that was taken while it ran', async () => {
  const first = new Life('first');
  await first.start();
  for (const match of [2, 5, 6]) expect((await first.counters(match)).available).toBe(CAPACITY);
  const email = `fan-${randomUUID()}@example.org`;
  expect((await first.user('POST', 'users', { email, password: PASSWORD, name: 'Fan' })).status).toBe(201);
  const loggedIn = await first.user('POST', 'sessions', { email, password: PASSWORD });
  const mine = await first.bought(2, 2, loggedIn.body.accessToken);
  await until(() => first.mails('purchase').length === 1, 30_000);

  const before = inScratch('before.gz');
  expect(await script('backup', ['--out', before], first.dir)).toMatch(/is backed up in .*before\.gz/);
  const between = await first.bought(2, 1);

  // People go on buying while it is backed up.
  const during: Purchase[] = [];
  let isOver = false;
  const buying = (async () => {
    while (!isOver && during.length < CAPACITY - 1) during.push(await first.bought(5, 1));
  })();
  const after = inScratch('after.gz');
  await script('backup', ['--out', after], first.dir);
  const bought = during.length;
  isOver = true;
  await buying;
  const lost = await first.bought(6, 1);
  // The same through a pipe, by the entry of containers.
  const piped = inScratch('piped.gz');
  const entry = new URL('../../dist/src/run.js', import.meta.url).pathname;
  await promisify(execFile)('sh', ['-c', `"$0" "$1" backup --out - > "$2"`, process.execPath, entry, piped], {
    env: { PATH: process.env['PATH'], DATA_DIR: first.dir },
  });
  expect(gunzipSync(readFileSync(piped)).toString()).toContain(lost.id);
  await first.end();
  expect(bought).toBeGreaterThan(0);

  // In another folder, with the same secrets.
  const second = new Life('second');
  cpSync(join(first.dir, 'secrets'), join(second.dir, 'secrets'), { recursive: true });
  const said = await script('restore', ['--from', after, '--into-empty-only'], second.dir);
  expect(said).toMatch(/It is restored into .*second/);
  expect(said).not.toContain('SECRET');
  await second.start();
  expect(await second.statusOf({ ...mine, token: await tokenOf(second, email) })).toBe('RESERVED');
  const refreshed = await second.user('POST', 'sessions/refresh', {
    refreshToken: loggedIn.body.refreshToken,
  });
  expect(refreshed.status).toBe(200);
  expect(await second.statusOf({ ...mine, token: loggedIn.body.accessToken })).toBe('RESERVED');
  expect(await second.statusOf(between)).toBe('RESERVED');
  await until(async () => (await second.counters(2)).pending === CAPACITY - 3);
  expect(await second.counters(2)).toEqual({ available: CAPACITY - 3, pending: CAPACITY - 3 });
  // What was bought meanwhile is sold, not there, or held as it was when its ledger was read; and counts as that.
  await until(async () => {
    const statuses = await Promise.all(during.map((purchase) => second.statusOf(purchase)));
    const count = (...wanted: (string | null)[]): number =>
      statuses.filter((one) => wanted.includes(one)).length;
    const { available, pending } = await second.counters(5);
    const isRight = available === CAPACITY - count('RESERVED') && pending === available - count('PENDING');
    return isRight && count('RESERVED') > 0 && count('RESERVED', 'PENDING', null) === statuses.length;
  }, 30_000);
  expect(await second.statusOf(lost)).toBeNull();
  expect(await second.counters(6)).toEqual({ available: CAPACITY, pending: CAPACITY });
  // Buying goes on, and nobody is mailed twice about what they were mailed about before.
  const next = await second.bought(2, 1, refreshed.body.accessToken);
  expect(await second.statusOf({ ...next, token: refreshed.body.accessToken })).toBe('RESERVED');
  expect(await second.counters(2)).toEqual({ available: CAPACITY - 4, pending: CAPACITY - 4 });
  const mailedAbout = (life: Life, id: string): number =>
    life.mails('purchase').filter((name) => readFileSync(join(life.dir, 'mail', name), 'utf8').includes(id))
      .length;
  await until(() => mailedAbout(second, next.id) === 1, 30_000);
  expect(mailedAbout(first, mine.id)).toBe(1);
  expect(mailedAbout(second, mine.id)).toBe(0);
  await second.end();

  // A payment that was settled after the ledgers were read, and before the payments were: paid for, and sold again.
  const torn = inScratch('torn.gz');
  const documents = linesOf(readFileSync(after))
    .map((line) => JSON.parse(line) as Line)
    .filter(({ kind }) => kind === 'document');
  const counts = JSON.parse(linesOf(readFileSync(after)).at(-1)!) as { counts: { documents: unknown } };
  writeFileSync(
    torn,
    rewritten(
      readFileSync(before),
      (lines) => [...lines.filter(({ kind }) => kind !== 'document'), ...documents],
      (trailer) => ({
        ...trailer,
        counts: { ...(trailer['counts'] as Line), documents: counts.counts.documents },
      }),
    ),
  );
  expect(
    linesOf(readFileSync(torn)).filter((line) => line.includes(between.id) && line.includes('"sold"')),
  ).toEqual([]);
  const third = new Life('third');
  cpSync(join(first.dir, 'secrets'), join(third.dir, 'secrets'), { recursive: true });
  expect(await script('restore', ['--from', torn], third.dir)).toMatch(/\d+ payments are compared/);
  await third.start();
  await until(async () => (await third.statusOf(between)) === 'RESERVED', 30_000);
  await until(async () => (await third.counters(2)).pending === CAPACITY - 3);
  expect(await third.counters(2)).toEqual({ available: CAPACITY - 3, pending: CAPACITY - 3 });
  await third.end();
});

async function tokenOf(life: Life, email: string): Promise<string> {
  const { status, body } = await life.user('POST', 'sessions', { email, password: PASSWORD });
  expect(status).toBe(201);
  return body.accessToken;
}

/** The programs around backups: their files, what they refuse, and what they say and do to payments and mails. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import type { Archive } from '../../src/archive/port.js';
import { cursorAt } from '../../src/mail/feed.js';
import { MailRecords } from '../../src/mail/records.js';
import type { Payment } from '../../src/payments/port.js';
import { PaymentRecords } from '../../src/payments/records.js';
import { backup, restore } from '../../src/process/backup.js';
import { systemClock } from '../../src/process/clock.js';
import { openDataDir } from '../../src/process/data-dir.js';
import { VERSION } from '../../src/process/version.js';
import { all, batchOf, reservationOf } from '../contract/archive.js';
import { contentOf, seed } from '../helpers/backup.js';
import { testRedisUrl } from '../helpers/engine.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SECRET = 'a token secret of these tests, long enough';

let dir: string;
let file: string;
/** Where it is backed up from, and where it is restored to. */
let from: Record<string, string>;
let to: Record<string, string>;
let said: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ticktak-backup-'));
  file = join(dir, 'a backup');
  from = { DATA_DIR: join(dir, 'from'), TOKEN_SECRET: SECRET };
  to = { ...from, DATA_DIR: join(dir, 'to') };
  said = '';
  const hear = (chunk: unknown): boolean => {
    said += String(chunk);
    return true;
  };
  jest.spyOn(process.stdout, 'write').mockImplementation(hear);
  jest.spyOn(process.stderr, 'write').mockImplementation(hear);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(dir, { recursive: true });
});

/** Runs one of the programs; answers its exit code and what it said. */
async function run(
  program: typeof backup,
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ readonly code: number; readonly said: string }> {
  said = '';
  const code = await program(args, env);
  return { code, said };
}

async function within<T>(env: Record<string, string>, work: (archive: Archive) => Promise<T>): Promise<T> {
  const archive = new EmbeddedArchive({ dir: join(env['DATA_DIR']!, 'archive') });
  await archive.start();
  return work(archive).finally(() => archive.stop());
}

async function madeBackup(fill: (archive: Archive) => Promise<unknown> = seed): Promise<void> {
  await within(from, fill);
  expect((await run(backup, ['--out', file], from)).code).toBe(0);
}

test('the version is the one of package.json', () => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  expect(VERSION).toBe((JSON.parse(manifest) as { version: string }).version);
});

describe('backup', () => {
  test('makes a file for its owner only, and says what is in it', async () => {
    await within(from, seed);
    const done = await run(backup, ['--out', file], from);
    expect(done).toMatchObject({ code: 0, said: expect.stringContaining('2509 events of 4 tickets') });
    expect(done.said).toContain('personal data');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(dir)).sort()).toEqual(['a backup', 'from']);
    const checked = await run(restore, ['--check', '--from', file], {});
    expect(checked).toMatchObject({ code: 0, said: expect.stringContaining('is whole') });
    expect(checked.said).toMatch(/2509 events of 4 tickets.*audit 450/);
    // The secret is not in it, nor can it be told from what is.
    expect(contentOf(await readFile(file)).join('\n')).not.toContain(SECRET);
  });

  test('takes the place of no file', async () => {
    await within(from, seed);
    await writeFile(file, 'precious');
    expect(await run(backup, ['--out', file], from)).toMatchObject({
      code: 1,
      said: expect.stringContaining('is there already'),
    });
    expect(await readFile(file, 'utf8')).toBe('precious');
    await rm(file);
    await writeFile(`${file}.partial`, 'of another backup');
    expect(await run(backup, ['--out', file], from)).toMatchObject({
      code: 1,
      said: expect.stringContaining('.partial is there'),
    });
    expect(await readFile(`${file}.partial`, 'utf8')).toBe('of another backup');
    expect(existsSync(file)).toBe(false);
  });

  test('of nothing is none', async () => {
    expect(await run(backup, ['--out', file], from)).toMatchObject({
      code: 1,
      said: expect.stringMatching(/There is no archive in .*from/),
    });
    expect(await readdir(dir)).toEqual([]);
  });

  test('leaves nothing behind where it cannot be finished', async () => {
    await within(from, seed);
    jest.spyOn(EmbeddedArchive.prototype, 'matches').mockRejectedValue(new Error('the disk is gone'));
    expect(await run(backup, ['--out', file], from)).toMatchObject({ code: 1, said: 'the disk is gone\n' });
    expect(await readdir(dir)).toEqual(['from']);
    expect(await run(backup, ['--out', join(dir, 'no', 'folder')], from)).toMatchObject({
      code: 1,
      said: expect.stringContaining('cannot be written: ENOENT'),
    });
  });

  test.each([
    [[], 'Say where to'],
    [['--out'], 'npm run backup -- --help'],
    [['--out', 'x', '--fast'], 'npm run backup -- --help'],
  ])('refuses %j', async (args, reason) => {
    expect(await run(backup, args, from)).toMatchObject({ code: 1, said: expect.stringContaining(reason) });
  });
});

describe('restore', () => {
  test('puts everything back, and says what it wrote and what is to be done', async () => {
    await madeBackup();
    const done = await run(restore, ['--from', file, '--into-empty-only'], to);
    expect(done).toMatchObject({ code: 0, said: expect.stringContaining('2509 events of 4 tickets') });
    expect(done.said).toMatch(
      /Before you start the marketplace:\n(.*\n)*- with brokers, set the consumer group back/,
    );
    const again = join(dir, 'again');
    expect((await run(backup, ['--out', again], to)).code).toBe(0);
    expect(contentOf(await readFile(again))).toEqual(contentOf(await readFile(file)));
    // The folder is free again.
    await (await openDataDir(to['DATA_DIR']!, { exclusive: true })).release();
  });

  /** It is refused with this reason, and there is no archive. */
  async function refused(reason: RegExp, env = to, args = ['--from', file]): Promise<void> {
    const done = await run(restore, args, env);
    expect(done.said).toMatch(reason);
    expect(done.code).toBe(1);
    expect(existsSync(join(to['DATA_DIR']!, 'archive'))).toBe(false);
  }

  test('refuses what is no backup, cut short, or from standard input, and makes no folder for it', async () => {
    await madeBackup();
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, whole.length - 5));
    await refused(/cannot be restored, and nothing was written: it is cut short/);
    await refused(/no gzip file/, to, ['--from', join(import.meta.dirname, 'backup.int.spec.ts')]);
    await refused(/cannot be read: ENOENT/, to, ['--from', join(dir, 'nowhere')]);
    await refused(/is no file/, to, ['--from', dir]);
    await refused(/reads its file twice/, to, ['--from', '-']);
    await refused(/Say from what/, to, []);
    expect(existsSync(to['DATA_DIR']!)).toBe(false);
    expect((await run(restore, ['--check', '--from', file], to)).code).toBe(1);
  });

  test('refuses while Redis knows of another life of the marketplace, and only then', async () => {
    await madeBackup();
    const prefix = `backup-${randomUUID().slice(0, 8)}`;
    const env = { ...to, REDIS_URL: testRedisUrl(), REDIS_PREFIX: prefix };
    const redis = new Redis(testRedisUrl());
    try {
      await redis.hset(`${prefix}:{m7}:c2:meta`, 'version', '1');
      // Of another marketplace: that one is left alone.
      await redis.set(`${prefix}2:catalog`, 'x');
      await refused(new RegExp(`Redis holds keys of ${prefix} .*:meta.*ahead`), env);
      await redis.del(`${prefix}:{m7}:c2:meta`);
      expect((await run(restore, ['--from', file], env)).code).toBe(0);
    } finally {
      await redis.del(`${prefix}:{m7}:c2:meta`, `${prefix}2:catalog`);
      redis.disconnect();
    }
  });

  test('refuses a Redis that does not answer, and data of the local one', async () => {
    await madeBackup();
    await refused(/empty cannot be seen/, { ...to, REDIS_URL: 'redis://127.0.0.1:1' });
    await mkdir(join(to['DATA_DIR']!, 'redis', 'appendonlydir'), { recursive: true });
    await refused(/appendonlydir holds the data of a Redis.*remove/);
    await rm(join(to['DATA_DIR']!, 'redis', 'appendonlydir'), { recursive: true });
    await writeFile(join(to['DATA_DIR']!, 'redis', 'password'), 'x');
    expect((await run(restore, ['--from', file], to)).code).toBe(0);
  });

  test('refuses a folder that a marketplace runs on, or that holds something', async () => {
    await madeBackup();
    const folder = await openDataDir(to['DATA_DIR']!, { exclusive: true });
    await refused(/in use by ticktak process/);
    await folder.release();
    await within(to, (archive) => archive.insertDocument('users', { id: 'u', value: 1 }));
    const done = await run(restore, ['--from', file], to);
    expect(done).toMatchObject({ code: 1, said: expect.stringMatching(/holds something already \(users\)/) });
    await within(to, async (archive) => {
      expect(await archive.ledgerTickets()).toEqual([]);
      expect(await all(archive.allDocuments('users'))).toHaveLength(1);
    });
  });

  test.each<[string, Record<string, string>, RegExp | null]>([
    ['the same', { TOKEN_SECRET: SECRET }, null],
    [
      'another',
      { TOKEN_SECRET: `${SECRET}!` },
      /TOKEN_SECRET is NOT the one.*\n.*TICKET_SECRET is NOT the one/,
    ],
    ['none yet', {}, /TOKEN_SECRET of the backup is not here yet.*log-ins end/],
    [
      'another for tickets',
      { TOKEN_SECRET: SECRET, TICKET_SECRET: `${SECRET}!` },
      /^- TICKET_SECRET is NOT.*void/m,
    ],
  ])('says when the secret is %s', async (_, secrets, expected) => {
    await madeBackup();
    const { said: text, code } = await run(restore, ['--from', file], {
      DATA_DIR: to['DATA_DIR']!,
      ...secrets,
    });
    expect(code).toBe(0);
    if (expected) expect(text).toMatch(expected);
    else expect(text).not.toContain('SECRET');
  });

  test('knows generated secrets, too', async () => {
    const { TOKEN_SECRET: _, ...env } = from;
    await mkdir(join(from['DATA_DIR']!, 'secrets'), { recursive: true });
    await writeFile(join(from['DATA_DIR']!, 'secrets', 'token-secret'), SECRET);
    await within(from, seed);
    expect((await run(backup, ['--out', file], env)).code).toBe(0);
    expect((await run(restore, ['--from', file], to)).said).not.toContain('SECRET');
  });
});

describe('payments and mails', () => {
  const TICKET = { matchNumber: 7, category: 2 };
  const payment = (id: string): Payment => ({
    id,
    reservationId: `r-${id}`,
    status: 'succeeded',
    amountMinor: 25_000,
    refundedMinor: 0,
    currency: 'usd',
    clientSecret: 'x',
    createdAt: 0,
  });

  const mail = (id: string) => {
    const { matchNumber, category, quantity, unitPrice, currency } = reservationOf();
    const data = { matchNumber, category, quantity, unitPrice, currency, reservationId: id };
    return { id: `purchase:${id}`, kind: 'purchase', to: `${id}@example.com`, data } as const;
  };

  async function fill(archive: Archive): Promise<void> {
    const now = Date.now();
    const payments = new PaymentRecords(archive);
    const settle = async (id: string, at: number): Promise<void> => {
      await payments.open(payment(id), reservationOf({ id: `r-${id}` }), { now: at, dueAt: at, taxMinor: 0 });
      await payments.update(id, ({ dueAt: _, ...record }) => record);
    };
    await settle('pi_old', now - HOUR);
    await settle('pi_new', now - MINUTE);
    await payments.open(payment('pi_open'), reservationOf(), {
      now: now - HOUR,
      dueAt: now + HOUR,
      taxMinor: 0,
    });
    const mails = new MailRecords({ documents: archive, clock: systemClock });
    await mails.add(mail('sent'));
    const [due] = await mails.due(1);
    await mails.end(due!, 'sent');
    await mails.add(mail('waits'));
    await archive.append([batchOf(TICKET, 1, 1, 9)]);
    await archive.putDocuments('mailCursors', [cursorAt(TICKET, { incarnation: 1, sequence: 4 })]);
  }

  test('payments that were settled while the ledgers were read are looked at again; mails wait on', async () => {
    await madeBackup(fill);
    const { said: text } = await run(restore, ['--from', file], to);
    expect(text).toContain('2 payments are compared with the provider');
    expect(text).toContain('1 mails that waited are sent at the next start');
    await within(to, async (archive) => {
      const payments = new PaymentRecords(archive);
      expect((await payments.due(Date.now(), 10)).map(({ id }) => id)).toEqual(['pi_new']);
      expect((await payments.due(Date.now() + 2 * HOUR, 10)).map(({ id }) => id)).toEqual([
        'pi_new',
        'pi_open',
      ]);
      expect((await payments.list({ limit: 10 })).items).toHaveLength(3);
      expect(await payments.get('pi_old')).not.toHaveProperty('dueAt');
      const mails = new MailRecords({ documents: archive, clock: systemClock });
      expect((await mails.due(10)).map(({ id }) => id)).toEqual(['purchase:waits']);
      expect((await archive.document('mailCursors', '7:2'))?.value).toEqual({ incarnation: 1, sequence: 4 });
    });
  });

  test('mails are dropped where that was asked for, and their facts count as mailed about', async () => {
    await madeBackup(fill);
    const { said: text } = await run(restore, ['--from', file, '--drop-mails'], to);
    expect(text).toContain('1 mails that waited are dropped');
    await within(to, async (archive) => {
      const mails = new MailRecords({ documents: archive, clock: systemClock });
      expect(await mails.due(10)).toEqual([]);
      expect(await mails.get('purchase:waits')).toMatchObject({ outcome: 'dropped', to: null, data: null });
      expect(await mails.get('purchase:sent')).toMatchObject({ outcome: 'sent' });
      expect(await mails.add(mail('waits'))).toBe(false);
      expect(await all(archive.allDocuments('mailCursors'))).toEqual([
        cursorAt(TICKET, { incarnation: 1, sequence: 9 }),
      ]);
    });
  });
});

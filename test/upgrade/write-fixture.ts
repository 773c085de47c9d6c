/**
 * Writes what the previous version stores, by its own code: its backup (ledgers, snapshots, documents), what Redis has
 * of a ticket, and a job that waits. Run by scripts/previous-fixture.mjs, once per release.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../helpers/ports.js';
import { PREVIOUS, previousVersion } from '../helpers/previous-version.js';
import { request, run, scratchDir } from '../helpers/processes.js';

const DIR = join(import.meta.dirname, PREVIOUS.tag);
const PREFIX = 'previous';
const KEYS = ['meta', 'reservations', 'remote', 'persons'];

export async function writeFixture(): Promise<void> {
  const old = previousVersion();
  const scratch = scratchDir();
  const port = await freePort();
  const server = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', scratch.dir],
    { stdio: 'ignore' },
  );
  const url = `redis://127.0.0.1:${port}`;
  const redis = new Redis(url);
  redis.on('error', () => undefined);
  const env = {
    DATA_DIR: join(scratch.dir, 'data'),
    REDIS_URL: url,
    REDIS_PREFIX: PREFIX,
    SNAPSHOT_MS: '200',
    TOKEN_SECRET: 'a-secret-of-the-fixture-alone-0123',
  };
  try {
    const worker = await run(['worker'], env, old.main);
    const web = await run(['shop', 'reservations', 'consumer', 'payments'], env, old.main);
    const base = `${web.url('reservations')}/api/v1/reservations`;
    const hold = async (quantity: number, email: string) =>
      (await request('POST', base, { body: { matchNumber: 1, category: 1, quantity, email } })).body;
    const pay = ({ id, token }: { id: string; token: string }) =>
      request('POST', `${base}/${id}/payment`, { body: { paymentMethod: '4242424242424242' }, token });
    await pay(await hold(2, 'first@example.org'));
    // A snapshot stands between the two.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await pay(await hold(1, 'second@example.org'));
    await hold(1, 'held@example.org');
    await worker.end();
    // Nobody works on it any more: it stays in the queue.
    void request('POST', base, {
      body: { matchNumber: 1, category: 1, quantity: 1, email: 'waits@example.org' },
    }).catch(() => undefined);
    const wait = `${PREFIX}:{m1}:match-01.category-1:wait`;
    while ((await redis.llen(wait)) === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const [id] = await redis.lrange(wait, 0, 0);
    const stored = Object.fromEntries(
      await Promise.all(
        KEYS.map(async (key) => [key, await redis.hgetall(`${PREFIX}:{m1}:c1:${key}`)] as const),
      ),
    );
    // A name of the machine, and of nobody who lives.
    delete stored['meta']?.['owner'];
    const job: unknown = JSON.parse(
      (await redis.hget(`${PREFIX}:{m1}:match-01.category-1:${id}`, 'data')) ?? '',
    );
    await web.end('SIGKILL');
    rmSync(DIR, { recursive: true, force: true });
    mkdirSync(DIR, { recursive: true });
    writeFileSync(join(DIR, 'redis.json'), `${JSON.stringify({ stored, job }, null, 2)}\n`);
    execFileSync(process.execPath, [old.main, 'backup', '--out', join(DIR, 'archive.backup')], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: 'inherit',
    });
  } finally {
    redis.disconnect();
    server.kill();
    await once(server, 'exit');
    scratch.remove();
    old.remove();
  }
}

/** A purchase at separate processes is mailed about once, although the worker is killed as soon as it is answered. */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { freePort } from '../helpers/ports.js';
import { request, run, scratchDir, type Running } from '../helpers/processes.js';

const TEST_MS_MAX = 120_000;
const GROUPS = {
  worker: ['worker'],
  rest: ['shop', 'reservations', 'consumer', 'user', 'security', 'payments'],
};
const scratch = scratchDir();
const prefix = `mail-${randomUUID().slice(0, 8)}`;
const processes: Record<string, Running> = {};
let env: Record<string, string>;

beforeAll(async () => {
  env = {
    DATA_DIR: scratch.dir,
    REDIS_URL: testRedisUrl(),
    REDIS_PREFIX: prefix,
    PAYMENTS_PORT: String(await freePort()),
    MAIL_CHECK_MS: '100',
    PUBLIC_URL: 'https://ticktak.example',
  };
  for (const [name, roles] of Object.entries(GROUPS)) processes[name] = await run(roles, env);
}, TEST_MS_MAX);
afterAll(async () => {
  for (const running of Object.values(processes)) await running.end();
  const redis = new Redis(testRedisUrl());
  await deleteKeys(redis, prefix);
  redis.disconnect();
  scratch.remove();
}, TEST_MS_MAX);

/** Those of a kind, by their files. */
function mails(kind: string): string[] {
  const dir = join(scratch.dir, 'mail');
  if (!existsSync(dir)) return [];
  const names = readdirSync(dir).filter((name) => name.endsWith('.eml') && name.includes(`-${kind}-`));
  return names.map((name) => readFileSync(join(dir, name), 'utf8'));
}

it(
  'one mail for each purchase, none lost, none twice',
  async () => {
    const reservations = processes['rest']!.url('reservations');
    const ids: string[] = [];
    for (let n = 0; n < 6; n += 1) {
      const body = { matchNumber: 3 + n, category: 1, quantity: 1, email: `fan${n}@example.org` };
      const held = await request('POST', `${reservations}/api/v1/reservations`, { body });
      expect(held.status).toBe(201);
      const { id, token } = held.body;
      const response = await fetch(`${reservations}/api/v1/reservations/${id}/payment`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          Authorization: `Bearer ${token}`,
          ...(n % 2 === 1 && { 'Accept-Language': 'ar-QA,ar;q=0.9' }),
        },
        body: JSON.stringify({ paymentMethod: '4242424242424242' }),
      });
      expect(response.status).toBe(200);
      ids.push(id);
    }
    // Its last sale was answered this very moment.
    processes['worker']!.kill('SIGKILL');
    await processes['worker']!.end();
    processes['worker'] = await run(GROUPS.worker, env);
    await until(() => mails('purchase').length >= ids.length, 60_000);
    // Whatever would come twice has come by then: both processes look again and again.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const sent = mails('purchase');
    expect(sent).toHaveLength(ids.length);
    const recipients = sent.map((mail) => /^To: (.*)\r$/m.exec(mail)?.[1]).sort();
    expect(recipients).toEqual(ids.map((_, n) => `fan${n}@example.org`));
    expect(sent.filter((mail) => mail.includes('Content-Language: ar'))).toHaveLength(3);
    expect(new Set(sent.map((mail) => /^Message-ID: (.*)\r$/im.exec(mail)?.[1])).size).toBe(ids.length);
  },
  TEST_MS_MAX,
);

/** A gate whose marketplace dies from one moment to the next: whoever was told to come in is in, once. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { until } from '../helpers/engine.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';

jest.setTimeout(180_000);

const PASSWORD = 'horse staple battery 42';
const MATCH = 20;
const RESERVATIONS = 20;
const GATES = 8;
/** Answers after which it is killed: in the middle of the others. */
const KILLED_AFTER = 12;

interface Body {
  readonly id: string;
  readonly token: string;
  readonly accessToken: string;
  readonly account: { readonly id: string };
  readonly tickets: readonly { readonly id: string; readonly code: string }[];
  readonly result: string;
  readonly reason?: string;
  readonly matches: readonly { readonly matchNumber: number; readonly state?: string }[];
  readonly touches: { readonly admitted: number; readonly sales: number };
  readonly list: string;
  readonly sold: number;
  readonly admitted: number;
}

const scratch = scratchDir();
let running: Running;
let operator: string;
let steward: string;
const start = async (): Promise<void> => {
  running = await run([], { DATA_DIR: scratch.dir, SECURITY_CHECK: 'false' });
};
beforeAll(async () => {
  await start();
  await staff();
});
afterAll(async () => {
  await running.end();
  scratch.remove();
});

/** Through the client role, as a device at a gate asks. */
async function ask(
  method: string,
  path: string,
  { body, token }: { body?: unknown; token?: string } = {},
): Promise<{ readonly status: number; readonly body: Body }> {
  const response = await fetch(`${running.url('client')}/api/v1${path}`, {
    method,
    headers: {
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text === '' ? '{}' : text) as Body };
}

async function staff(): Promise<void> {
  const password = /shown this once[^\n]*\n +\S+@\S+\n +(\S+)\n/.exec(running.output())?.[1];
  const email = 'operator@ticktak.example';
  operator = (await ask('POST', '/sessions', { body: { email, password } })).body.accessToken;
  const own = { email: 'sam@example.org', password: PASSWORD };
  const made = await ask('POST', '/users', { body: { ...own, name: 'Sam' } });
  const given = await ask('PATCH', `/users/${made.body.id}`, {
    body: { steward: true },
    token: operator,
  });
  expect(given.status).toBe(200);
  steward = (await ask('POST', '/sessions', { body: own })).body.accessToken;
}

async function scan(
  { code, scanId, matchNumber = MATCH }: { code: string; scanId: string; matchNumber?: number },
  gate: string,
): Promise<Body> {
  const scannedAt = new Date().toISOString();
  const body = { scanId, code, matchNumber, gate, device: gate, scannedAt };
  return (await ask('POST', '/check-ins', { body, token: steward })).body;
}

async function bought(index: number, matchNumber = MATCH): Promise<Body['tickets']> {
  const category = 1 + (index % 2);
  const email = `fan${index}@example.org`;
  const held = await ask('POST', '/reservations', {
    body: { matchNumber, category, quantity: 2, email },
  });
  expect(held.status).toBe(201);
  const { id, token } = held.body;
  const paid = await ask('POST', `/reservations/${id}/payment`, {
    body: { paymentMethod: '4242424242424242' },
    token,
  });
  expect(paid.status).toBe(200);
  return (await ask('GET', `/reservations/${id}/tickets`, { token })).body.tickets;
}

it('is killed while eight gates let people in, and started again', async () => {
  const tickets: Body['tickets'][number][] = [];
  for (let index = 0; index < RESERVATIONS; index += 1) tickets.push(...(await bought(index)));
  expect(tickets).toHaveLength(2 * RESERVATIONS);
  const scans = tickets.map(({ id, code }) => ({ id, code, scanId: randomUUID() }));

  const told = new Set<string>();
  const waiting = [...scans];
  const gates = Array.from({ length: GATES }, async (_, index) => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      // An answer that never came says nothing.
      const answer = await scan(next, `gate ${index}`).catch(() => null);
      if (answer === null) return;
      expect(answer.result).toBe('admitted');
      told.add(next.id);
      if (told.size === KILLED_AFTER) running.kill('SIGKILL');
    }
  });
  await Promise.all(gates);
  await running.end('SIGKILL');
  expect(told.size).toBeGreaterThanOrEqual(KILLED_AFTER);
  expect(told.size).toBeLessThan(scans.length);
  await start();

  const { list } = (await ask('GET', `/check-ins/lists/${MATCH}`, { token: steward })).body;
  const payload = JSON.parse(Buffer.from(list.split('.')[1] ?? '', 'base64url').toString()) as {
    readonly admissions: readonly (readonly [
      id: string,
      category: number,
      generation: number,
      state: string,
    ])[];
  };
  expect(payload.admissions).toHaveLength(scans.length);
  const used = payload.admissions.filter(([, , , state]) => state === 'used').map(([id]) => id);
  // What was answered is kept; what was not may be.
  expect([...told].filter((id) => !used.includes(id))).toEqual([]);

  for (const one of scans) expect((await scan(one, 'again')).result).toBe('admitted');
  for (const { code } of scans) {
    expect((await scan({ code, scanId: randomUUID() }, 'late')).result).toBe('repeated');
  }
  const counts = await ask('GET', `/check-ins/counts/${MATCH}`, { token: steward });
  expect(counts.body).toMatchObject({ sold: scans.length, admitted: scans.length });
});

it('lets nobody in to a match that operators cancelled', async () => {
  const matchNumber = 21;
  const [first, second] = await bought(100, matchNumber);
  const shown = (code = ''): Promise<Body> => scan({ code, scanId: randomUUID(), matchNumber }, 'North');
  expect((await shown(first?.code)).result).toBe('admitted');
  const path = `/operations/matches/${matchNumber}/cancellation`;
  const preview = await ask('GET', path, { token: operator });
  expect(preview.body.touches).toMatchObject({ sales: 1, admitted: 1 });
  const reason = { en: 'The stadium is closed.' };
  const cancelled = await ask('POST', path, {
    body: { phrase: `CANCEL ${matchNumber}`, reason },
    token: operator,
  });
  expect(cancelled.status).toBe(202);
  // Its tickets are closed first, and refunded after: until then the first of them is one that was used.
  await until(async () => (await shown(first?.code)).reason === 'cancelled');
  for (const one of [first, second]) {
    expect(await shown(one?.code)).toMatchObject({ result: 'refused', reason: 'cancelled' });
  }
  const { matches } = (await ask('GET', '/check-ins/matches', { token: steward })).body;
  expect(matches.filter(({ state }) => state === 'cancelled')).toMatchObject([{ matchNumber }]);
});

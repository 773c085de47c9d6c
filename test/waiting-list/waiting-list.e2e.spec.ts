/** Sold out, two in line: the first is offered what comes back, by mail too; it lapses, and it is the second's turn. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../helpers/engine.js';
import { request, run, scratchDir, type Answer, type Running } from '../helpers/processes.js';

const TEST_MS_MAX = 120_000;
const CARD = '4242424242424242';
const TICKET = { matchNumber: 1, category: 1 };
/** Of match 1, category 1, in the bundled list. */
const CAPACITY = 5;

interface Entry {
  readonly id: string;
  readonly token: string;
  readonly status: string;
  readonly position: number | null;
  readonly quantity: number;
  readonly offer?: { readonly reservationId: string; readonly expiresAt: string; readonly token?: string };
}

describe('the waiting list over HTTP', () => {
  const scratch = scratchDir();
  let running: Running;
  let base: string;

  beforeAll(async () => {
    running = await run([], {
      DATA_DIR: scratch.dir,
      WAITING_OFFER_MS: '6000',
      MAIL_CHECK_MS: '100',
      PUBLIC_URL: 'https://ticktak.example',
    });
    base = `${running.url('reservations')}/api/v1`;
  }, TEST_MS_MAX);
  afterAll(async () => {
    await running.end();
    scratch.remove();
  }, TEST_MS_MAX);

  const hold = (email: string, quantity: number): Promise<Answer> =>
    request('POST', `${base}/reservations`, { body: { ...TICKET, quantity, email } });
  const ask = (email: string, quantity: number, key?: string): Promise<Answer> =>
    request('POST', `${base}/waiting-list`, {
      body: { ...TICKET, quantity, email },
      ...(key !== undefined && { key }),
    });
  const entryOf = ({ body }: Answer): Entry => body as unknown as Entry;
  const read = async ({ id, token }: Entry): Promise<Entry> =>
    entryOf(await request('GET', `${base}/waiting-list/${id}`, { token }));
  const statusOf = async (entry: Entry): Promise<string> => (await read(entry)).status;

  function offersMailed(): string[] {
    const dir = join(scratch.dir, 'mail');
    if (!existsSync(dir)) return [];
    const names = readdirSync(dir).filter((name) => name.includes('-waiting-list-offer-'));
    return names.map((name) => readFileSync(join(dir, name), 'utf8'));
  }
  const recipients = (): string[] => offersMailed().map((mail) => /^To: (.*)\r$/m.exec(mail)?.[1] ?? '');

  it(
    'offers in order, by mail, once, and to nobody else',
    async () => {
      expect(await ask('ann@example.org', 2)).toMatchObject({
        status: 409,
        body: { code: 'available_now' },
      });
      const held: Answer[] = [];
      for (let left = CAPACITY; left > 0; left -= 2) {
        held.push(await hold(`holder${left}@example.org`, Math.min(2, left)));
      }
      expect(held.map(({ status }) => status)).toEqual(held.map(() => 201));

      const key = 'a-key-that-nobody-can-guess';
      const joined = await ask('ann@example.org', 2, key);
      expect(joined).toMatchObject({ status: 201, body: { status: 'waiting', position: 1, quantity: 2 } });
      const ann = entryOf(joined);
      expect(entryOf(await ask('ann@example.org', 2, key)).id).toBe(ann.id);
      expect(await ask('ann@example.org', 1)).toMatchObject({ body: { code: 'already_waiting' } });
      const bob = entryOf(await ask('bob@example.org', 2));
      const cy = entryOf(await ask('cy@example.org', 2));
      const dan = entryOf(await ask('dan@example.org', 1));
      expect([bob.position, cy.position, dan.position]).toEqual([2, 3, 4]);

      const left = await request('DELETE', `${base}/waiting-list/${cy.id}`, { token: cy.token });
      expect(left).toMatchObject({ status: 200, body: { status: 'left', position: null } });
      expect((await read(dan)).position).toBe(3);
      const stranger = await request('GET', `${base}/waiting-list/${ann.id}`, { token: bob.token });
      expect(stranger.status).toBe(403);

      const first = held[0]!.body;
      await request('DELETE', `${base}/reservations/${first.id}`, { token: first.token });
      expect(await hold('eve@example.org', 1)).toMatchObject({
        status: 409,
        body: { code: 'temporarily_unavailable', remaining: 0 },
      });
      const offered = await read(ann);
      expect(offered).toMatchObject({ status: 'offered', position: null });
      const { reservationId = '', token = '' } = offered.offer ?? {};
      expect(await request('GET', `${base}/reservations/${reservationId}`, { token })).toMatchObject({
        status: 200,
        body: { status: 'PENDING', offer: true, quantity: 2, email: 'ann@example.org' },
      });
      expect((await read(bob)).position).toBe(1);
      await until(() => recipients().includes('ann@example.org'));
      expect(offersMailed()[0]).toContain(reservationId);
      const late = await request('DELETE', `${base}/waiting-list/${ann.id}`, { token: ann.token });
      expect(late).toMatchObject({ status: 409, body: { code: 'invalid_state' } });

      // It lapses, with nobody asking.
      await until(async () => (await statusOf(ann)) === 'lapsed');
      const next = await read(bob);
      expect(next.status).toBe('offered');
      const path = `${base}/reservations/${next.offer?.reservationId}/payment`;
      const paid = await request('POST', path, { token: bob.token, body: { paymentMethod: CARD } });
      expect(paid).toMatchObject({ status: 200, body: { status: 'RESERVED', offer: true } });
      expect(await statusOf(bob)).toBe('taken');
      expect(await statusOf(dan)).toBe('waiting');
      await until(() => recipients().length >= 2);
      expect(recipients().sort()).toEqual(['ann@example.org', 'bob@example.org']);
    },
    TEST_MS_MAX,
  );

  it(
    'shows an account its places, and what it was offered',
    async () => {
      const users = `${running.url('user')}/api/v1`;
      const logIn = { email: 'fay@example.org', password: 'correct horse battery 42' };
      const made = await request('POST', `${users}/users`, { body: { ...logIn, name: 'Fay' } });
      expect(made.status).toBe(201);
      const session = await request('POST', `${users}/sessions`, { body: logIn });
      const { accessToken: token } = session.body as unknown as { accessToken: string };
      const joined = await request('POST', `${base}/waiting-list`, {
        token,
        body: { ...TICKET, quantity: 1 },
      });
      expect(joined.status).toBe(201);
      expect(joined.body.token).toBeUndefined();
      const mine = async (): Promise<readonly Entry[]> => {
        const { body } = await request('GET', `${base}/waiting-list`, { token });
        return (body as unknown as { entries: readonly Entry[] }).entries;
      };
      // Behind dan.
      expect(await mine()).toMatchObject([{ id: joined.body.id, status: 'waiting', position: 2 }]);
      expect((await request('GET', `${base}/waiting-list`)).status).toBe(401);
      const read = await request('GET', `${base}/waiting-list/${joined.body.id}`, { token });
      expect(read).toMatchObject({ status: 200, body: { position: 2 } });
      await request('DELETE', `${base}/waiting-list/${joined.body.id}`, { token });
      expect(await mine()).toEqual([]);

      // Who is erased waits nowhere: whoever comes next stands where the account stood.
      const again = await request('POST', `${base}/waiting-list`, {
        token,
        body: { ...TICKET, quantity: 1 },
      });
      expect(again).toMatchObject({ status: 201, body: { position: 2 } });
      const body = { password: logIn.password };
      expect((await request('POST', `${users}/users/me/deletion`, { token, body })).status).toBe(204);
      expect(entryOf(await ask('gus@example.org', 1)).position).toBe(2);
    },
    TEST_MS_MAX,
  );
});

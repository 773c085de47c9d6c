/**
 * Payments at separate processes that are killed while they pay: roles apart over one Redis and one folder,
 * with the sandbox behind Stripe's own library. What buyers have in the end and what the sandbox's own books
 * say was taken from them must agree, whatever was killed when.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { z } from 'zod';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { freePort } from '../helpers/ports.js';
import { request, run, scratchDir, type Answer, type Json, type Running } from '../helpers/processes.js';

const START_MS_MAX = 60_000;
const TEST_MS_MAX = 300_000;
/** Fewer of either would prove little. */
const KILLS_MIN = 5;
const BUYERS_MIN = 21;
const CARD = '4242424242424242';
const DECLINED = '4000000000000002';
const AUTHENTICATED = '4000002760003184';

/** As much of the sandbox's books as is compared. */
const intent = z.object({
  kind: z.literal('payment_intent'),
  amount: z.number(),
  status: z.string(),
  metadata: z.record(z.string(), z.string()),
  charges: z.array(z.object({ failure: z.unknown() })),
  refunds: z.array(z.object({ amount: z.number(), status: z.string() })),
});

interface Buyer {
  readonly id: string;
  readonly token: string;
  /** What answers said of it. */
  readonly told: string[];
}

const GROUPS = {
  worker: ['worker'],
  web: ['shop', 'reservations', 'consumer'],
  pay: ['payments', 'user', 'security'],
} as const;
type Group = keyof typeof GROUPS;

describe('payments at processes that are killed', () => {
  const scratch = scratchDir();
  const prefix = `pay-${randomUUID().slice(0, 8)}`;
  const processes = new Map<Group, Running>();
  const redis = new Redis(testRedisUrl());
  let env: Record<string, string>;
  let operator: string;

  const start = async (group: Group): Promise<void> => {
    processes.set(group, await run(GROUPS[group], env));
  };
  const url = (role: string): string => {
    const group = (Object.keys(GROUPS) as Group[]).find((name) => GROUPS[name].some((one) => one === role))!;
    return processes.get(group)!.url(role);
  };

  beforeAll(async () => {
    env = {
      DATA_DIR: scratch.dir,
      REDIS_URL: testRedisUrl(),
      REDIS_PREFIX: prefix,
      PAYMENTS_PORT: String(await freePort()),
      HOLD_MS: '10000',
      PAYING_MS: '6000',
      PAYMENT_CHECK_MS: '1000',
      PAYMENT_TIMEOUT_MS: '4000',
      RECONCILE_MS: '300',
    };
    for (const group of ['worker', 'web', 'pay'] as const) await start(group);
    const printed = /password is shown this once.*\n +(\S+)\n +(\S+)\n/.exec(processes.get('pay')!.output());
    const logIn = { email: printed?.[1], password: printed?.[2] };
    const { body } = await request('POST', `${url('user')}/api/v1/sessions`, { body: logIn });
    operator = (body as unknown as { accessToken: string }).accessToken;
    expect(operator).toMatch(/\./);
  }, 3 * START_MS_MAX);
  afterAll(async () => {
    await Promise.all([...processes.values()].map((one) => one.end('SIGKILL')));
    await deleteKeys(redis, prefix);
    redis.disconnect();
    scratch.remove();
  });

  /** Null when the process went away in the middle. */
  const ask = async (
    method: string,
    role: string,
    path: string,
    options: Parameters<typeof request>[2] = {},
  ): Promise<Answer | null> => {
    try {
      return await request(method, url(role) + path, options);
    } catch {
      return null;
    }
  };

  const hold = async (matchNumber: number, category = 1): Promise<Buyer | null> => {
    const body = { matchNumber, category, quantity: 1, email: `${randomUUID()}@example.org` };
    const held = await ask('POST', 'reservations', '/api/v1/reservations', { body });
    return held?.status === 201 ? { id: held.body.id, token: held.body.token, told: [] } : null;
  };

  /** Asks with one key until the answer is final, or patience ends. */
  const pay = async (
    { id, token, told }: Buyer,
    paymentMethod: string,
    tries = 12,
  ): Promise<Answer | null> => {
    const key = randomUUID();
    for (let turn = 0; turn < tries; turn += 1) {
      const path = `/api/v1/reservations/${id}/payment`;
      const answer = await ask('POST', 'reservations', path, { body: { paymentMethod }, key, token });
      const isFinal = answer !== null && answer.status !== 503 && answer.status !== 429;
      if (isFinal) {
        told.push(`${answer.status} ${answer.body.status}`);
        return answer;
      }
      // So many repeats within a minute are asked to wait.
      const pauseMs = answer?.status === 429 ? 5_000 : 100 + Math.random() * 400;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return null;
  };

  /** What the sandbox took and gave back, by reservation. */
  const books = async (): Promise<Map<string, { takenMinor: number; charges: number }>> => {
    const archive = new EmbeddedArchive({ dir: `${scratch.dir}/archive` });
    await archive.start();
    const found = new Map<string, { takenMinor: number; charges: number }>();
    let after: string | undefined;
    do {
      const page = await archive.listDocuments('sandbox', 'all', { limit: 100, ...(after && { after }) });
      for (const { value } of page.items) {
        const parsed = intent.safeParse(value);
        if (!parsed.success) continue;
        const { amount, charges, refunds, metadata } = parsed.data;
        const paid = charges.filter(({ failure }) => failure === null).length;
        const back = refunds.filter(({ status }) => status !== 'failed');
        const backMinor = back.reduce((sum, one) => sum + one.amount, 0);
        const id = metadata['reservationId'] ?? '';
        const before = found.get(id) ?? { takenMinor: 0, charges: 0 };
        const takenMinor = before.takenMinor + paid * amount - backMinor;
        found.set(id, { takenMinor, charges: before.charges + paid });
      }
      after = page.next;
    } while (after !== undefined);
    await archive.stop();
    return found;
  };

  const standing = async ({ id, token }: Buyer): Promise<Json> =>
    (await request('GET', `${url('reservations')}/api/v1/reservations/${id}`, { token })).body;

  it(
    '200 concurrent payments of one reservation charge once',
    async () => {
      const buyer = (await hold(1))!;
      const answers = await Promise.all(Array.from({ length: 200 }, () => pay(buyer, CARD, 150)));
      expect(answers.map((answer) => answer?.body.status)).toEqual(answers.map(() => 'RESERVED'));
      expect((await books()).get(buyer.id)).toEqual({ takenMinor: 7_500, charges: 1 });
    },
    TEST_MS_MAX,
  );

  it(
    'money goes back for tickets that are given back after the process that asked has gone',
    async () => {
      const buyer = (await hold(1))!;
      expect((await pay(buyer, CARD))?.body.status).toBe('RESERVED');
      const { body } = await request(
        'GET',
        `${url('reservations')}/api/v1/reservations/${buyer.id}/payment`,
        {
          token: buyer.token,
        },
      );
      const path = `/api/v1/payments/${body.id}`;
      const isSettled = async (): Promise<boolean> => {
        const payment = (await request('GET', url('payments') + path, { token: operator })).body;
        return (payment as unknown as { isSettled: boolean }).isSettled;
      };
      await until(isSettled);
      await processes.get('worker')!.end('SIGKILL');
      const options = { body: { note: 'asked for' }, token: operator, key: randomUUID() };
      const asked = ask('POST', 'payments', `${path}/refunds`, options);
      // It is on record that money may be owed; the command waits in its queue.
      await until(async () => !(await isSettled()));
      let waiting: string | undefined;
      await until(async () => {
        [waiting] = await redis.keys(`${prefix}:*match-01.category-1:wait`);
        return waiting !== undefined;
      });
      await processes.get('pay')!.end('SIGKILL');
      await asked;
      await start('pay');
      // Longer than until the next look at a payment.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await start('worker');
      // Lists without an entry are no keys.
      const active = waiting!.replace(/wait$/, 'active');
      await until(async () => (await redis.exists(waiting!, active)) === 0, 60_000);
      await until(isSettled, 60_000);
      const { status } = await standing(buyer);
      const { takenMinor } = (await books()).get(buyer.id)!;
      expect([status, takenMinor]).toEqual([status, status === 'REFUNDED' ? 0 : 7_500]);
    },
    TEST_MS_MAX,
  );

  it(
    'what buyers have and what was charged agree, after 20 s of kills or more',
    async () => {
      const buyers: Buyer[] = [];
      const until20 = Date.now() + 20_000;
      let kills = 0;
      // On a busy machine it takes longer until there is enough to compare.
      const isOver = (): boolean =>
        Date.now() >= until20 && kills >= KILLS_MIN && buyers.length >= BUYERS_MIN;
      const shop = async (first: number): Promise<void> => {
        for (let round = 0; !isOver(); round += 1) {
          const buyer = await hold(2 + ((first * 7 + round) % 40), 1 + (round % 3));
          if (!buyer) {
            await new Promise((resolve) => setTimeout(resolve, 200));
            continue;
          }
          buyers.push(buyer);
          await BEHAVIOURS[round % BEHAVIOURS.length]!(buyer);
        }
      };
      const BEHAVIOURS: ((buyer: Buyer) => Promise<unknown>)[] = [
        (buyer) => pay(buyer, CARD),
        async (buyer) => {
          await pay(buyer, DECLINED);
          await pay(buyer, CARD);
        },
        async (buyer) => {
          const asked = await pay(buyer, AUTHENTICATED);
          const next = (asked?.body as unknown as { nextAction?: { url?: string } } | undefined)?.nextAction;
          if (next?.url === undefined) return;
          const body = new URLSearchParams({ result: 'complete' });
          await fetch(next.url, { method: 'POST', body, redirect: 'manual' }).catch(() => null);
        },
        (buyer) => {
          const { id, token } = buyer;
          const cancel = ask('DELETE', 'reservations', `/api/v1/reservations/${id}`, { token });
          return Promise.all([pay(buyer, CARD), cancel]);
        },
        async (buyer) => {
          if ((await pay(buyer, CARD))?.body.status !== 'RESERVED') return;
          const path = `/api/v1/reservations/${buyer.id}/payment`;
          const state = await ask('GET', 'reservations', path, { token: buyer.token });
          const refunds = `/api/v1/payments/${state?.body.id ?? ''}/refunds`;
          const body = { note: 'asked for' };
          await ask('POST', 'payments', refunds, { body, token: operator, key: randomUUID() });
        },
        // Asked once, and never again.
        (buyer) => pay(buyer, CARD, 1),
        ({ id, token }) => ask('DELETE', 'reservations', `/api/v1/reservations/${id}`, { token }),
      ];
      const kill = async (): Promise<void> => {
        while (!isOver()) {
          const group = (['worker', 'web', 'pay'] as const)[kills % 3]!;
          await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 800));
          await processes.get(group)!.end('SIGKILL');
          kills += 1;
          await start(group);
        }
      };
      await Promise.all([kill(), ...Array.from({ length: 8 }, (_, first) => shop(first))]);
      // With all alive again every way is gone once more, so that each end is among those compared.
      for (const behave of BEHAVIOURS) {
        let buyer: Buyer | null = null;
        await until(async () => (buyer = await hold(50)) !== null, 60_000);
        buyers.push(buyer!);
        await behave(buyer!);
      }

      // Everything is settled once every hold and every payment is over.
      await until(async () => {
        const payments: { isSettled: boolean }[] = [];
        for (let after = ''; ;) {
          const path = `/api/v1/payments?limit=100${after && `&after=${after}`}`;
          const { body } = await request('GET', url('payments') + path, { token: operator });
          const page = body as unknown as { payments: { isSettled: boolean }[]; next?: string };
          payments.push(...page.payments);
          if (page.next === undefined) break;
          after = encodeURIComponent(page.next);
        }
        const statuses = await Promise.all(buyers.map(async (buyer) => (await standing(buyer)).status));
        const isOpen = statuses.some((status) => status === 'PENDING' || status === 'PAYING');
        return !isOpen && payments.every(({ isSettled }) => isSettled);
      }, 120_000);
      const taken = await books();
      const ends = new Map<string, number>();
      for (const buyer of buyers) {
        const { status } = await standing(buyer);
        ends.set(status, (ends.get(status) ?? 0) + 1);
        const price = [75, 125, 195][Number(/c(\d)-/.exec(buyer.id)?.[1]) - 1]!;
        const owed = status === 'RESERVED' ? price * 100 : 0;
        const { takenMinor } = taken.get(buyer.id) ?? { takenMinor: 0 };
        expect([buyer.id, status, takenMinor, buyer.told]).toEqual([buyer.id, status, owed, buyer.told]);
        if (buyer.told.includes('200 RESERVED')) {
          expect([buyer.id, buyer.told, ['RESERVED', 'REFUNDED'].includes(status)]).toEqual([
            buyer.id,
            buyer.told,
            true,
          ]);
        }
      }
      expect([...ends.keys()].sort()).toEqual(expect.arrayContaining(['CANCELLED', 'REFUNDED', 'RESERVED']));
    },
    TEST_MS_MAX,
  );
});

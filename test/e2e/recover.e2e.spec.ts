/**
 * Redis is flushed under load, killed with its files deleted under load, and lost with every process: afterwards all
 * that buyers were told RESERVED is there and was paid for once, and counters equal the ledgers and what they were told.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { z } from 'zod';
import type { TicketCounters } from '../../src/actors/ports.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { OwnRedis } from '../helpers/faults.js';
import { until } from '../helpers/engine.js';
import { request, run, scratchDir, type Answer, type Running } from '../helpers/processes.js';

const MAIN = new URL('../../dist/src/run.js', import.meta.url).pathname;
const TEST_MS_MAX = 240_000;
/** How long buyers buy before and after each loss, and how many at once. */
const LOAD_MS = 2_500;
const WIDTH = 12;
const PREFIX = 'recovered';
const CARD = '4242424242424242';
/** Ten matches of the bundled list. */
const TICKETS = Array.from({ length: 10 }, (_, i) =>
  [1, 2, 3].map((category) => ({ matchNumber: i + 1, category })),
).flat();
type Ticket = (typeof TICKETS)[number];
const nameOf = ({ matchNumber, category }: Ticket): string => `${matchNumber}:${category}`;

/** What may have become of a reservation in the end, by what its buyer was told last. */
const BECOMES: Readonly<Record<string, readonly string[]>> = {
  PENDING: ['PENDING', 'lost'],
  RESERVED: ['RESERVED'],
  hold_expired: ['EXPIRED', 'CANCELLED', 'lost'],
  payment_declined: ['CANCELLED'],
  unknown: ['PENDING', 'RESERVED', 'EXPIRED', 'CANCELLED', 'lost'],
};

/** As much of the sandbox's books as is compared. */
const intent = z.object({
  kind: z.literal('payment_intent'),
  amount: z.number(),
  metadata: z.record(z.string(), z.string()),
  charges: z.array(z.object({ failure: z.unknown() })),
  refunds: z.array(z.object({ amount: z.number(), status: z.string() })),
});

interface Told {
  readonly id: string;
  readonly token: string;
  readonly ticket: string;
  readonly quantity: number;
  /** The last that the buyer was told. */
  status: string;
}

describe('a Redis that is lost under load', () => {
  const scratch = scratchDir();
  const server = new OwnRedis();
  const told: Told[] = [];
  const surprises: string[] = [];
  let env: Record<string, string>;
  let worker: Running;
  let web: Running;
  let redis: Redis;

  const startAll = async (): Promise<void> => {
    worker = await run(['worker'], env);
    web = await run(['shop', 'reservations', 'consumer', 'payments'], env);
  };
  beforeAll(async () => {
    await server.start();
    redis = new Redis(server.url);
    redis.on('error', () => undefined);
    // Holds outlive the test: what is PENDING in the end was never ended by the clock.
    env = {
      DATA_DIR: scratch.dir,
      REDIS_URL: server.url,
      REDIS_PREFIX: PREFIX,
      RECONCILE_MS: '500',
      SNAPSHOT_MS: '500',
      HOLD_MS: '3600000',
    };
    await startAll();
  }, TEST_MS_MAX);
  afterAll(async () => {
    await Promise.all([worker, web].map((one) => one.end('SIGKILL')));
    redis.disconnect();
    await server.remove();
    scratch.remove();
  });

  /** Asks with one key until the answer is final. Null when the process was killed and nobody asked again. */
  async function ask(
    path: string,
    options: { body?: unknown; token?: string },
    isOver: () => boolean,
  ): Promise<Answer | null> {
    const key = randomUUID();
    for (let lookedSince = 0; ;) {
      try {
        const answer = await request('POST', `${web.url('reservations')}/api/v1/reservations${path}`, {
          ...options,
          key,
        });
        if (answer.status !== 503 && answer.status !== 429) return answer;
      } catch {
        // It was killed; its successor knows.
        if (isOver()) return null;
      }
      if (isOver() && (lookedSince += 1) > 100) return null;
      await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 300));
    }
  }

  /** What the owner of a reservation reads, asked again while the answer is to come again. */
  async function read(id: string, token: string): Promise<Answer> {
    for (;;) {
      const url = `${web.url('reservations')}/api/v1/reservations/${id}`;
      const answer = await request('GET', url, { token });
      if (answer.status !== 503 && answer.status !== 429) return answer;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  }

  async function buyer(isOver: () => boolean): Promise<void> {
    const ticket = TICKETS[Math.floor(Math.random() * TICKETS.length)]!;
    const quantity = 1 + Math.floor(Math.random() * 2);
    const email = `${randomUUID()}@example.org`;
    const held = await ask('', { body: { ...ticket, quantity, email } }, isOver);
    if (held?.status !== 201) {
      if (held && !['sold_out', 'temporarily_unavailable'].includes(held.body.code))
        surprises.push(`${held.status} ${held.body.code}`);
      return;
    }
    const one: Told = {
      id: held.body.id,
      token: held.body.token,
      ticket: nameOf(ticket),
      quantity,
      status: 'PENDING',
    };
    told.push(one);
    if (Math.random() < 0.2) return;
    const paid = await ask(`/${one.id}/payment`, { body: { paymentMethod: CARD }, token: one.token }, isOver);
    // A loss may end holds, and an attempt that was cut short for too long; nothing else may be said of one.
    const isEnded = paid?.body.code === 'hold_expired' || paid?.body.reason === 'not_completed';
    if (paid && paid.status !== 200 && !isEnded)
      surprises.push(`${paid.status} ${JSON.stringify(paid.body)}`);
    one.status = paid === null ? 'unknown' : paid.status === 200 ? paid.body.status : paid.body.code;
  }

  /** Buyers on some lines until `work` is done, which begins after a while, and a while longer. */
  async function underLoad(work: () => Promise<void>): Promise<void> {
    let over = false;
    const lines = Array.from({ length: WIDTH }, async () => {
      while (!over) await buyer(() => over);
    });
    try {
      await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
      await work();
      await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
    } finally {
      over = true;
      await Promise.all(lines);
    }
  }

  async function recover(...args: string[]): Promise<{ readonly code: number; readonly said: string }> {
    const own = { PATH: process.env['PATH'], ...env };
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, 'recover', ...args], {
        env: own,
      });
      return { code: 0, said: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, said: stdout + stderr };
    }
  }

  async function counters(): Promise<Map<string, TicketCounters>> {
    const found = new Map<string, TicketCounters>();
    for (const ticket of TICKETS) {
      const json = await redis.hget(
        `${PREFIX}:{m${ticket.matchNumber}}:c${ticket.category}:meta`,
        'counters',
      );
      if (json !== null) found.set(nameOf(ticket), JSON.parse(json) as TicketCounters);
    }
    return found;
  }

  /** As the shop shows it to everybody. */
  async function availability(): Promise<Map<string, { available: number; pending: number }>> {
    const { body } = await request('GET', `${web.url('shop')}/api/v1/matches`);
    return new Map(
      body.matches.flatMap(({ matchNumber, availability: of }) =>
        [1, 2, 3].flatMap((category) => {
          const found = of[`category${category}`];
          const { available = Number.NaN, pending = Number.NaN } = found ?? {};
          return [[nameOf({ matchNumber, category }), { available, pending }] as const];
        }),
      ),
    );
  }

  /** From the ledgers and the sandbox's books alone: how the newest event left each reservation, and what was taken. */
  async function durable() {
    const archive = new EmbeddedArchive({ dir: `${scratch.dir}/archive` });
    await archive.start();
    const reservations = new Map<
      string,
      { ticket: string; status: string; quantity: number; unitPrice: number }
    >();
    for (const ticket of TICKETS) {
      for await (const { event } of archive.events(ticket, null)) {
        if (!('reservation' in event)) continue;
        const { id, status, quantity, unitPrice } = event.reservation;
        reservations.set(id, { ticket: nameOf(ticket), status, quantity, unitPrice });
      }
    }
    const taken = new Map<string, { charges: number; minor: number }>();
    let after: string | undefined;
    do {
      const page = await archive.listDocuments('sandbox', 'all', { limit: 100, ...(after && { after }) });
      for (const { value } of page.items) {
        const parsed = intent.safeParse(value);
        if (!parsed.success) continue;
        const { amount, charges, refunds, metadata } = parsed.data;
        const id = metadata['reservationId'] ?? '';
        const paid = charges.filter(({ failure }) => failure === null).length;
        const back = refunds
          .filter(({ status }) => status !== 'failed')
          .reduce((sum, one) => sum + one.amount, 0);
        const before = taken.get(id) ?? { charges: 0, minor: 0 };
        taken.set(id, { charges: before.charges + paid, minor: before.minor + paid * amount - back });
      }
      after = page.next;
    } while (after);
    await archive.stop();
    return { reservations, taken };
  }

  async function expectNothingLost(): Promise<void> {
    const reserved = told.filter(({ status }) => status === 'RESERVED');
    expect(reserved.length).toBeGreaterThan(20);
    expect(surprises).toEqual([]);
    // What is in doubt is settled by who comes next.
    const unsettled = async (): Promise<string[]> => {
      const { reservations, taken } = await durable();
      const all = [...new Set([...reservations.keys(), ...taken.keys()])];
      return all.filter((id) => {
        const { status = 'none', quantity = 0, unitPrice = 0 } = reservations.get(id) ?? {};
        const due = status === 'RESERVED' ? Math.round(quantity * unitPrice * 100) : 0;
        return status === 'PAYING' || (taken.get(id)?.minor ?? 0) !== due;
      });
    };
    await until(async () => (await unsettled()).length === 0, 60_000);
    const { reservations, taken } = await durable();
    const sold = new Map<string, number>();
    const held = new Map<string, number>();
    for (const { ticket, status, quantity } of reservations.values()) {
      const into = status === 'RESERVED' ? sold : status === 'PENDING' ? held : null;
      into?.set(ticket, (into.get(ticket) ?? 0) + quantity);
    }
    for (const { id, quantity } of reserved) {
      expect([id, reservations.get(id)?.status, reservations.get(id)?.quantity]).toEqual([
        id,
        'RESERVED',
        quantity,
      ]);
      expect([id, taken.get(id)?.charges]).toEqual([id, 1]);
    }
    // Every buyer asks again, and is told what the ledger says; a hold that was not archived in time is lost.
    const heldOf = new Map<string, number>();
    for (const { id, token, ticket, quantity, status } of told) {
      const answer = await read(id, token);
      const now = answer.status === 200 ? answer.body.status : 'lost';
      expect([id, now]).toEqual([id, reservations.get(id)?.status ?? 'lost']);
      const may = BECOMES[status] ?? [];
      expect([id, status, may.includes(now) ? 'as it may' : now]).toEqual([id, status, 'as it may']);
      if (now === 'PENDING') heldOf.set(ticket, (heldOf.get(ticket) ?? 0) + quantity);
    }
    // Nobody else has anything, but for who was never given an answer.
    const known = new Set(
      told.filter(({ status }) => status === 'RESERVED' || status === 'unknown').map(({ id }) => id),
    );
    const strangers = [...reservations].filter(([id, { status }]) => status === 'RESERVED' && !known.has(id));
    expect(strangers).toEqual([]);
    // Whoever was given no answer to a hold may have one.
    const ids = new Set(told.map(({ id }) => id));
    for (const [id, { ticket, status, quantity }] of reservations) {
      if (status === 'PENDING' && !ids.has(id)) heldOf.set(ticket, (heldOf.get(ticket) ?? 0) + quantity);
    }
    // Counters equal the ledgers, and the shop shows them.
    const found = await counters();
    const shown = await availability();
    for (const ticket of TICKETS.map(nameOf)) {
      const { soldHere, heldHere, capacity, available, pending } = found.get(ticket)!;
      expect([ticket, soldHere, heldHere]).toEqual([ticket, sold.get(ticket) ?? 0, held.get(ticket) ?? 0]);
      expect([ticket, available, pending]).toEqual([
        ticket,
        capacity - soldHere,
        capacity - soldHere - heldHere,
      ]);
      expect(pending).toBeGreaterThanOrEqual(0);
      expect([ticket, shown.get(ticket)]).toEqual([ticket, { available, pending }]);
      // ... and what buyers were told.
      expect([ticket, heldHere]).toEqual([ticket, heldOf.get(ticket) ?? 0]);
      const saidSold = reserved
        .filter((one) => one.ticket === ticket)
        .reduce((sum, one) => sum + one.quantity, 0);
      const unknown = told
        .filter((one) => one.ticket === ticket && one.status === 'unknown')
        .reduce((sum, one) => sum + one.quantity, 0);
      expect(soldHere).toBeGreaterThanOrEqual(saidSold);
      expect(soldHere).toBeLessThanOrEqual(saidSold + unknown);
    }
  }

  const RECOVERED = 'tickets in Redis equal the fold of their ledgers';

  it(
    'flushed, twice, while workers live: recovered beside them',
    async () => {
      await underLoad(async () => {
        await redis.flushall();
        await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
        await redis.flushall();
        expect(await recover()).toMatchObject({ code: 0, said: expect.stringContaining(RECOVERED) });
      });
      expect(await recover('--check')).toMatchObject({ code: 0 });
      await expectNothingLost();
    },
    TEST_MS_MAX,
  );

  it(
    'killed, and its files deleted, while workers live',
    async () => {
      await underLoad(async () => {
        await server.remove();
        await server.start();
        expect(await recover()).toMatchObject({ code: 0, said: expect.stringContaining(RECOVERED) });
      });
      expect(await recover('--check')).toMatchObject({ code: 0 });
      await expectNothingLost();
    },
    TEST_MS_MAX,
  );

  it(
    'lost together with every process: recovered before anybody starts',
    async () => {
      await underLoad(async () => {
        await Promise.all([worker.end('SIGKILL'), web.end('SIGKILL')]);
        await server.remove();
        await server.start();
        expect(await recover('--check')).toMatchObject({ code: 1 });
        expect(await recover()).toMatchObject({ code: 0, said: expect.stringContaining(RECOVERED) });
        // The whole of it is there before anybody is asked.
        const found = await counters();
        expect(found.size).toBe(TICKETS.length);
        await startAll();
      });
      await expectNothingLost();
    },
    TEST_MS_MAX,
  );
});

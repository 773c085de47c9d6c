/** How the marketplace stands right now: every ticket, and what works on it. Read from where it is, nothing is kept. */
import { z } from 'zod';
import type { Clock, Pulse, TicketCounters } from '../actors/ports.js';
import { defineRoute, type Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import { forOperators, iso, type OperatorRoutesOptions } from './operators.js';

export interface SystemRoutesOptions extends OperatorRoutesOptions {
  readonly tickets: () => readonly TicketId[];
  readonly store: {
    counters(tickets: readonly TicketId[]): Promise<readonly TicketCounters[]>;
    pulse(tickets: readonly TicketId[]): Promise<readonly Pulse[]>;
    holders(
      tickets: readonly TicketId[],
    ): Promise<readonly { readonly owner: string | null; readonly outbox: number }[]>;
  };
  /** Ids of those that live. */
  readonly workers: () => Promise<readonly string[]>;
  readonly consumers: () => Promise<readonly ConsumerView[]>;
  readonly deadLettersOpen: () => Promise<number>;
  /** At most `SHOWN_MAX` of each. */
  readonly mailsDue: (
    limit: number,
  ) => Promise<readonly { readonly value: { readonly createdAt: number } }[]>;
  readonly paymentsUnsettled: (limit: number) => Promise<number>;
  readonly paymentsStuck: () => Promise<number>;
  readonly clock: Clock;
  readonly waitMs: number;
}

export interface ConsumerView {
  readonly id: string;
  readonly at: number;
  readonly lag: readonly { readonly source: string; readonly records: number }[];
  readonly waiting: number;
}

const SHOWN_MAX = 100;

export function systemRoutes(options: SystemRoutesOptions): Route[] {
  return [ticketsRoute(options), systemRoute(options)];
}

const count = z.number().int();

const ticketSchema = z
  .object({
    matchNumber: count,
    category: count,
    capacity: count,
    available: count.meta({ description: 'True, and below 0 where too much was sold.' }),
    pending: count.meta({ description: 'True, and below 0 where too much is held or sold.' }),
    price: z.number(),
    currency: z.string(),
    closed: z.boolean(),
    paused: z.boolean(),
    cancelled: z.boolean(),
    soldHere: count,
    soldElsewhere: count,
    heldHere: count,
    heldElsewhere: count,
    oversubscribed: count.meta({ description: 'By how much pending is below 0.' }),
    owner: z.string().nullable().meta({ description: 'The worker that has it; null: nobody needs to.' }),
    waiting: count.meta({ description: 'Jobs in its queue.' }),
    active: count,
    outbox: count.meta({ description: 'Events that are not archived and published yet.' }),
  })
  .meta({ id: 'Ticket standing' });

function ticketsRoute(options: SystemRoutesOptions): Route {
  const { clock, waitMs } = options;
  return defineRoute({
    method: 'get',
    path: '/api/v1/operations/tickets',
    summary: 'Every ticket as it stands',
    ...forOperators(options),
    responses: {
      200: {
        description: 'By match and category',
        schema: z.object({ at: z.iso.datetime(), tickets: z.array(ticketSchema) }),
      },
    },
    handle: async () => {
      const tickets = await bounded(clock, waitMs, 'tickets', standings(options));
      return { status: 200, body: { at: iso(clock.now()), tickets } };
    },
  });
}

async function standings({ tickets, store }: SystemRoutesOptions): Promise<z.output<typeof ticketSchema>[]> {
  const all = tickets();
  const [counters, pulses, holders] = await Promise.all([
    store.counters(all),
    store.pulse(all),
    store.holders(all),
  ]);
  const known = new Map(counters.map((one) => [ticketName(one), one]));
  return all.flatMap((ticket, i) => {
    const standing = known.get(ticketName(ticket));
    if (!standing) return [];
    const { incarnation: _incarnation, version: _version, pauseRevision: _revision, ...shown } = standing;
    const { waiting = 0, active = 0 } = pulses[i] ?? {};
    const { owner = null, outbox = 0 } = holders[i] ?? {};
    return [
      {
        ...shown,
        paused: shown.paused ?? false,
        cancelled: shown.cancelled ?? false,
        oversubscribed: Math.max(0, -shown.pending),
        owner,
        waiting,
        active,
        outbox,
      },
    ];
  });
}

const systemSchema = z
  .object({
    at: z.iso.datetime(),
    workers: z.array(z.object({ id: z.string(), tickets: count })),
    consumers: z.array(
      z.object({
        id: z.string(),
        at: z.iso.datetime(),
        lag: z.array(z.object({ source: z.string(), records: count })),
        waiting: count.meta({ description: 'Messages that wait for the master-list entry of their ticket.' }),
      }),
    ),
    deadLetters: z.object({ open: count }),
    mails: z.object({
      due: count.meta({ description: `${SHOWN_MAX}: or more.` }),
      oldestSeconds: z.number(),
    }),
    payments: z.object({
      due: count.meta({ description: `Not settled; ${SHOWN_MAX}: or more.` }),
      stuck: count.meta({ description: 'Of those: the provider refuses to give money back.' }),
    }),
    queues: z.object({ waiting: count, active: count }),
    outbox: z.object({ entries: count }),
  })
  .meta({ id: 'System' });

function systemRoute(options: SystemRoutesOptions): Route {
  const { clock, waitMs } = options;
  return defineRoute({
    method: 'get',
    path: '/api/v1/operations/system',
    summary: 'Workers, consumers, queues and what is due',
    ...forOperators(options),
    responses: { 200: { description: 'Now', schema: systemSchema } },
    handle: async () => {
      const [tickets, workers, consumers, open, mails, due, stuck] = await bounded(
        clock,
        waitMs,
        'a part of the marketplace',
        Promise.all([
          standings(options),
          options.workers(),
          options.consumers(),
          options.deadLettersOpen(),
          options.mailsDue(SHOWN_MAX),
          options.paymentsUnsettled(SHOWN_MAX),
          options.paymentsStuck(),
        ]),
      );
      const now = clock.now();
      const sum = (of: 'waiting' | 'active' | 'outbox'): number =>
        tickets.reduce((total, ticket) => total + ticket[of], 0);
      const oldest = Math.min(now, ...mails.map(({ value }) => value.createdAt));
      const body: z.output<typeof systemSchema> = {
        at: iso(now),
        workers: workers.map((id) => ({ id, tickets: tickets.filter(({ owner }) => owner === id).length })),
        consumers: consumers.map(({ at, lag, ...consumer }) => ({ ...consumer, at: iso(at), lag: [...lag] })),
        deadLetters: { open },
        mails: { due: mails.length, oldestSeconds: Math.round((now - oldest) / 1_000) },
        payments: { due, stuck },
        queues: { waiting: sum('waiting'), active: sum('active') },
        outbox: { entries: sum('outbox') },
      };
      return { status: 200, body };
    },
  });
}

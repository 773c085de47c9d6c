/**
 * What other marketplaces left open: cancellations that nothing explains, and holds without an end. Guarantee: what
 * an operator decides takes effect once, on the state that the operator saw.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Clock, CommandBody, CommandResult } from '../actors/ports.js';
import { CATEGORIES, MATCH_NUMBER_MAX } from '../catalog/match.js';
import { defineRoute, type Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import type { CommandGateway } from '../http/ports.js';
import {
  isRefusal,
  notFound,
  outcomeUnknown,
  refusalProblem,
  unansweredProblem,
  type Problem,
} from '../http/problem.js';
import { each } from '../process/each.js';
import { remoteKey, type Orphan, type RemoteTally, type TicketId } from '../rules/index.js';
import { audited, forOperators, iso, noteSchema, type OperatorRoutesOptions } from './operators.js';

export interface MarketOptions {
  readonly tickets: () => readonly TicketId[];
  readonly read: (ticket: TicketId) => Promise<{
    readonly orphans: ReadonlyMap<string, Orphan>;
    readonly remote: ReadonlyMap<string, RemoteTally>;
  }>;
}

export interface OpenOrphan extends Orphan, TicketId {
  readonly id: string;
  /** Sales of that peer which a refund could give back. */
  readonly soldByPeer: number;
}

export interface RemoteHold extends TicketId {
  readonly clientId: string;
  readonly reservationId?: string;
  readonly held: number;
  /** Record time of its newest PENDING, epoch milliseconds. */
  readonly heldSince: number;
}

const AT_ONCE = 16;

/** Reads what is open; for the routes and the metrics. */
export class Market {
  readonly #options: MarketOptions;

  constructor(options: MarketOptions) {
    this.#options = options;
  }

  /** The oldest first. */
  async open(): Promise<{ readonly orphans: readonly OpenOrphan[]; readonly holds: readonly RemoteHold[] }> {
    const { tickets, read } = this.#options;
    const orphans: OpenOrphan[] = [];
    const holds: RemoteHold[] = [];
    await each(tickets(), AT_ONCE, async (ticket) => {
      const found = await read(ticket);
      for (const [id, orphan] of found.orphans) {
        const soldByPeer = found.remote.get(remoteKey(orphan.clientId, undefined))?.sold ?? 0;
        orphans.push({ ...ticket, ...orphan, id, soldByPeer });
      }
      for (const [key, { held, heldSince }] of found.remote) {
        if (held > 0) holds.push({ ...ticket, ...peerOf(key), held, heldSince });
      }
    });
    orphans.sort((a, b) => a.recordedAt - b.recordedAt);
    holds.sort((a, b) => a.heldSince - b.heldSince);
    return { orphans, holds };
  }
}

/** Undoes `remoteKey`. */
export function peerOf(key: string): { readonly clientId: string; readonly reservationId?: string } {
  const slash = key.indexOf('/');
  const peer = (slash < 0 ? key : key.slice(0, slash)).replaceAll('%2F', '/').replaceAll('%25', '%');
  return { clientId: peer, ...(slash >= 0 && { reservationId: key.slice(slash + 1) }) };
}

export interface MarketRoutesOptions extends OperatorRoutesOptions {
  readonly market: Market;
  readonly gateway: CommandGateway;
  readonly knows: (ticket: TicketId) => boolean;
  /** A hold of a peer that is older is flagged. */
  readonly flaggedAfterMs: number;
  readonly clock: Clock;
  readonly waitMs: number;
}

export function marketRoutes(options: MarketRoutesOptions): Route[] {
  return [orphansRoute(options), decideRoute(options), holdsRoute(options), releaseRoute(options)];
}

const LISTED_MAX = 1_000;
const ticketSchema = z.object({
  matchNumber: z.number().int().min(1).max(MATCH_NUMBER_MAX),
  category: z.union(CATEGORIES.map((category) => z.literal(category))),
});
const ID_CHARS_MAX = 600;
const PEER_CHARS_MAX = 200;

function orphansRoute(options: MarketRoutesOptions): Route {
  const { market, clock, waitMs } = options;
  const schema = z.object({
    orphans: z.array(
      ticketSchema.extend({
        id: z.string(),
        clientId: z.string(),
        kind: z.enum(['orphan', 'suspected_refund']),
        quantity: z.number().int(),
        recordedAt: z.iso.datetime(),
        soldByPeer: z.number().int(),
      }),
    ),
    more: z.boolean().meta({ description: `There are more than the ${LISTED_MAX} oldest.` }),
  });
  return defineRoute({
    method: 'get',
    path: '/api/v1/operations/orphans',
    summary: 'Cancellations of other marketplaces that nothing explains',
    ...forOperators(options),
    responses: { 200: { description: 'The oldest first', schema } },
    handle: async () => {
      const { orphans } = await bounded(clock, waitMs, 'tickets', market.open());
      const listed = orphans
        .slice(0, LISTED_MAX)
        .map((orphan) => ({ ...orphan, recordedAt: iso(orphan.recordedAt) }));
      return { status: 200, body: { orphans: listed, more: orphans.length > LISTED_MAX } };
    },
  });
}

const decidedSchema = z.object({
  result: z.enum(['applied', 'unchanged']).meta({ description: '`unchanged`: it was decided before.' }),
  givenBack: z.number().int(),
});

function decideRoute(options: MarketRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/operations/orphans/decisions',
    summary: 'Decide what a cancellation meant',
    description:
      '`give_back`: it was a refund, so as many tickets of that marketplace are available again, at most what it has sold. `dismiss`: it meant nothing here.',
    ...forOperators(options, 'not_found', 'invalid_state'),
    body: ticketSchema
      .extend({
        id: z.string().min(1).max(ID_CHARS_MAX),
        decision: z.enum(['give_back', 'dismiss']),
        note: noteSchema,
      })
      .meta({ id: 'Orphan decision' }),
    responses: { 200: { description: 'It stands', schema: decidedSchema } },
    handle: async ({ body, ...asked }) => {
      const { matchNumber, category, id, decision, note } = body;
      const ticket = { matchNumber, category };
      if (!options.knows(ticket)) return notFound('This ticket');
      await audited(options, asked, {
        action: 'orphan.decided',
        subject: `ticket:${matchNumber}:${category}`,
        details: { orphan: id.slice(0, PEER_CHARS_MAX), decision, note },
      });
      const result = await told(
        options,
        ticket,
        { type: 'decideOrphan', orphanId: id, decision },
        asked.requestId,
      );
      if ('status' in result) return result;
      const givenBack = result.kind === 'orphan_decided' ? result.givenBack : 0;
      const isNew = result.kind === 'orphan_decided';
      return { status: 200, body: { result: isNew ? 'applied' : 'unchanged', givenBack } };
    },
  });
}

function holdsRoute(options: MarketRoutesOptions): Route {
  const { market, flaggedAfterMs, clock, waitMs } = options;
  const schema = z.object({
    flaggedAfterMs: z.number().int().meta({ description: 'A hold that is older should have ended.' }),
    holds: z.array(
      ticketSchema.extend({
        clientId: z.string(),
        reservationId: z.string().optional(),
        held: z.number().int(),
        heldSince: z.iso.datetime(),
        isFlagged: z.boolean(),
      }),
    ),
    more: z.boolean(),
  });
  return defineRoute({
    method: 'get',
    path: '/api/v1/operations/remote-holds',
    summary: 'What other marketplaces hold',
    ...forOperators(options),
    responses: { 200: { description: 'The oldest first', schema } },
    handle: async () => {
      const { holds } = await bounded(clock, waitMs, 'tickets', market.open());
      const flaggedBefore = clock.now() - flaggedAfterMs;
      const listed = holds.slice(0, LISTED_MAX).map((hold) => ({
        ...hold,
        heldSince: iso(hold.heldSince),
        isFlagged: hold.heldSince < flaggedBefore,
      }));
      return { status: 200, body: { flaggedAfterMs, holds: listed, more: holds.length > LISTED_MAX } };
    },
  });
}

function releaseRoute(options: MarketRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/operations/remote-holds/releases',
    summary: 'End what another marketplace holds',
    description:
      'For holds whose marketplace never said what became of them. Should it sell them after all, that counts; the tickets may be sold twice then.',
    ...forOperators(options, 'not_found'),
    body: ticketSchema
      .extend({
        clientId: z.string().min(1).max(PEER_CHARS_MAX),
        reservationId: z.string().min(1).max(PEER_CHARS_MAX).optional(),
        heldSince: z.iso
          .datetime()
          .meta({ description: 'As listed: a hold that was renewed since is another.' }),
        note: noteSchema,
      })
      .meta({ id: 'Remote release' }),
    responses: {
      200: {
        description: 'It stands',
        schema: z.object({ result: z.enum(['applied', 'unchanged']), released: z.number().int() }),
      },
    },
    handle: async ({ body, ...asked }) => {
      const { matchNumber, category, clientId, reservationId, heldSince, note } = body;
      const ticket = { matchNumber, category };
      if (!options.knows(ticket)) return notFound('This ticket');
      await audited(options, asked, {
        action: 'remote_hold.released',
        subject: `ticket:${matchNumber}:${category}`,
        details: { clientId, ...(reservationId !== undefined && { reservationId }), note },
      });
      const command: CommandBody = {
        type: 'releaseRemote',
        clientId,
        ...(reservationId !== undefined && { reservationId }),
        heldSince: Date.parse(heldSince),
      };
      const result = await told(options, ticket, command, asked.requestId);
      if ('status' in result) return result;
      const released = result.kind === 'remote_released' ? result.quantity : 0;
      return { status: 200, body: { result: released > 0 ? 'applied' : 'unchanged', released } };
    },
  });
}

const KEEP_MS = 60_000;

/** What the state itself makes safe to repeat: each request is a command of its own. */
async function told(
  { gateway }: MarketRoutesOptions,
  ticket: TicketId,
  body: CommandBody,
  requestId: string,
): Promise<CommandResult | Problem> {
  const answer = await gateway.submit({
    ticket,
    id: `operator/${randomUUID()}`,
    body,
    keepMs: KEEP_MS,
    requestId,
  });
  if (answer.kind !== 'answered') return unansweredProblem(answer, { keyed: false });
  if (answer.result.kind === 'failed') return outcomeUnknown({ keyed: false });
  return isRefusal(answer.result) ? refusalProblem(answer.result) : answer.result;
}

/**
 * Check-in over HTTP. Thin: check-in.ts decides, this asks who is asking and maps what it answers.
 *
 * Guarantees: stewards and operators only, asked before the body is read; each scan is answered by what it is, never
 * by a problem, so that a gate goes on; whoever takes a list of all tickets, or says that a conflict was looked into, is
 * in the audit first.
 */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { Match } from '../catalog/match.js';
import { MATCH_NUMBER_MAX } from '../catalog/match.js';
import { defineRoute, type Route, type RouteInput } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { Problem, RETRY_AFTER_MS, UnavailableError, notFound, validationFailed } from '../http/problem.js';
import type { Audit } from '../security/port.js';
import { notLoggedIn } from '../users/operators.js';
import type { Principal } from '../users/principal.js';
import type { CheckInDesk, Scan, ScanResult, SyncResult } from './check-in.js';
import type { CheckInLists } from './check-in-list.js';
import { REFUSALS, type Conflict, type ConflictRecords, type Entry } from './check-in-records.js';
import { CODE_CHARS_MAX } from './codes.js';

export interface CheckInRoutesOptions {
  readonly desk: CheckInDesk;
  readonly lists: CheckInLists;
  readonly conflicts: ConflictRecords;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly waitMs: number;
  readonly matches: () => Promise<readonly Match[]>;
  readonly isCancelled: (matchNumber: number) => Promise<boolean>;
  /** Null for stewards, and for operators who may act as one. */
  readonly requireSteward: (principal: Principal | null) => Problem | null;
}

export function checkInRoutes(options: CheckInRoutesOptions): Route[] {
  return [
    matchesRoute(options),
    listRoute(options),
    scanRoute(options),
    syncRoute(options),
    conflictsRoute(options),
    resolveRoute(options),
    countsRoute(options),
  ];
}

type Asking = Pick<RouteInput<unknown, unknown, unknown, unknown>, 'principal'>;

const FOR_STEWARDS = ['unauthorized', 'forbidden', 'second_factor_required', 'overloaded'] as const;

/** Of every route here. */
const facts = ({ requireSteward }: CheckInRoutesOptions) => ({
  tag: 'check-in',
  routeClass: 'check-in' as const,
  security: ['accessToken'] as const,
  authorize: ({ principal }: Asking): Problem | null => requireSteward(principal),
});

/** A stadium's list takes longer than other answers: less than the client role waits for one. */
const LIST_WAIT_MS = 25_000;
/** Scans a device may send at once. */
export const SYNC_SCANS_MAX = 100;
const NAME_CHARS_MAX = 60;
const PAGE_MAX = 100;
const CURSOR_CHARS_MAX = 500;
const CONFLICT_ID = /^[\w-]{1,100}$/;
const NOTE_CHARS_MAX = 500;
/** Ends of lines, and nothing else that would change how the text around it reads. */
const resolutionNoteSchema = z
  .string()
  .max(NOTE_CHARS_MAX)
  .trim()
  .min(1)
  .regex(/^(?:\n|[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}])*$/u, 'no control characters')
  .meta({ description: 'What was found. Also in the audit.' });

const matchNumberSchema = z.number().int().min(1).max(MATCH_NUMBER_MAX);
const matchParams = z.object({ matchNumber: z.coerce.number().pipe(matchNumberSchema) });

/** What people call a gate or a device; nothing that would change how the text around it reads. */
const nameSchema = z
  .string()
  .max(NAME_CHARS_MAX)
  .trim()
  .min(1)
  .regex(/^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}<>]*$/u, 'no control characters, < or >');

const scanFields = {
  scanId: z.uuid().meta({
    description: 'Made by the device, once for each time a code is shown. Sent again it is the same scan.',
  }),
  code: z.string().min(1).max(CODE_CHARS_MAX),
  matchNumber: matchNumberSchema.meta({ description: 'The match that the gate lets people in to.' }),
  scannedAt: z.iso.datetime({ offset: true }).meta({ description: "By the device's clock." }),
};
const placeFields = { gate: nameSchema, device: nameSchema };

const ticketSchema = z
  .object({
    id: z.string(),
    matchNumber: z.number().int(),
    category: z.number().int(),
    number: z.number().int(),
  })
  .meta({ id: 'ScannedTicket' });
const entrySchema = z
  .object({ at: z.iso.datetime(), gate: z.string(), device: z.string() })
  .meta({ id: 'Entry', description: 'When and where somebody was let in.' });
const reasonSchema = z.enum(REFUSALS).meta({
  description:
    '`forged`: none of ours. `void`: refunded. `refunding`: a refund was ordered and is not known to be done. `replaced`: it was transferred, and has a new code. `other_match`, `cancelled`: not of this match; the match is cancelled.',
});

const matchJson = z.object({
  matchNumber: z.number().int(),
  homeTeam: z.string(),
  awayTeam: z.string(),
  dateUtc: z.string(),
  location: z.string(),
  state: z.literal('cancelled').optional(),
});

function matchesRoute(options: CheckInRoutesOptions): Route {
  const { clock, waitMs, matches, isCancelled } = options;
  return defineRoute({
    ...facts(options),
    method: 'get',
    path: '/api/v1/check-ins/matches',
    summary: 'Matches people can be checked in to',
    responses: {
      200: { description: 'By number', schema: z.object({ matches: z.array(matchJson) }) },
    },
    problems: FOR_STEWARDS,
    handle: async () => {
      const all = await bounded(clock, waitMs, 'catalog', matches());
      const cancelled = await bounded(
        clock,
        waitMs,
        'matches',
        Promise.all(all.map(({ matchNumber }) => isCancelled(matchNumber))),
      );
      const shown = all.map(({ matchNumber, homeTeam, awayTeam, dateUtc, location }, index) => ({
        ...{ matchNumber, homeTeam, awayTeam, dateUtc, location },
        ...(cancelled[index] === true && { state: 'cancelled' as const }),
      }));
      return { status: 200, body: { matches: shown.sort((a, b) => a.matchNumber - b.matchNumber) } };
    },
  });
}

/** Null where there is no such match. */
async function matchOf(
  { clock, waitMs, matches }: CheckInRoutesOptions,
  matchNumber: number,
): Promise<Match | null> {
  const all = await bounded(clock, waitMs, 'catalog', matches());
  return all.find((one) => one.matchNumber === matchNumber) ?? null;
}

const noSuchMatch = (): Problem => notFound('This match');

function listRoute(options: CheckInRoutesOptions): Route {
  const { clock, lists, audit } = options;
  return defineRoute({
    ...facts(options),
    method: 'get',
    path: '/api/v1/check-ins/lists/{matchNumber}',
    summary: 'Every ticket of a match, signed, for a gate without a network',
    description:
      'A compact JWS (RFC 7515; EdDSA, RFC 8037) under a key of `GET /api/v1/tickets/keys`, with `typ` `ticktak-check-in-list`. Its payload is `{ v: 1, matchNumber, issuedAt, expiresAt, admissions: [[ticketId, category, generation, state, usedAt]] }`: times in epoch seconds, `state` `valid`, `used` or `void`, `usedAt` null where nobody was let in. A code admits when its ticket is on the list as valid with its generation. The list ends after 24 hours; what is not on it was not sold, or was refunded whole.',
    params: matchParams,
    responses: {
      200: { description: 'The list', schema: z.object({ list: z.string() }).meta({ id: 'CheckInList' }) },
    },
    problems: FOR_STEWARDS,
    handle: async ({ params: { matchNumber }, principal, address, requestId, request }) => {
      if (!principal) return notLoggedIn();
      if (!(await matchOf(options, matchNumber))) return noSuchMatch();
      await audit.record({
        actor: `account:${principal.accountId}`,
        action: 'check_in.list_downloaded',
        subject: `match:${matchNumber}`,
        address,
        requestId,
      });
      const { plain, gzipped } = await bounded(clock, LIST_WAIT_MS, 'tickets', lists.of(matchNumber));
      const type = 'application/json; charset=utf-8';
      const vary = { Vary: 'Accept-Encoding' };
      return request.acceptsEncodings('gzip') === 'gzip'
        ? { status: 200, text: { type, content: gzipped }, headers: { ...vary, 'Content-Encoding': 'gzip' } }
        : { status: 200, text: { type, content: plain }, headers: vary };
    },
  });
}

function scanRoute(options: CheckInRoutesOptions): Route {
  const { desk, clock, waitMs } = options;
  return defineRoute({
    ...facts(options),
    method: 'post',
    path: '/api/v1/check-ins',
    summary: 'Let somebody in with a code',
    description:
      'Once for each ticket: `repeated` says where and when somebody was let in with it before. Sent again with the same `scanId`, it answers the same.',
    body: z.object({ ...scanFields, ...placeFields }).meta({ id: 'Scan' }),
    responses: {
      200: {
        description: 'Whether they may come in, and why not',
        schema: z.object({
          result: z.enum(['admitted', 'repeated', 'refused']),
          reason: reasonSchema.optional(),
          ticket: ticketSchema.optional(),
          first: entrySchema.optional(),
        }),
      },
    },
    problems: FOR_STEWARDS,
    handle: async ({ body: { gate, device, ...sent }, principal }) => {
      if (!principal) return notLoggedIn();
      const scan = scanOf(sent);
      const refusal = desk.timeRefusal(scan);
      if (refusal !== null) return validationFailed([{ path: 'scannedAt', message: refusal }]);
      const scanned = desk.scan(scan, { gate, device }, principal.accountId);
      const result = await taken(bounded(clock, waitMs, 'archive', scanned));
      return result instanceof Problem ? result : { status: 200, body: resultJson(result) };
    },
  });
}

function syncRoute(options: CheckInRoutesOptions): Route {
  const { desk, clock, waitMs } = options;
  return defineRoute({
    ...facts(options),
    method: 'post',
    path: '/api/v1/check-ins/sync',
    summary: 'Tell who was let in without a network',
    description:
      'Each is taken as it was: `admitted` counts from its own time; `conflict` where somebody else was let in with the same ticket; `refused` where it admits nobody. The last two are kept for `GET /api/v1/check-ins/conflicts`. May be sent again as often as need be. A time that cannot be right, more than 7 days ago or 5 minutes ahead, becomes the nearest that can.',
    body: z
      .object({
        ...placeFields,
        scans: z.array(z.object(scanFields)).min(1).max(SYNC_SCANS_MAX),
      })
      .meta({ id: 'OfflineScans' }),
    responses: {
      200: {
        description: 'In the order of the scans',
        schema: z.object({
          results: z.array(
            z.object({
              scanId: z.string(),
              result: z.enum(['admitted', 'conflict', 'refused']),
              reason: reasonSchema.optional(),
              ticket: ticketSchema.optional(),
              first: entrySchema.optional(),
            }),
          ),
        }),
      },
    },
    problems: FOR_STEWARDS,
    handle: async ({ body: { gate, device, scans }, principal }) => {
      if (!principal) return notLoggedIn();
      const synced = desk.sync(scans.map(scanOf), { gate, device }, principal.accountId);
      const results = await taken(bounded(clock, waitMs, 'archive', synced));
      if (results instanceof Problem) return results;
      const shown = results.map((result) => ({ scanId: result.scanId, ...resultJson(result) }));
      return { status: 200, body: { results: shown } };
    },
  });
}

function scanOf({ scannedAt, ...rest }: Omit<Scan, 'scannedAt'> & { readonly scannedAt: string }): Scan {
  return { ...rest, scannedAt: Date.parse(scannedAt) };
}

/** What was not answered in time may have been done: the device sends the same scans again, and learns. */
async function taken<T>(work: Promise<T>): Promise<T | Problem> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    return new Problem('overloaded', {
      retryAfterMs: RETRY_AFTER_MS,
      detail: 'Whether they were let in is not known; send the same scan again, with the same scanId.',
      members: { outcome: 'unknown' },
    });
  }
}

function resultJson(result: ScanResult | SyncResult): Readonly<Record<string, unknown>> {
  const { kind, ticket } = result;
  return {
    result: kind,
    ...(kind === 'refused' && { reason: result.reason }),
    ...(ticket && { ticket }),
    ...((kind === 'repeated' || kind === 'conflict') && { first: entryJson(result.first) }),
  };
}

/** Not which account: gates know each other by their names. */
function entryJson({ at, gate, device }: Entry): z.output<typeof entrySchema> {
  return { at: new Date(at).toISOString(), gate, device };
}

const conflictSchema = z
  .object({
    id: z.string(),
    ticketId: z.string().meta({ description: 'What the code says; `unknown` when it says nothing.' }),
    matchNumber: z.number().int(),
    kind: z.enum(['twice', 'let_in_refused']),
    reason: reasonSchema.optional(),
    first: entrySchema.optional().meta({ description: 'What was on record.' }),
    second: entrySchema.meta({ description: 'What a device told later; it may have been earlier.' }),
    noticedAt: z.iso.datetime(),
    resolved: z
      .object({ at: z.iso.datetime(), by: z.string(), note: z.string() })
      .optional()
      .meta({ description: 'Once somebody looked into it; `by` is the account.' }),
  })
  .meta({ id: 'CheckInConflict' });

function conflictJson(one: Conflict & { readonly id: string }): z.output<typeof conflictSchema> {
  const { id, ticketId, matchNumber, kind, reason, first, second, noticedAt, resolved } = one;
  return {
    id,
    ticketId,
    matchNumber,
    kind,
    ...(reason !== undefined && { reason }),
    ...(first && { first: entryJson(first) }),
    second: entryJson(second),
    noticedAt: new Date(noticedAt).toISOString(),
    ...(resolved && { resolved: { ...resolved, at: new Date(resolved.at).toISOString() } }),
  };
}

function conflictsRoute(options: CheckInRoutesOptions): Route {
  const { conflicts, clock, waitMs } = options;
  return defineRoute({
    ...facts(options),
    method: 'get',
    path: '/api/v1/check-ins/conflicts',
    summary: 'Who was let in without a network and should not have been',
    description: 'Newest first; `next` is there while there are more.',
    query: z.object({
      matchNumber: z.coerce.number().pipe(matchNumberSchema).optional(),
      limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(50),
      after: z.string().max(CURSOR_CHARS_MAX).optional(),
    }),
    responses: {
      200: {
        description: 'A page; pass `next` as `after`',
        schema: z.object({ conflicts: z.array(conflictSchema), next: z.string().optional() }),
      },
    },
    problems: FOR_STEWARDS,
    handle: async ({ query: { matchNumber, limit, after } }) => {
      const page = { limit, ...(after !== undefined && { after }) };
      const listed = conflicts.list(matchNumber, page);
      const { items, next } = await bounded(clock, waitMs, 'archive', listed);
      const shown = items.map(conflictJson);
      return { status: 200, body: { conflicts: shown, ...(next !== undefined && { next }) } };
    },
  });
}

function resolveRoute(options: CheckInRoutesOptions): Route {
  const { conflicts, audit, clock, waitMs } = options;
  return defineRoute({
    ...facts(options),
    method: 'post',
    path: '/api/v1/check-ins/conflicts/{id}/resolution',
    summary: 'Say that a conflict was looked into',
    description:
      'With a note of what was found. It changes nothing of who was let in. What was said first stays: a later request is answered with that.',
    params: z.object({ id: z.string().regex(CONFLICT_ID) }),
    body: z.object({ note: resolutionNoteSchema }).meta({ id: 'Resolution' }),
    responses: { 200: { description: 'As it stands', schema: conflictSchema } },
    problems: [...FOR_STEWARDS, 'not_found'],
    handle: async ({ params: { id }, body: { note }, principal, address, requestId }) => {
      if (!principal) return notLoggedIn();
      const found = await bounded(clock, waitMs, 'archive', conflicts.find(id));
      if (!found) return notFound('This conflict');
      if (found.resolved) return { status: 200, body: conflictJson({ ...found, id }) };
      const by = principal.accountId;
      await audit.record({
        actor: `account:${by}`,
        action: 'check_in.conflict_resolved',
        subject: `match:${found.matchNumber}`,
        address,
        requestId,
        details: { conflict: id, ticket: found.ticketId, note },
      });
      const resolving = conflicts.resolve(id, { at: clock.now(), by, note });
      const resolved = await bounded(clock, waitMs, 'archive', resolving);
      return resolved ? { status: 200, body: conflictJson({ ...resolved, id }) } : notFound('This conflict');
    },
  });
}

function countsRoute(options: CheckInRoutesOptions): Route {
  const { desk, clock, waitMs } = options;
  const schema = z
    .object({
      matchNumber: z.number().int(),
      sold: z.number().int(),
      admitted: z.number().int(),
      byCategory: z.array(
        z.object({ category: z.number().int(), sold: z.number().int(), admitted: z.number().int() }),
      ),
      conflicts: z.number().int(),
    })
    .meta({ id: 'CheckInCounts' });
  return defineRoute({
    ...facts(options),
    method: 'get',
    path: '/api/v1/check-ins/counts/{matchNumber}',
    summary: 'How many were sold here and let in',
    description: 'Tickets. A second old at most.',
    params: matchParams,
    responses: { 200: { description: 'Now', schema } },
    problems: FOR_STEWARDS,
    handle: async ({ params: { matchNumber } }) => {
      if (!(await matchOf(options, matchNumber))) return noSuchMatch();
      const counts = await bounded(clock, waitMs, 'archive', desk.counts(matchNumber));
      return { status: 200, body: { matchNumber, ...counts } };
    },
  });
}

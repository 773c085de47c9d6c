/**
 * The shop: what is on sale, now. Reads come from the read model and are true: they include every change
 * answered before they were asked. Sales messages of other marketplaces come in over HTTP here too.
 */
import MiniSearch from 'minisearch';
import { z } from 'zod';
import { MATCH_NUMBER_MAX } from '../catalog/match.js';
import { saleSchema } from '../phases/phase.js';
import type { StaleAnswer } from '../overload/door.js';
import { defineRoute, type Answer, type Handled, type Route } from './api.js';
import { digest } from './identity.js';
import { notFound, overloaded } from './problem.js';
import { TICKET_STATUSES, type ListedMatch, type Listing, type ReadModel } from './read-model.js';
import { salesMessageRoute, type SalesMessageOptions } from './sales-messages.js';
import { STREAM_HEADERS, type AvailabilityStream } from './stream.js';

export interface ShopOptions {
  readonly model: ReadModel;
  readonly stream: AvailabilityStream;
  readonly salesMessages: SalesMessageOptions;
}

/** Routes of the shop. */
export function shopRoutes({ model, stream, salesMessages }: ShopOptions): Route[] {
  return [matchesRoute(model), matchRoute(model), streamRoute(stream), salesMessageRoute(salesMessages)];
}

const MATCH_PATH = /^\/api\/v1\/matches\/([1-9]\d{0,3})$/;

/** What is known of matches without asking anybody; it may be a moment behind. */
export function staleMatches(model: Pick<ReadModel, 'current'>): (path: string) => StaleAnswer | null {
  return (path) => {
    if (path === '/api/v1/matches') return model.current();
    const matchNumber = MATCH_PATH.exec(path)?.[1];
    if (matchNumber === undefined) return null;
    const match = model.current().matches.find(({ view }) => view.matchNumber === Number(matchNumber));
    return match ? { json: match.json } : null;
  };
}

const categorySchema = z
  .object({
    available: z.number().int().min(0).meta({ description: 'Not sold anywhere.' }),
    pending: z.number().int().min(0).meta({ description: 'What can still be bought now.' }),
    price: z.number(),
    status: z.enum(TICKET_STATUSES),
    closed: z.literal(true).optional().meta({ description: 'Present once sales were closed.' }),
    paused: z.literal(true).optional().meta({ description: 'Present while sales are stopped.' }),
    sale: saleSchema.optional(),
  })
  .meta({ id: 'Category' });

const noticeSchema = z
  .object({
    kind: z.enum(['cancelled', 'paused', 'rescheduled']),
    message: z.object({ en: z.string(), ar: z.string().optional() }).optional(),
    previousDateUtc: z.string().optional(),
    previousLocation: z.string().optional(),
    refundUntil: z.string().optional(),
  })
  .meta({ id: 'Notice', description: 'What the organiser says of the match.' });

export const matchSchema = z
  .object({
    matchNumber: z.number().int(),
    roundNumber: z.number().int(),
    dateUtc: z.string(),
    location: z.string(),
    availability: z.object({
      category1: categorySchema,
      category2: categorySchema,
      category3: categorySchema,
    }),
    homeTeam: z.string(),
    awayTeam: z.string(),
    group: z.string().nullable(),
    currency: z.string().meta({ description: 'Of the prices: ISO 4217, lower case.' }),
    notice: noticeSchema.optional(),
  })
  .meta({ id: 'Match' });

const WORDS_CHARS_MAX = 100;
const PAGE_MAX = 1_000;
const words = z.string().trim().max(WORDS_CHARS_MAX);

const filterSchema = z.object({
  team: words.optional().meta({ description: 'Home or away, the whole name.' }),
  group: words.optional().meta({ description: '`A` or `Group A`.' }),
  round: z.coerce.number().int().min(1).max(100).optional(),
  location: words.optional(),
  date: z.iso.date().optional().meta({ description: 'UTC day, YYYY-MM-DD.' }),
  status: z.enum(TICKET_STATUSES).optional().meta({ description: 'Matches with a category in this status.' }),
  q: words.optional().meta({ description: 'Search in teams, location and group; forgives typing mistakes.' }),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).optional().meta({ description: 'Asks for a page.' }),
  offset: z.coerce.number().int().min(0).max(1_000_000).optional(),
});
type Filter = z.output<typeof filterSchema>;

function matchesRoute(model: ReadModel): Route {
  const search = new MatchSearch();
  return defineRoute({
    method: 'get',
    path: '/api/v1/matches',
    tag: 'shop',
    summary: 'Matches with what is available',
    description: 'All matches, unless filtered or paged. `total` is there when a page was asked for.',
    query: filterSchema,
    headers: z.object({ 'If-None-Match': z.string().optional() }),
    responses: {
      200: {
        description: 'Matches by number, or by relevance when searched',
        schema: z.object({ matches: z.array(matchSchema), total: z.number().int().optional() }),
      },
      304: { description: 'Unchanged since the ETag of If-None-Match' },
    },
    problems: ['overloaded'],
    handle: async ({ query, headers }) => {
      const listing = await model.fresh();
      const isWhole = Object.values(query).every((value) => value === undefined || value === '');
      const json = isWhole ? listing.json : pageJson(listing, query, search);
      const etag = isWhole ? listing.etag : `"${digest(json).slice(0, 32)}"`;
      return unlessSame(headers['If-None-Match'], etag, json);
    },
  });
}

/** RFC 9110 section 13.1.2: weak comparison. */
function unlessSame(presented: string | undefined, etag: string, json: string): Answer {
  const headers = { ETag: etag, 'Cache-Control': 'no-cache' };
  const tags = (presented ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*')
    ? { status: 304, headers }
    : { status: 200, json, headers };
}

function pageJson(listing: Listing, filter: Filter, search: MatchSearch): string {
  const { q, limit, offset } = filter;
  const searched = q === undefined || q === '' ? listing.matches : search.find(listing.matches, q);
  const found = searched.filter((match) => passes(match, filter));
  const isPage = limit !== undefined || offset !== undefined;
  const start = offset ?? 0;
  const page = isPage ? found.slice(start, limit === undefined ? undefined : start + limit) : found;
  const total = isPage ? `,"total":${found.length}` : '';
  return `{"matches":[${page.map(({ json }) => json).join(',')}]${total}}`;
}

function passes({ view }: ListedMatch, filter: Filter): boolean {
  const { team, group, round, location, date, status } = filter;
  return (
    (!team || isSame(team, view.homeTeam) || isSame(team, view.awayTeam)) &&
    (!group || isSame(groupName(group), groupName(view.group ?? ''))) &&
    (round === undefined || view.roundNumber === round) &&
    (!location || isSame(location, view.location)) &&
    (date === undefined || new Date(view.dateUtc).toISOString().startsWith(date)) &&
    (status === undefined || Object.values(view.availability).some((category) => category.status === status))
  );
}

/** Case and accents do not matter. */
const folded = (text: string): string => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
const isSame = (a: string, b: string): boolean => folded(a) === folded(b);
const groupName = (group: string): string => group.replace(/^group\s+/i, '');

/** Full-text search; its index is made again only when the facts of the matches change. */
class MatchSearch {
  #facts = '';
  #index: MiniSearch | null = null;

  find(matches: readonly ListedMatch[], query: string): ListedMatch[] {
    const byNumber = new Map(matches.map((match) => [match.view.matchNumber, match]));
    return this.#indexOf(matches)
      .search(query, { prefix: (term) => term.length > 1, fuzzy: 0.25, combineWith: 'AND' })
      .map((result) => byNumber.get(Number(result.id)))
      .filter((match) => match !== undefined);
  }

  #indexOf(matches: readonly ListedMatch[]): MiniSearch {
    const documents = matches.map(({ view }) => ({
      id: view.matchNumber,
      homeTeam: view.homeTeam,
      awayTeam: view.awayTeam,
      location: view.location,
      group: view.group === null ? '' : `group ${groupName(view.group)}`,
    }));
    const facts = JSON.stringify(documents);
    if (this.#index && this.#facts === facts) return this.#index;
    const index = new MiniSearch({
      fields: ['homeTeam', 'awayTeam', 'location', 'group'],
      processTerm: folded,
    });
    index.addAll(documents);
    this.#index = index;
    this.#facts = facts;
    return index;
  }
}

function matchRoute(model: ReadModel): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/matches/{matchNumber}',
    tag: 'shop',
    summary: 'One match',
    params: z.object({
      matchNumber: z
        .string()
        .regex(/^[1-9]\d{0,3}$/)
        .meta({ description: `1 to ${MATCH_NUMBER_MAX}` }),
    }),
    responses: { 200: { description: 'The match', schema: matchSchema } },
    problems: ['overloaded'],
    handle: async ({ params }) => {
      const { matches } = await model.fresh();
      const match = matches.find(({ view }) => view.matchNumber === Number(params.matchNumber));
      if (!match) return notFound(`Match ${params.matchNumber}`);
      return { status: 200, json: match.json, headers: { 'Cache-Control': 'no-cache' } };
    },
  });
}

function streamRoute(stream: AvailabilityStream): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/availability/stream',
    tag: 'shop',
    summary: 'Availability as it changes',
    description:
      'Server-sent events: first `snapshot` with `{ tickets: [...], matches: [...] }`, where `matches` have `matchNumber`, `dateUtc`, `location` and, where there is one, `notice`, then `availability` with one ticket each: `{ matchNumber, category, available, pending, price, status, closed?, paused?, sale? }`. One comes too at the moment at which a phase of its sale begins or ends. After a reconnect a new snapshot comes first. Another `snapshot` may come at any time and replaces everything: it does when a match is moved or cancelled, sales are paused or go on, or others are listed.',
    responses: { 200: { description: 'A stream that does not end', contentType: 'text/event-stream' } },
    problems: ['overloaded'],
    handle: async ({ request, response }): Promise<Handled> => {
      if (request.method === 'HEAD') {
        return { status: 200, text: { type: STREAM_HEADERS['Content-Type'], content: '' } };
      }
      return (await stream.open(response)) ? 'streaming' : overloaded();
    },
  });
}

/** What to see: the route. Everybody may ask; who is logged in is answered as the account. */
import { z } from 'zod';
import { defineRoute, type Route } from '../../http/api.js';
import { tokenEnded } from '../../http/gate.js';
import { bearerToken } from '../../http/identity.js';
import { matchSchema } from '../../http/shop.js';
import { COUNTRY_SOURCES, type Recommender } from './recommender.js';

export const RECOMMENDATIONS_MAX = 64;
const RECOMMENDATIONS = 10;
/** Teams that one may say to follow. */
export const TEAMS_MAX = 5;
const WORDS_CHARS_MAX = 100;

const words = z.string().trim().max(WORDS_CHARS_MAX);

const query = z.object({
  country: words.optional().meta({
    description:
      'Where the visitor is, or a team: an ISO 3166 country code, or a name. Goes before all that is known.',
  }),
  team: z
    .union([z.array(words).max(TEAMS_MAX), words.transform((team) => [team])])
    .optional()
    .meta({ description: `Teams that are followed, by their whole names; at most ${TEAMS_MAX}.` }),
  limit: z.coerce.number().int().min(1).max(RECOMMENDATIONS_MAX).default(RECOMMENDATIONS),
});

const reasonSchema = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('your_team'), team: z.string() }),
    z.object({ kind: z.literal('neighbour_team'), team: z.string() }),
    z.object({ kind: z.literal('popular_in_country'), country: z.string() }),
    z.object({ kind: z.literal('popular') }),
    z.object({ kind: z.literal('same_city'), city: z.string(), days: z.number() }),
    z.object({ kind: z.literal('bought_together'), item: z.number().int() }),
  ])
  .meta({ id: 'Reason' });

const answerSchema = z.object({
  recommendations: z.array(
    z.object({
      match: matchSchema,
      reasons: z.array(z.string()).meta({ description: 'In English, most telling first.' }),
      because: z.array(reasonSchema).meta({ description: 'For programs; nothing of availability.' }),
      score: z.number().min(0).max(1).meta({ description: 'Only its order means anything.' }),
    }),
  ),
  model: z.object({
    name: z.string().meta({ description: '`popularity` while no model was trained.' }),
    version: z.number().int(),
    description: z.string(),
  }),
  country: z
    .object({ code: z.string(), from: z.enum(COUNTRY_SOURCES) })
    .nullable()
    .meta({ description: 'Where the visitor was taken to be, and from what.' }),
});

export function recommendationsRoute(recommender: Pick<Recommender, 'recommend'>): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/recommendations',
    tag: 'shop',
    summary: 'What to see',
    description:
      'Only matches that can be bought now. Logged in, by what the account booked, and none that it holds or that ' +
      'overlaps with one it holds.',
    security: ['accessToken'],
    isForGuestsToo: true,
    query,
    responses: { 200: { description: 'Best first', schema: answerSchema } },
    problems: ['unauthorized', 'overloaded'],
    // An answer as to a stranger would be taken for the account's.
    authorize: ({ request, principal }) =>
      bearerToken(request.get('Authorization')) !== null && !principal ? tokenEnded() : null,
    handle: async ({ query: { country, team = [], limit }, principal, address }) => {
      const body = await recommender.recommend({
        principal,
        address,
        country: country === '' ? undefined : country,
        teams: team.filter((name) => name !== ''),
        limit,
      });
      const isPersonal = principal !== null || team.length > 0 || body.country !== null;
      return {
        status: 200,
        body,
        headers: { 'Cache-Control': isPersonal ? 'private, no-cache' : 'no-cache' },
      };
    },
  });
}

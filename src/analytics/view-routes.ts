/**
 * What browsers tell of what was looked at and searched for: the route.
 *
 * Guarantees: nothing is taken without a word of consent, so that a client that never asked its visitor cannot send by
 * mistake; no free text is taken, only numbers and names of the master list; of the address no more than its country
 * goes any further, and no account is looked at.
 */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { namesOf } from '../catalog/facts.js';
import { MATCH_NUMBER_MAX } from '../catalog/match.js';
import { COUNTRY } from '../geo/country.js';
import { defineRoute, type Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { overloaded } from '../http/problem.js';
import type { MatchView as ListedView, ReadModel } from '../http/read-model.js';
import type { ViewEvent, ViewIntake } from './views.js';

export interface ViewRoutesOptions {
  readonly intake: ViewIntake;
  readonly matches: Pick<ReadModel, 'current'>;
  /** In which country an address is, ISO 3166-1 alpha-2; null when that is not known. */
  readonly countryOf: (address: string) => string | null;
  readonly clock: Clock;
  /** How long taking them may last. */
  readonly waitMs: number;
}

/** Of one request. */
export const EVENTS_MAX = 50;
const TERM_CHARS_MAX = 100;
/** Names in one search. */
const TERMS_MAX = 5;
const RESULTS_MAX = 10_000;

const id = z.uuid().meta({ description: 'By chance; the same one again is the same event.' });

const bodySchema = z
  .object({
    consent: z.literal(true).meta({ description: 'That the visitor agreed to it.' }),
    visitor: z.uuid().meta({ description: 'The browser, by an id made by chance after the visitor agreed.' }),
    country: z.string().regex(COUNTRY, 'two capital letters').optional().meta({
      description: 'Where the visitor says to be. When absent, what is known of the address.',
    }),
    events: z
      .array(
        z.discriminatedUnion('kind', [
          z.object({
            kind: z.literal('view'),
            id,
            matchNumber: z.number().int().min(1).max(MATCH_NUMBER_MAX),
          }),
          z.object({
            kind: z.literal('search'),
            id,
            terms: z
              .array(z.string().max(TERM_CHARS_MAX))
              .min(1)
              .max(TERMS_MAX)
              .meta({ description: 'Teams, stadiums and cities, by their English names.' }),
            results: z
              .number()
              .int()
              .min(0)
              .max(RESULTS_MAX)
              .meta({ description: 'Matches that were found.' }),
          }),
        ]),
      )
      .min(1)
      .max(EVENTS_MAX),
  })
  .meta({ id: 'Views' });

export function viewsRoute({ intake, matches, countryOf, clock, waitMs }: ViewRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/views',
    tag: 'shop',
    summary: 'What was looked at and searched for',
    description:
      'Only from visitors who agreed. Matches and names that are not in the list are left out, without a word of it.',
    body: bodySchema,
    responses: { 202: { description: 'Taken', schema: z.object({ taken: z.number().int().min(0) }) } },
    problems: ['overloaded'],
    handle: async ({ body: { visitor, country, events }, address }) => {
      const known = knownOf(matches.current().matches.map(({ view }) => view));
      const by = { visitor, country: country ?? countryOf(address) };
      const views = events.flatMap((event): ViewEvent[] => {
        if (event.kind === 'view') return known.numbers.has(event.matchNumber) ? [{ ...event, ...by }] : [];
        const terms = [...new Set(event.terms)].filter((term) => known.names.has(term));
        return terms.length === 0 ? [] : [{ ...event, terms, ...by }];
      });
      const taken =
        views.length > 0 ? await bounded(clock, waitMs, 'intake of views', intake.take(views)) : 'taken';
      return taken === 'full' ? overloaded() : { status: 202, body: { taken: views.length } };
    },
  });
}

interface Known {
  readonly numbers: ReadonlySet<number>;
  /** Of teams, stadiums and cities. */
  readonly names: ReadonlySet<string>;
}

function knownOf(matches: readonly ListedView[]): Known {
  return {
    numbers: new Set(matches.map(({ matchNumber }) => matchNumber)),
    names: new Set(namesOf(matches).values()),
  };
}

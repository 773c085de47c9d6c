/** schema.org data of a match, for search engines. */
import { CATEGORIES, type Category, type MatchView } from '../../api/types';
import { canBeHeld, categoryOf, standingIn } from '../../data/availability';
import { toldOf } from '../../data/notices';
import { openingOf } from '../../data/sale';
import { stadiumOf } from '../../data/stadiums';
import { TO_BE_ANNOUNCED } from '../../data/teams';

export interface StructuredDataOptions {
  /** Of the page. */
  readonly url: string;
  readonly name: string;
  readonly description: string;
  readonly language: string;
  readonly nameOf: (name: string) => string;
  readonly categoryName: (category: number) => string;
  readonly currency: string;
}

/** Search engines ask for the date that was announced before along with a new one. */
function statusOf(match: MatchView): object {
  const told = toldOf(match);
  if (told?.isCancelled === true) return { eventStatus: 'https://schema.org/EventCancelled' };
  const previousStartDate = told?.previous?.dateUtc;
  return previousStartDate === undefined
    ? { eventStatus: 'https://schema.org/EventScheduled' }
    : { eventStatus: 'https://schema.org/EventRescheduled', previousStartDate };
}

/** Search engines call what opens later a pre-order, and ask when that is. */
function offerStateOf(match: MatchView, category: Category): object {
  const { sale } = categoryOf(match, category);
  const opening = sale && standingIn(match, category) === 'not_yet' ? openingOf(sale) : null;
  if (opening !== null) {
    return { availability: 'https://schema.org/PreOrder', validFrom: new Date(opening).toISOString() };
  }
  return { availability: `https://schema.org/${canBeHeld(match, category) ? 'InStock' : 'SoldOut'}` };
}

/** Length of a match with its break and what may be added, milliseconds: an end is asked for, and none is fixed. */
const MATCH_MS = 2 * 60 * 60_000;

export function sportsEvent(match: MatchView, options: StructuredDataOptions): object {
  const { url, name, description, language, nameOf, categoryName, currency } = options;
  const stadium = stadiumOf(match.location);
  const teams = [match.homeTeam, match.awayTeam].filter((team) => team !== TO_BE_ANNOUNCED);
  const team = (one: string): object => ({ '@type': 'SportsTeam', name: nameOf(one) });
  return {
    '@context': 'https://schema.org',
    '@type': 'SportsEvent',
    '@id': url,
    url,
    name,
    description,
    inLanguage: language,
    sport: 'Football',
    startDate: match.dateUtc,
    endDate: new Date(Date.parse(match.dateUtc) + MATCH_MS).toISOString(),
    ...statusOf(match),
    eventAttendanceMode: 'https://schema.org/OfflineEventAttendanceMode',
    location: {
      '@type': 'StadiumOrArena',
      name: nameOf(match.location),
      ...(stadium && {
        address: {
          '@type': 'PostalAddress',
          addressLocality: nameOf(stadium.city),
          addressCountry: stadium.country,
        },
      }),
    },
    ...(teams.length === 2 && { homeTeam: team(match.homeTeam), awayTeam: team(match.awayTeam) }),
    ...(teams.length > 0 && { competitor: teams.map(team) }),
    offers: CATEGORIES.map((category) => {
      const view = categoryOf(match, category);
      return {
        '@type': 'Offer',
        name: categoryName(category),
        url,
        price: view.price,
        priceCurrency: currency.toUpperCase(),
        ...offerStateOf(match, category),
      };
    }),
  };
}

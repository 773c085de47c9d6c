/** Which tickets the page shows, and where a forecast is in its picture. Pure. */
import { OUTLOOKS, type Outlook, type TicketDemand } from './types';

export interface DemandFilters {
  /** A number; '' for all. */
  readonly match: string;
  /** '' for all. */
  readonly outlook: Outlook | '';
  readonly isOversubscribed: boolean;
}

export function filtersOf(search: URLSearchParams): DemandFilters {
  const match = search.get('match') ?? '';
  return {
    match: /^[1-9]\d{0,3}$/.test(match) ? match : '',
    outlook: OUTLOOKS.find((one) => one === search.get('outlook')) ?? '',
    isOversubscribed: search.get('oversubscribed') === '1',
  };
}

export function searchOf({ match, outlook, isOversubscribed }: DemandFilters): string {
  const search = new URLSearchParams();
  if (match !== '') search.set('match', match);
  if (outlook !== '') search.set('outlook', outlook);
  if (isOversubscribed) search.set('oversubscribed', '1');
  return search.toString();
}

/** The match is asked of the server. */
export function shownOf(tickets: readonly TicketDemand[], filters: DemandFilters): readonly TicketDemand[] {
  const { outlook, isOversubscribed } = filters;
  return tickets.filter(
    (ticket) =>
      (outlook === '' || ticket.outlook === outlook) && (!isOversubscribed || ticket.oversubscribed > 0),
  );
}

/** Parts of the way from now to the end, 0 to 1; null where it is not before the end. */
export interface Places {
  readonly earliest: number;
  readonly median: number | null;
  readonly latest: number | null;
}

/** Null when there is nothing to draw. */
export function placesOf({ earliest, median, latest, endsAt }: TicketDemand, at: string): Places | null {
  if (earliest === undefined || earliest === null) return null;
  const [now, end] = [Date.parse(at), Date.parse(endsAt)];
  const place = (time: string): number =>
    end <= now ? 1 : Math.min(1, Math.max(0, (Date.parse(time) - now) / (end - now)));
  const placeOrNull = (time: string | null | undefined): number | null =>
    time === undefined || time === null ? null : place(time);
  return { earliest: place(earliest), median: placeOrNull(median), latest: placeOrNull(latest) };
}

/** Soonest first; what is not before its end last, the likeliest first; what has no forecast after them. */
export function sortOf({ outlook, median, chance = 0 }: TicketDemand): number {
  if (outlook !== 'forecast') return Number.MAX_SAFE_INTEGER;
  return median ? Date.parse(median) : 1e15 * (2 - chance);
}

/** Filters of the list: they live in the address, so that a list can be shared, kept, and gone back to. */
import {
  TICKET_STATUSES,
  CATEGORIES,
  type Category,
  type MatchView,
  type TicketStatus,
} from '../../api/types';
import { canBeHeld, categoryOf } from '../../data/availability';
import { QUERY_CHARS_MAX } from '../../data/search';
import { timeZoneOf } from '../../data/stadiums';
import { dayOf } from '../../i18n/format';

export interface Filters {
  readonly q: string;
  readonly team: string;
  readonly group: string;
  readonly round: string;
  readonly location: string;
  /** `YYYY-MM-DD` at the stadium. */
  readonly date: string;
  readonly status: string;
  readonly view: 'list' | 'calendar';
}

export const NO_FILTERS: Filters = {
  q: '',
  team: '',
  group: '',
  round: '',
  location: '',
  date: '',
  status: '',
  view: 'list',
};

/** Those that narrow the list, but for the search. */
export const FILTER_NAMES = ['team', 'group', 'round', 'location', 'date', 'status'] as const;
export type FilterName = (typeof FILTER_NAMES)[number];

const isStatus = (text: string): text is TicketStatus => TICKET_STATUSES.some((status) => status === text);

/** What the address says; anything that cannot be a filter is as if it were not there. */
export function filtersOf(search: URLSearchParams): Filters {
  const text = (name: string): string => (search.get(name) ?? '').trim().slice(0, QUERY_CHARS_MAX);
  const matching = (name: string, pattern: RegExp): string => {
    const value = text(name);
    return pattern.test(value) ? value : '';
  };
  return {
    q: text('q'),
    team: text('team'),
    group: text('group'),
    round: matching('round', /^[1-9]\d?$/),
    location: text('location'),
    date: matching('date', /^\d{4}-\d{2}-\d{2}$/),
    status: isStatus(text('status')) ? text('status') : '',
    view: search.get('view') === 'calendar' ? 'calendar' : 'list',
  };
}

/** The shortest address that says it, always in the same order. */
export function searchOf(filters: Filters): string {
  const search = new URLSearchParams();
  for (const name of ['q', ...FILTER_NAMES] as const)
    if (filters[name] !== '') search.set(name, filters[name]);
  if (filters.view === 'calendar') search.set('view', 'calendar');
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

export const activeFilters = (filters: Filters): readonly FilterName[] =>
  FILTER_NAMES.filter((name) => filters[name] !== '');

export const stadiumDay = (match: MatchView): string => dayOf(match.dateUtc, timeZoneOf(match.location));

/** `found`: what the search found; null when nothing is searched for. */
export function passes(match: MatchView, filters: Filters, found: ReadonlySet<number> | null): boolean {
  const { team, group, round, location, date, status } = filters;
  return (
    (found === null || found.has(match.matchNumber)) &&
    (team === '' || match.homeTeam === team || match.awayTeam === team) &&
    (group === '' || match.group === group) &&
    (round === '' || match.roundNumber === Number(round)) &&
    (location === '' || match.location === location) &&
    (date === '' || stadiumDay(match) === date) &&
    (status === '' || CATEGORIES.some((category) => hasStatus(match, category, status)))
  );
}

/** "Available now" is what can be bought now: nothing that is closed, paused or cancelled. */
const hasStatus = (match: MatchView, category: Category, status: string): boolean =>
  status === 'available' ? canBeHeld(match, category) : categoryOf(match, category).status === status;

export interface Day {
  /** `YYYY-MM-DD` at the stadium. */
  readonly day: string;
  readonly matches: readonly MatchView[];
}

/** By day and time, as they are played. */
export function byDay(matches: readonly MatchView[]): Day[] {
  const days = new Map<string, MatchView[]>();
  const ordered = [...matches].sort(
    (a, b) => Date.parse(a.dateUtc) - Date.parse(b.dateUtc) || a.matchNumber - b.matchNumber,
  );
  for (const match of ordered) {
    const day = stadiumDay(match);
    const known = days.get(day);
    if (known) known.push(match);
    else days.set(day, [match]);
  }
  return [...days].map(([day, list]) => ({ day, matches: list })).sort((a, b) => (a.day < b.day ? -1 : 1));
}

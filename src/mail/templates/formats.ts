/** Money, dates and names as a language writes them, by `Intl`. */
import type { Match } from '../../catalog/match.js';
import { timeZoneOf } from '../../catalog/stadiums.js';
import { majorOf } from '../../payments/settlement.js';

export interface Formats {
  /** Of minor units. */
  money(minor: number, currency: string): string;
  /** Of whole units, which may have a fraction. */
  price(units: number, currency: string): string;
  number(value: number): string;
  /** Weekday, day and hour at the stadium, with the name of its time zone. */
  kickoff(match: Pick<Match, 'dateUtc' | 'location'>): string;
  /** Day and hour in UTC. */
  time(at: number): string;
  /** A name from elsewhere, whose direction must not disturb what stands around it. */
  name(text: string): string;
  teams(match: Pick<Match, 'homeTeam' | 'awayTeam'>): string;
}

/** Unicode's isolates, which work in plain text and in HTML alike (UAX 9, section 2.4). */
const isolated = (text: string): string => `\u2068${text}\u2069`;

export function formatsOf(intl: string, dir: 'ltr' | 'rtl'): Formats {
  const name = (text: string): string => (dir === 'rtl' ? isolated(text) : text);
  // From right to left a symbol like US$ falls apart; the code does not.
  const currencyDisplay = dir === 'rtl' ? 'code' : 'symbol';
  const price = (units: number, currency: string): string => {
    const style = { style: 'currency', currency: currency.toUpperCase(), currencyDisplay } as const;
    return name(new Intl.NumberFormat(intl, style).format(units));
  };
  return {
    name,
    price,
    money: (minor, currency) => price(majorOf(minor, currency), currency),
    number: (value) => new Intl.NumberFormat(intl).format(value),
    kickoff: ({ dateUtc, location }) =>
      new Intl.DateTimeFormat(intl, {
        weekday: 'long',
        day: 'numeric',
        month: 'long',
        year: 'numeric',
        hour: '2-digit',
        minute: '2-digit',
        timeZone: timeZoneOf(location),
        timeZoneName: 'short',
      }).format(new Date(dateUtc)),
    time: (at) =>
      new Intl.DateTimeFormat(intl, {
        day: 'numeric',
        month: 'long',
        year: 'numeric',
        hour: '2-digit',
        minute: '2-digit',
        timeZone: 'UTC',
        timeZoneName: 'short',
      }).format(at),
    teams: ({ homeTeam, awayTeam }) => `${name(homeTeam)} – ${name(awayTeam)}`,
  };
}

/** Reasons as plain English sentences. */
import { countryName } from '../../geo/names.js';
import type { MatchView } from '../../http/read-model.js';
import type { Reason } from '../model/artefact.js';

/** `find`: a match by its number. Null when there is nothing to say, as of a match that is no longer listed. */
export function sentence(
  reason: Reason,
  find: (matchNumber: number) => MatchView | undefined,
): string | null {
  switch (reason.kind) {
    case 'your_team':
      return `Your team plays: ${reason.team}`;
    case 'neighbour_team':
      return `Liked in your region: ${reason.team}`;
    case 'popular_in_country':
      return `Popular in your country, ${countryName(reason.country)}`;
    case 'popular':
      return 'Popular';
    case 'same_city':
      return `Same city, ${reason.city}, ${apart(reason.days)} your match`;
    case 'bought_together': {
      const match = find(reason.item);
      return match ? `Often bought together with ${match.homeTeam} – ${match.awayTeam}` : null;
    }
  }
}

function apart(days: number): string {
  if (days === 0) return 'on the day of';
  const count = Math.abs(days);
  return `${count === 1 ? 'the day' : `${count} days`} ${days > 0 ? 'after' : 'before'}`;
}

/** The match of a ticket: teams with flags; day, time and stadium. By its number while the list is not known. */
import type { ReactNode } from 'react';
import type { MatchView } from '../api/types';
import { timeZoneOf } from '../data/stadiums';
import { useLocale, useText } from '../i18n/locale';
import { useMatch } from '../live/matches';
import { Flag } from '../ui/flag';

export function useMatchOf(matchNumber: number): {
  readonly match: MatchView | undefined;
  /** In the stadium's time. */
  readonly when: string | null;
  readonly where: string | null;
} {
  const { match } = useMatch(matchNumber);
  const { format, nameOf } = useLocale();
  if (!match) return { match, when: null, where: null };
  const { dateUtc, location } = match;
  return { match, when: format.moment(dateUtc, timeZoneOf(location)), where: nameOf(location) };
}

export function MatchLine({ matchNumber }: { readonly matchNumber: number }): ReactNode {
  const { match } = useMatchOf(matchNumber);
  const { nameOf } = useLocale();
  const t = useText('matches');
  if (!match) return <>{t('matchNumber', { number: matchNumber })}</>;
  return (
    <span className="match-line">
      <Flag team={match.homeTeam} />
      <span>{nameOf(match.homeTeam)}</span>
      <span aria-hidden="true">–</span>
      <span>{nameOf(match.awayTeam)}</span>
      <Flag team={match.awayTeam} />
    </span>
  );
}

/** A match and a category of it, for people and for those who know them by number. */
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useLocale, useText } from '../../i18n/locale';
import { useMatch } from '../../live/matches';
import './parts.css';

export function TicketName(props: { readonly matchNumber: number; readonly category: number }): ReactNode {
  const { matchNumber, category } = props;
  const t = useText('matches');
  const common = useText('common');
  const { nameOf } = useLocale();
  const { match } = useMatch(matchNumber);
  return (
    <span className="ticket-name">
      <Link to={`/operator/matches/${matchNumber}`}>{t('matchNumber', { number: matchNumber })}</Link>
      {' · '}
      {t('category', { category })}
      {match && (
        <span className="soft small ticket-name-teams">
          {common('versus', { home: nameOf(match.homeTeam), away: nameOf(match.awayTeam) })}
        </span>
      )}
    </span>
  );
}

import { memo, type ReactNode } from 'react';
import { Link } from 'react-router';
import { CATEGORIES, type MatchView } from '../../api/types';
import { categoryOf, standingIn } from '../../data/availability';
import { useLocale, useText } from '../../i18n/locale';
import { MatchNoticeBadge } from '../../ui/match-notice';
import { KickOff, Place, Team, useGroupName } from '../../ui/match-parts';
import { StandingBadge } from '../../ui/standing';
import { Money } from '../../ui/time';

/** A match in the list. Rendered anew only when the match itself changed: live updates touch one card at a time. */
export const MatchCard = memo(function MatchCard(props: {
  readonly match: MatchView;
  readonly stage: string;
}): ReactNode {
  const { match, stage } = props;
  const t = useText('matches');
  const { nameOf } = useLocale();
  const groupName = useGroupName();
  const { matchNumber, homeTeam, awayTeam, location, group, currency } = match;
  const names = { home: nameOf(homeTeam), away: nameOf(awayTeam) };
  return (
    <article className="card match-card" aria-label={t('openFor', names)}>
      <p className="match-stage soft">
        {group === null ? stage : groupName(group)}
        <span aria-hidden="true"> · </span>
        {t('matchNumber', { number: matchNumber })} <MatchNoticeBadge match={match} />
      </p>
      <h3 className="match-teams">
        <Link to={`/matches/${matchNumber}`} className="match-link">
          <Team name={homeTeam} />
          <span className="visually-hidden"> – </span>
          <Team name={awayTeam} />
        </Link>
      </h3>
      <div className="match-where">
        <KickOff match={match} />
        <Place location={location} />
      </div>
      <ul className="match-categories">
        {CATEGORIES.map((category) => {
          const view = categoryOf(match, category);
          return (
            <li key={category} className="match-category">
              <span className="match-category-name">{t('category', { category })}</span>
              <span className="match-price">
                <Money amount={view.price} currency={currency} />
              </span>
              <StandingBadge standing={standingIn(match, category)} />
            </li>
          );
        })}
      </ul>
    </article>
  );
});

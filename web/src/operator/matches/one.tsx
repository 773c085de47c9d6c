/** One match: how it stands, and everything that can be done with it. */
import type { ReactNode } from 'react';
import { Link, useParams } from 'react-router';
import type { MatchView } from '../../api/types';
import { useOperatorText } from '../../i18n/operator';
import { useLocale } from '../../i18n/locale';
import { useLiveAvailability, useMatch } from '../../live/matches';
import { ButtonLink } from '../../ui/button';
import { LiveBar } from '../../ui/live-bar';
import { KickOff, Place } from '../../ui/match-parts';
import { EmptyState, ErrorPanel } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import { Intlized } from '../../ui/time';
import { timeZoneOf } from '../../data/stadiums';
import { useRead } from '../data';
import { PhasesSection } from '../phases/section';
import { Fact, Facts } from '../ui/facts';
import { PageTitle } from '../ui/page-title';
import { Section } from '../ui/section';
import { CancelSection } from './cancelling';
import { PAUSES_EVERY_MS, pauses, pausesOf, type Pauses } from './data';
import { PauseParts, StandingPauses } from './pausing';
import { RescheduleSection } from './rescheduling';
import { StateBadges } from './state-badges';

export function OneMatch(): ReactNode {
  const { matchNumber = '' } = useParams();
  const t = useOperatorText('matches');
  const { match, matches, problem, retry } = useMatch(
    /^[1-9]\d{0,3}$/.test(matchNumber) ? Number(matchNumber) : 0,
  );
  if (match) return <Shown key={match.matchNumber} match={match} />;
  if (matches === null && problem === null) return <Spinner />;
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      {problem ? (
        <ErrorPanel problem={problem} retry={retry} />
      ) : (
        <EmptyState title={t('notFoundTitle')}>
          <ButtonLink to="/operator/matches">{t('back')}</ButtonLink>
        </EmptyState>
      )}
    </div>
  );
}

function Shown({ match }: { readonly match: MatchView }): ReactNode {
  const t = useOperatorText('matches');
  const { nameOf, format } = useLocale();
  const live = useLiveAvailability();
  const { matchNumber, homeTeam, awayTeam, dateUtc, location } = match;
  const teams = t('teams', { home: nameOf(homeTeam), away: nameOf(awayTeam) });
  return (
    <div className="stack">
      <p>
        <Link to="/operator/matches" className="back">
          {t('back')}
        </Link>
      </p>
      <PageTitle title={t('matchName', { number: matchNumber, teams })}>
        <StateBadges match={match} />
      </PageTitle>
      <LiveBar state={live} />
      <Facts>
        <Fact name={t('kickOff')}>
          <Intlized>{format.day(dateUtc, timeZoneOf(location))}</Intlized>
          <br />
          <KickOff match={match} />
        </Fact>
        <Fact name={t('place')}>
          <Place location={location} />
        </Fact>
        <Fact name={t('buyersPage')}>
          <Link to={`/matches/${matchNumber}`}>{t('openBuyersPage')}</Link>
        </Fact>
      </Facts>
      <PauseSection match={match} />
      <PhasesSection match={match} />
      <RescheduleSection match={match} />
      <CancelSection match={match} />
    </div>
  );
}

function PauseSection({ match }: { readonly match: MatchView }): ReactNode {
  const t = useOperatorText('matches');
  const read = useRead<Pauses>(pauses, { everyMs: PAUSES_EVERY_MS });
  const all = read.data?.pauses ?? [];
  const here = pausesOf(all, match.matchNumber);
  const isOver = match.notice?.kind === 'cancelled';
  return (
    <Section title={t('pauseSection')} about={isOver ? t('pauseCancelled') : t('pauseAbout')} read={read}>
      <StandingPauses pauses={here} all={all} />
      {read.data && !isOver && <PauseParts match={match} standing={all} />}
    </Section>
  );
}

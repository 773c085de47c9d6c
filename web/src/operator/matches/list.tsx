import { useDeferredValue, useMemo, useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import type { MatchView } from '../../api/types';
import { MatchSearch } from '../../data/search';
import { timeZoneOf } from '../../data/stadiums';
import { useOperatorText } from '../../i18n/operator';
import { useLocale } from '../../i18n/locale';
import { useLiveAvailability, useMatches } from '../../live/matches';
import { Field } from '../../ui/field';
import { LiveBar } from '../../ui/live-bar';
import { ErrorPanel } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import { useRead } from '../data';
import { DataTable, type Column } from '../ui/data-table';
import { PageTitle } from '../ui/page-title';
import { Section } from '../ui/section';
import {
  PAUSES_EVERY_MS,
  pauseIdOf,
  pauses,
  statesOf,
  type Pause,
  type Pauses,
  type PauseScope,
} from './data';
import { PauseButton, ResumeButton, StandingPauses } from './pausing';
import { StateBadges } from './state-badges';

export function MatchList(): ReactNode {
  const t = useOperatorText('matches');
  const live = useLiveAvailability();
  const { matches, problem, retry } = useMatches();
  const read = useRead<Pauses>(pauses, { everyMs: PAUSES_EVERY_MS });
  const standing = read.data?.pauses ?? [];
  const everything = standing.find(({ id }) => id === pauseIdOf({}));
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <StandingPauses pauses={standing} all={standing} />
      <Section
        title={t('pausesTitle')}
        about={standing.length === 0 ? t('noPauses') : t('somePauses', { count: standing.length })}
        read={read}
      >
        {/* Asked for with its whole sentence: it is the one button of the page that stops everything. */}
        {read.data && !everything && (
          <div>
            <PauseButton scope={{}} look="danger">
              {t('pauseAll')}
            </PauseButton>
          </div>
        )}
      </Section>
      <Section title={t('listTitle')} actions={<LiveBar state={live} />}>
        {problem && <ErrorPanel problem={problem} retry={retry} />}
        {!matches && !problem && <Spinner />}
        {matches && <Found matches={matches} standing={read.data ? standing : null} />}
      </Section>
    </div>
  );
}

function Found(props: {
  readonly matches: readonly MatchView[];
  /** Null while it is not known. */
  readonly standing: readonly Pause[] | null;
}): ReactNode {
  const { matches, standing } = props;
  const t = useOperatorText('matches');
  const { nameOf } = useLocale();
  const [typed, setTyped] = useState('');
  const query = useDeferredValue(typed);
  const search = useMemo(() => new MatchSearch(matches, nameOf), [matches, nameOf]);
  const found = search.find(query);
  const shown = matches.filter(({ matchNumber }) => found === null || found.has(matchNumber));
  return (
    <>
      <div className="operator-filters-wide operator-filters">
        <Field
          label={t('search')}
          type="search"
          autoComplete="off"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
      </div>
      <p role="status" className="soft">
        {t('shown', { count: shown.length })}
      </p>
      <Table matches={shown} standing={standing} />
    </>
  );
}

function Table(props: {
  readonly matches: readonly MatchView[];
  readonly standing: readonly Pause[] | null;
}): ReactNode {
  const { matches, standing } = props;
  const t = useOperatorText('matches');
  const { format, nameOf } = useLocale();
  const teamsOf = ({ homeTeam, awayTeam }: MatchView): string =>
    t('teams', { home: nameOf(homeTeam), away: nameOf(awayTeam) });
  const columns: Column<MatchView>[] = [
    {
      key: 'number',
      header: t('number'),
      sort: ({ matchNumber }) => matchNumber,
      isName: true,
      cell: (match) => (
        <Link to={`/operator/matches/${match.matchNumber}`}>
          {t('matchName', { number: match.matchNumber, teams: teamsOf(match) })}
        </Link>
      ),
    },
    {
      key: 'kickOff',
      header: t('kickOff'),
      sort: ({ dateUtc }) => dateUtc,
      cell: ({ dateUtc, location }) => (
        <span className="nowrap">{format.moment(dateUtc, timeZoneOf(location))}</span>
      ),
    },
    {
      key: 'location',
      header: t('place'),
      sort: ({ location }) => nameOf(location),
      cell: ({ location }) => nameOf(location),
    },
    {
      key: 'state',
      header: t('state'),
      sort: (match) => t(`states.${statesOf(match)[0] ?? 'on_sale'}`),
      cell: (match) => <StateBadges match={match} />,
    },
    {
      key: 'sales',
      header: t('sales'),
      csv: null,
      cell: (match) => standing && <QuickPause match={match} standing={standing} name={teamsOf(match)} />,
    },
  ];
  return (
    <DataTable
      caption={t('listTitle')}
      isCaptionHidden
      columns={columns}
      rows={matches}
      rowKey={({ matchNumber }) => String(matchNumber)}
      sortedBy={{ key: 'kickOff', direction: 'ascending' }}
      empty={t('noneFound')}
      csv="matches"
    />
  );
}

function QuickPause(props: {
  readonly match: MatchView;
  readonly standing: readonly Pause[];
  readonly name: string;
}): ReactNode {
  const { match, standing, name } = props;
  const t = useOperatorText('matches');
  const scope: PauseScope = { matchNumber: match.matchNumber };
  const pause = standing.find(({ id }) => id === pauseIdOf(scope));
  const label = { number: match.matchNumber, name };
  if (pause) {
    return (
      <ResumeButton pause={pause} all={standing} className="operator-small" label={t('resumeOf', label)}>
        {t('resume')}
      </ResumeButton>
    );
  }
  const [state] = statesOf(match);
  if (state === 'cancelled' || state === 'closed') return null;
  return (
    <PauseButton scope={scope} className="operator-small" label={t('pauseOf', label)}>
      {t('pause')}
    </PauseButton>
  );
}

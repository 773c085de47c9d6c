/** The list of matches and their calendar. */
import { useCallback, useDeferredValue, useMemo, useState, type ReactNode } from 'react';
import { Link, useLocation, useNavigate } from 'react-router';
import type { MatchView } from '../../api/types';
import { useStatus } from '../../app/environment';
import { Head } from '../../app/head';
import { MatchSearch, namedIn } from '../../data/search';
import { Stages } from '../../data/stages';
import { useLocale, useText } from '../../i18n/locale';
import { useLiveAvailability, useMatches } from '../../live/matches';
import { Button, ButtonLink } from '../../ui/button';
import { LiveBar } from '../../ui/live-bar';
import { useStageName } from '../../ui/match-parts';
import { EmptyState } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import { Intlized } from '../../ui/time';
import { useRecordedSearch } from '../../visit/record';
import { CalendarView } from './calendar-view';
import { FilterForm } from './filter-form';
import { byDay, filtersOf, NO_FILTERS, passes, searchOf, type Day, type Filters } from './filters';
import { MatchCard } from './match-card';
import { Recommendations } from './recommendations';

export default function MatchesPage(): ReactNode {
  const t = useText('matches');
  const { matches, problem, retry } = useMatches();
  const live = useLiveAvailability();
  // The server knows at once that the shop is away; a browser without the list is still asking for it.
  const isAway = matches === null && (problem !== null || typeof window === 'undefined');
  useStatus(isAway ? 503 : 200);
  return (
    <>
      <Head title={t('documentTitle')} description={t('description')} />
      <div className="page-head">
        <h1>{t('title')}</h1>
        <p className="soft">{t('intro')}</p>
      </div>
      {isAway && (
        <EmptyState title={t('awayTitle')} body={t('awayBody')}>
          <Retry onRetry={retry} />
        </EmptyState>
      )}
      {matches === null && !isAway && <Spinner />}
      {matches?.length === 0 && <EmptyState title={t('noneTitle')} body={t('noneBody')} />}
      {matches && matches.length > 0 && (
        <>
          <Found matches={matches} live={<LiveBar state={live} />} />
          <Recommendations matches={matches} />
        </>
      )}
    </>
  );
}

function Retry({ onRetry }: { readonly onRetry: () => void }): ReactNode {
  const t = useText('common');
  return <Button onClick={onRetry}>{t('retry')}</Button>;
}

/** What does not change when figures do: the search is not built anew with every sale. */
function useFacts(matches: readonly MatchView[]): { readonly search: MatchSearch; readonly stages: Stages } {
  const { nameOf } = useLocale();
  const [known, setKnown] = useState(matches);
  if (known !== matches && !haveSameFacts(known, matches)) setKnown(matches);
  return useMemo(
    () => ({ search: new MatchSearch(known, nameOf), stages: new Stages(known) }),
    [known, nameOf],
  );
}

const FACTS = ['matchNumber', 'roundNumber', 'homeTeam', 'awayTeam', 'location', 'group'] as const;

function haveSameFacts(a: readonly MatchView[], b: readonly MatchView[]): boolean {
  return (
    a.length === b.length &&
    a.every((match, index) => {
      const other = b[index];
      return match === other || FACTS.every((fact) => match[fact] === other?.[fact]);
    })
  );
}

function Found(props: { readonly matches: readonly MatchView[]; readonly live: ReactNode }): ReactNode {
  const { matches, live } = props;
  const t = useText('matches');
  const location = useLocation();
  const navigate = useNavigate();
  const filters = useMemo(() => filtersOf(new URLSearchParams(location.search)), [location.search]);
  const [typed, setTyped] = useState(filters.q);
  const [addressed, setAddressed] = useState(filters.q);
  // The address changed by itself: back, forward, a link.
  if (addressed !== filters.q) {
    setAddressed(filters.q);
    if (typed.trim() !== filters.q) setTyped(filters.q);
  }
  const query = useDeferredValue(typed);
  const { search, stages } = useFacts(matches);
  const found = useMemo(() => search.find(query), [search, query]);
  const days = byDay(matches.filter((match) => passes(match, filters, found)));
  const count = days.reduce((sum, day) => sum + day.matches.length, 0);
  useRecordedSearch(useSearched(matches, filters), count);
  const change = useCallback(
    (next: Filters, replace: boolean) =>
      void navigate({ search: searchOf(next) }, { replace, preventScrollReset: true }),
    [navigate],
  );
  return (
    <>
      <FilterForm
        matches={matches}
        stages={stages}
        filters={filters}
        typed={typed}
        onType={setTyped}
        onChange={change}
      />
      <div className="list-bar">
        <p className="list-count" role="status">
          {t('found', { count })}
        </p>
        {live}
        <ViewSwitch filters={filters} />
      </div>
      {count === 0 && (
        <EmptyState title={t('emptyTitle')} body={t('emptyBody')}>
          <ButtonLink look="secondary" to={{ search: searchOf({ ...NO_FILTERS, view: filters.view }) }}>
            {t('clear')}
          </ButtonLink>
        </EmptyState>
      )}
      {count > 0 &&
        (filters.view === 'calendar' ? (
          <CalendarView days={days} filters={filters} />
        ) : (
          <ListView days={days} stages={stages} />
        ))}
    </>
  );
}

/** Teams, stadiums and cities that the address says are looked for; nothing that was typed and names none of them. */
function useSearched(matches: readonly MatchView[], { team, location, q }: Filters): readonly string[] {
  const { nameOf } = useLocale();
  const isListed = (name: string): boolean =>
    matches.some((match) => [match.homeTeam, match.awayTeam, match.location].includes(name));
  return [...new Set([...[team, location].filter(isListed), ...namedIn(q, matches, nameOf)])];
}

function ViewSwitch({ filters }: { readonly filters: Filters }): ReactNode {
  const t = useText('matches');
  return (
    <nav className="views" aria-label={t('view')}>
      {(['list', 'calendar'] as const).map((view) => (
        <Link
          key={view}
          className="views-link"
          to={{ search: searchOf({ ...filters, view }) }}
          aria-current={filters.view === view ? 'true' : undefined}
        >
          {t(view)}
        </Link>
      ))}
    </nav>
  );
}

function ListView({ days, stages }: { readonly days: readonly Day[]; readonly stages: Stages }): ReactNode {
  const { format } = useLocale();
  const stageName = useStageName();
  return (
    <div className="days">
      {days.map(({ day, matches }) => (
        <section key={day} className="day" aria-labelledby={`day-${day}`}>
          <h2 className="day-title" id={`day-${day}`}>
            <Intlized>{format.day(day, 'UTC')}</Intlized>
          </h2>
          <ul className="day-matches">
            {matches.map((match) => (
              <li key={match.matchNumber}>
                <MatchCard match={match} stage={stageName(stages.of(match))} />
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

/** One match: what it is, what it costs, and the way to its tickets. */
import { lazy, Suspense, useState, type ReactNode } from 'react';
import { Link, useLocation, useParams } from 'react-router';
import { CATEGORIES, type Category, type MatchView } from '../../api/types';
import { useEnvironment, useHydrated, useStatus } from '../../app/environment';
import { Head } from '../../app/head';
import { embeddedJson } from '../../app/initial';
import { canBeHeld, categoryOf, standingIn, type Standing } from '../../data/availability';
import { timeZoneOf } from '../../data/stadiums';
import { Stages } from '../../data/stages';
import { localized } from '../../i18n/languages';
import { useLocale, useText } from '../../i18n/locale';
import { useLiveAvailability, useMatch, useSalesNow } from '../../live/matches';
import { Button, ButtonLink } from '../../ui/button';
import { ErrorBoundary } from '../../ui/error-boundary';
import { LiveBar } from '../../ui/live-bar';
import { MatchNotice } from '../../ui/match-notice';
import { KickOff, Place, Team, useGroupName, useStageName } from '../../ui/match-parts';
import { Card, EmptyState } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import { StandingBadge } from '../../ui/standing';
import { DEFAULT_CURRENCY, Intlized, Money } from '../../ui/time';
import { useRecordedView } from '../../visit/record';
import { waitingMarks } from '../../waiting-list/marks';
import { HoldForm } from './hold-form';
import { chosenIn } from './hold-rules';
import { SaleNotes, SaleOpenings } from './sale-notes';
import { StadiumPicture } from './stadium-picture';
import { sportsEvent } from './structured-data';

export default function MatchPage(): ReactNode {
  const { matchNumber = '' } = useParams();
  const { match, matches, problem, retry } = useMatch(
    /^\d{1,4}$/.test(matchNumber) ? Number(matchNumber) : 0,
  );
  const live = useLiveAvailability();
  const t = useText('match');
  const list = useText('matches');
  const common = useText('common');
  const isAway = matches === null && (problem !== null || typeof window === 'undefined');
  useStatus(match ? 200 : isAway ? 503 : 404);
  if (match && matches) return <Shown match={match} matches={matches} live={<LiveBar state={live} />} />;
  if (isAway) {
    return (
      <EmptyState isPage title={list('awayTitle')} body={list('awayBody')}>
        <Head title={list('awayTitle')} noIndex />
        <Button onClick={retry}>{common('retry')}</Button>
      </EmptyState>
    );
  }
  if (matches === null) return <Spinner />;
  return (
    <EmptyState
      isPage
      title={t('notFoundTitle')}
      body={t('notFoundBody', { number: matchNumber.slice(0, 10) })}
    >
      <Head title={t('notFoundTitle')} noIndex />
      <ButtonLink to="/">{t('backToMatches')}</ButtonLink>
    </EmptyState>
  );
}

interface ShownProps {
  readonly match: MatchView;
  readonly matches: readonly MatchView[];
  readonly live: ReactNode;
}

function Shown({ match, matches, live }: ShownProps): ReactNode {
  const t = useText('match');
  const list = useText('matches');
  const { format, nameOf } = useLocale();
  const stageName = useStageName();
  const groupName = useGroupName();
  const { homeTeam, awayTeam, location, dateUtc, group, matchNumber } = match;
  useRecordedView(matchNumber);
  const zone = timeZoneOf(location);
  const stage = stageName(new Stages(matches).of(match));
  const names = { home: nameOf(homeTeam), away: nameOf(awayTeam) };
  const title = t('documentTitle', names);
  const day = format.day(dateUtc, zone);
  const description = t('description', { ...names, day, stadium: nameOf(location) });
  return (
    <>
      <Head title={title} description={description} />
      <StructuredData match={match} description={description} />
      <p>
        <Link to="/" className="back">
          {t('backToMatches')}
        </Link>
      </p>
      <header className="match-hero">
        <p className="soft">
          {group === null ? '' : `${groupName(group)} · `}
          {stage} · {list('matchNumber', { number: matchNumber })}
        </p>
        <h1 className="match-hero-teams">
          <Team name={homeTeam} scale={2} />
          <span className="match-hero-versus" aria-hidden="true">
            –
          </span>
          <span className="visually-hidden"> – </span>
          <Team name={awayTeam} scale={2} />
        </h1>
        <dl className="match-facts">
          <div>
            <dt>{t('kickOff')}</dt>
            <dd>
              <Intlized className="match-day">{day}</Intlized>
              <KickOff match={match} />
            </dd>
          </div>
          <div>
            <dt>{t('stadium')}</dt>
            <dd>
              <Place location={location} />
            </dd>
          </div>
        </dl>
      </header>
      <MatchNotice match={match} />
      {live}
      <WaitingOffers matchNumber={matchNumber} />
      <Choice match={match} />
    </>
  );
}

/** Category, picture and the form to hold tickets. */
function Choice({ match: told }: { readonly match: MatchView }): ReactNode {
  const t = useText('match');
  const match = useSalesNow(told);
  const { search } = useLocation();
  const [chosen, setChosen] = useState<Category | null>(() => chosenIn(search).category);
  const view = chosen === null ? null : categoryOf(match, chosen);
  return (
    <div className="choice">
      <section aria-labelledby="choose" className="choice-categories">
        <h2 id="choose">{t('choose')}</h2>
        {match.notice?.kind !== 'cancelled' && <p className="soft">{t('chooseHint')}</p>}
        <StadiumPicture
          selected={chosen}
          isOpen={(category) => canBeHeld(match, category)}
          onSelect={setChosen}
        />
        <fieldset className="categories">
          <legend className="visually-hidden">{t('choose')}</legend>
          {CATEGORIES.map((category) => (
            <CategoryOption
              key={category}
              match={match}
              category={category}
              isChosen={chosen === category}
              onChoose={() => setChosen(category)}
            />
          ))}
        </fieldset>
        <SaleOpenings match={match} />
      </section>
      <Card className="choice-hold">
        <HoldTitle />
        <HoldForm match={match} category={chosen} view={view} />
      </Card>
    </div>
  );
}

function HoldTitle(): ReactNode {
  const t = useText('hold');
  return <h2>{t('title')}</h2>;
}

/** Where phases matter: not where nothing is left to be sold in them. */
const SALE_TOLD: ReadonlySet<Standing> = new Set([
  'available',
  'few',
  'temporarily_unavailable',
  'not_yet',
  'closed',
]);

function CategoryOption(props: {
  readonly match: MatchView;
  readonly category: Category;
  readonly isChosen: boolean;
  readonly onChoose: () => void;
}): ReactNode {
  const { match, category, isChosen, onChoose } = props;
  const t = useText('match');
  const list = useText('matches');
  const view = categoryOf(match, category);
  const standing = standingIn(match, category);
  const isOpen = canBeHeld(match, category);
  const hasSale = view.sale !== undefined && SALE_TOLD.has(standing);
  const saleId = `sale-${category}`;
  return (
    <div className={`category-box zone-${category}${isOpen ? '' : ' category-closed'}`}>
      <label className="category">
        <input
          type="radio"
          className="category-radio"
          name="category"
          value={category}
          checked={isChosen}
          onChange={onChoose}
          disabled={!isOpen && !isChosen}
          aria-describedby={hasSale ? saleId : undefined}
        />
        <span className="category-text">
          <span className="category-name">
            <span className="category-dot" aria-hidden="true" />
            {list('category', { category })}
          </span>
          <span className="soft category-zone">{t(`zones.category${category}`)}</span>
          <span className="category-state">
            <StandingBadge standing={standing} />
            {standing === 'few' && <span className="category-left">{t('few', { count: view.pending })}</span>}
            {standing === 'available' && <span className="soft">{t('left', { count: view.pending })}</span>}
          </span>
          {standing === 'temporarily_unavailable' && <span className="soft">{t('temporarilyHint')}</span>}
          {standing === 'paused' && <span className="soft">{t('pausedHint')}</span>}
          {standing === 'sold_out' && <span className="soft">{t('soldOutHint')}</span>}
        </span>
        <span className="category-price">
          <strong>
            <Money amount={view.price} currency={match.currency} />
          </strong>
          <span className="soft">{t('perTicket')}</span>
        </span>
      </label>
      {hasSale && (
        <div className="category-more" id={saleId}>
          <SaleNotes match={match} category={category} />
        </div>
      )}
      {(standing === 'sold_out' || standing === 'temporarily_unavailable') && (
        <WaitingList match={match} category={category} />
      )}
    </div>
  );
}

const Offers = lazy(() => import('../../waiting-list/offers'));

/** Where somebody has joined a waiting list in this browser; everywhere else offers stand among the tickets. */
function WaitingOffers({ matchNumber }: { readonly matchNumber: number }): ReactNode {
  const isHydrated = useHydrated();
  if (!isHydrated || waitingMarks.ids().length === 0) return null;
  return (
    <ErrorBoundary fallback={null}>
      <Suspense fallback={null}>
        <Offers matchNumber={matchNumber} />
      </Suspense>
    </ErrorBoundary>
  );
}

const WaitingListSlot = lazy(() => import('../../waiting-list/slot'));

/** Nothing without scripts: whoever is on a list is nobody the server knows. */
function WaitingList(props: { readonly match: MatchView; readonly category: Category }): ReactNode {
  if (!useHydrated()) return null;
  return (
    <ErrorBoundary fallback={null}>
      <Suspense fallback={null}>
        <WaitingListSlot {...props} />
      </Suspense>
    </ErrorBoundary>
  );
}

function StructuredData({
  match,
  description,
}: {
  readonly match: MatchView;
  readonly description: string;
}): ReactNode {
  const { origin } = useEnvironment();
  const { code, nameOf } = useLocale();
  const { pathname } = useLocation();
  const list = useText('matches');
  const common = useText('common');
  const { homeTeam, awayTeam, currency = DEFAULT_CURRENCY } = match;
  const data = sportsEvent(match, {
    url: origin + localized(code, pathname),
    name: common('versus', { home: nameOf(homeTeam), away: nameOf(awayTeam) }),
    description,
    language: code,
    nameOf,
    categoryName: (category) => list('category', { category }),
    currency,
  });
  return (
    <script
      type="application/ld+json"
      suppressHydrationWarning
      dangerouslySetInnerHTML={{ __html: embeddedJson(data) }}
    />
  );
}

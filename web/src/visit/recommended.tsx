/** What is recommended, each with its reason, and what a visitor can say about themselves for it. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useId, useMemo, useSyncExternalStore, type ReactNode } from 'react';
import { Link } from 'react-router';
import { api } from '../api';
import {
  CATEGORIES,
  type MatchView,
  type Recommendation,
  type Recommendations,
  type RecommendedReason,
} from '../api/types';
import { lowestPrice, standingIn } from '../data/availability';
import { timeZoneOf } from '../data/stadiums';
import { TO_BE_ANNOUNCED } from '../data/teams';
import { LANGUAGES } from '../i18n/languages';
import { useLocale, useText } from '../i18n/locale';
import { useVisitText, visitTexts } from '../i18n/visit';
import { Button } from '../ui/button';
import { Select } from '../ui/field';
import { Flag } from '../ui/flag';
import { Team } from '../ui/match-parts';
import { Badge, Card } from '../ui/panels';
import { useSession } from '../ui/session';
import { DEFAULT_CURRENCY, Intlized } from '../ui/time';
import { countriesIn, countryNameIn } from './countries';
import { taste, TEAMS_MAX, type Taste } from './taste';
import './visit.css';

const SHOWN = 6;
/** More say the same again. */
const REASONS_SHOWN = 2;

interface Props {
  /** All that are listed. */
  readonly matches: readonly MatchView[];
}

export default function Recommended({ matches }: Props): ReactNode {
  return (
    <visitTexts.Provider>
      <Block matches={matches} />
    </visitTexts.Provider>
  );
}

const useTaste = (): Taste => useSyncExternalStore(taste.subscribe, taste.get, taste.get);

function Block({ matches }: Props): ReactNode {
  const t = useText('matches');
  const chosen = useTaste();
  const who = useSession();
  const account = who.kind === 'account' ? who.account.id : null;
  const { data } = useQuery({
    queryKey: ['recommendations', account, chosen],
    enabled: who.kind !== 'unknown',
    // What was bought meanwhile must not be recommended.
    staleTime: 0,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      api.send<Recommendations>({
        path: '/recommendations',
        query: { limit: SHOWN, country: chosen.country, team: chosen.teams },
        signal,
      }),
  });
  if (!data || (data.recommendations.length === 0 && data.country?.from !== 'chosen')) return null;
  return (
    <>
      <h2>{t('recommended')}</h2>
      <How data={data} chosen={chosen} />
      <Tune matches={matches} chosen={chosen} />
      <ul className="recommended-list">
        {data.recommendations.map((one) => (
          <li key={one.match.matchNumber}>
            <RecommendedCard recommendation={one} matches={matches} />
          </li>
        ))}
      </ul>
    </>
  );
}

/** By what it is ranked, and where the visitor was taken to be. */
function How({ data, chosen }: { readonly data: Recommendations; readonly chosen: Taste }): ReactNode {
  const t = useVisitText('recommended');
  const { code } = useLocale();
  const { model, country } = data;
  const name = country && countryNameIn(LANGUAGES[code].locale, country.code);
  const isFor = country !== null || chosen.teams.length > 0;
  return (
    <p className="soft recommended-how" aria-live="polite">
      {model.name !== 'popularity' ? t('byModel') : isFor ? t('byPopularityFor') : t('byPopularity')}{' '}
      {country && name !== null
        ? country.from === 'chosen'
          ? t('countryChosen', { country: name })
          : country.from === 'booking'
            ? t('countryBooking', { country: name })
            : t('countryAddress', { country: name })
        : t('countryUnknown')}
    </p>
  );
}

function RecommendedCard(props: {
  readonly recommendation: Recommendation;
  readonly matches: readonly MatchView[];
}): ReactNode {
  const { recommendation, matches } = props;
  const { match, because } = recommendation;
  const t = useText('matches');
  const own = useVisitText('recommended');
  const { format } = useLocale();
  const reasonOf = useReason(matches);
  const reasons = because
    .map(reasonOf)
    .filter((text) => text !== null)
    .slice(0, REASONS_SHOWN);
  return (
    <Card className="recommended-card">
      <Link to={`/matches/${match.matchNumber}`} className="match-link match-teams">
        <Team name={match.homeTeam} />
        <span className="visually-hidden"> – </span>
        <Team name={match.awayTeam} />
      </Link>
      {reasons.length > 0 && (
        <ul className="recommended-reasons" aria-label={own('why')}>
          {reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      <p className="row recommended-facts">
        <Intlized className="soft">{format.dayShort(match.dateUtc, timeZoneOf(match.location))}</Intlized>
        <Intlized className="soft">
          {t('from', { price: format.money(lowestPrice(match), match.currency ?? DEFAULT_CURRENCY) })}
        </Intlized>
        {CATEGORIES.some((category) => standingIn(match, category) === 'few') && (
          <Badge tone="warn">{t('fewLeft')}</Badge>
        )}
      </p>
    </Card>
  );
}

/** A reason in the language of the page; null for one that it has no words for. */
function useReason(matches: readonly MatchView[]): (reason: RecommendedReason) => string | null {
  const t = useVisitText('recommended');
  const { nameOf } = useLocale();
  return (reason) => {
    switch (reason.kind) {
      case 'your_team':
      case 'neighbour_team':
        return t(`reasons.${reason.kind}`, { team: nameOf(reason.team) });
      case 'popular_in_country':
      case 'popular':
        return t(`reasons.${reason.kind}`);
      case 'same_city': {
        const days = Math.abs(reason.days);
        const city = nameOf(reason.city);
        if (days === 0) return t('reasons.same_city_same', { city });
        return t(reason.days > 0 ? 'reasons.same_city_after' : 'reasons.same_city_before', { city, days });
      }
      case 'bought_together': {
        const other = matches.find(({ matchNumber }) => matchNumber === reason.item);
        if (!other) return null;
        return t('reasons.bought_together', { home: nameOf(other.homeTeam), away: nameOf(other.awayTeam) });
      }
      default:
        return null;
    }
  };
}

/** Country and teams, folded away: most people need neither. */
function Tune({ matches, chosen }: Props & { readonly chosen: Taste }): ReactNode {
  const t = useVisitText('recommended');
  return (
    <details className="tune">
      <summary className="tune-summary">{t('change')}</summary>
      <div className="tune-fields">
        <CountryField chosen={chosen} />
        <TeamField matches={matches} chosen={chosen} />
      </div>
      <Following chosen={chosen} />
    </details>
  );
}

function CountryField({ chosen }: { readonly chosen: Taste }): ReactNode {
  const t = useVisitText('recommended');
  const { code } = useLocale();
  const { locale } = LANGUAGES[code];
  const countries = useMemo(() => countriesIn(locale), [locale]);
  return (
    <Select
      name="country"
      label={t('country')}
      value={chosen.country ?? ''}
      onChange={({ target: { value } }) =>
        taste.set({ teams: chosen.teams, ...(value !== '' && { country: value }) })
      }
    >
      <option value="">{t('countryAuto')}</option>
      {countries.map(([country, name]) => (
        <option key={country} value={country}>
          {name}
        </option>
      ))}
    </Select>
  );
}

function TeamField({ matches, chosen }: Props & { readonly chosen: Taste }): ReactNode {
  const t = useVisitText('recommended');
  const { nameOf } = useLocale();
  const teams = [...new Set(matches.flatMap(({ homeTeam, awayTeam }) => [homeTeam, awayTeam]))]
    .filter((team) => team !== TO_BE_ANNOUNCED && !chosen.teams.includes(team))
    .sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  const isFull = chosen.teams.length >= TEAMS_MAX;
  return (
    <Select
      name="follow"
      label={t('team')}
      hint={t(isFull ? 'teamsFull' : 'teamHint', { max: TEAMS_MAX })}
      value=""
      disabled={isFull}
      onChange={({ target: { value } }) => taste.set({ ...chosen, teams: [...chosen.teams, value] })}
    >
      <option value="">{t('teamNone')}</option>
      {teams.map((team) => (
        <option key={team} value={team}>
          {nameOf(team)}
        </option>
      ))}
    </Select>
  );
}

function Following({ chosen }: { readonly chosen: Taste }): ReactNode {
  const t = useVisitText('recommended');
  const { nameOf } = useLocale();
  const labelId = useId();
  if (chosen.teams.length === 0) return null;
  return (
    <div className="tune-following">
      <p className="field-label" id={labelId}>
        {t('following')}
      </p>
      <ul className="tune-teams" aria-labelledby={labelId}>
        {chosen.teams.map((team) => (
          <li key={team}>
            <Button
              look="secondary"
              className="tune-team"
              aria-label={t('unfollow', { team: nameOf(team) })}
              onClick={() => taste.set({ ...chosen, teams: chosen.teams.filter((one) => one !== team) })}
            >
              <Flag team={team} />
              {nameOf(team)}
              <span aria-hidden="true" className="tune-remove">
                ×
              </span>
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Search and filters. A plain form: without JavaScript its button loads the list anew. */
import { useEffect, useId, useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import type { MatchView } from '../../api/types';
import { useHydrated } from '../../app/environment';
import { QUERY_CHARS_MAX } from '../../data/search';
import type { Stages } from '../../data/stages';
import { TO_BE_ANNOUNCED } from '../../data/teams';
import { localized } from '../../i18n/languages';
import { useLocale, useText } from '../../i18n/locale';
import { Select } from '../../ui/field';
import { useGroupName, useStageName } from '../../ui/match-parts';
import { activeFilters, NO_FILTERS, searchOf, stadiumDay, type FilterName, type Filters } from './filters';

const TYPING_MS = 250;

export interface FilterFormProps {
  readonly matches: readonly MatchView[];
  readonly stages: Stages;
  readonly filters: Filters;
  /** What is typed, before it is in the address. */
  readonly typed: string;
  readonly onType: (text: string) => void;
  /** `replace`: no step of the browser's history. */
  readonly onChange: (filters: Filters, replace: boolean) => void;
}

export function FilterForm(props: FilterFormProps): ReactNode {
  const { filters, typed, onType, onChange } = props;
  const t = useText('matches');
  const { code } = useLocale();
  const isHydrated = useHydrated();
  const searchId = useId();
  useEffect(() => {
    if (typed.trim() === filters.q) return undefined;
    const timer = setTimeout(() => onChange({ ...filters, q: typed.trim() }, true), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed, filters, onChange]);
  return (
    <form
      className="filter-form"
      method="get"
      action={localized(code, '/')}
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onChange({ ...filters, q: typed.trim() }, true);
      }}
    >
      {filters.view === 'calendar' && <input type="hidden" name="view" value="calendar" />}
      <div className="search">
        <label className="field-label" htmlFor={searchId}>
          {t('search')}
        </label>
        <div className="search-box">
          <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" className="search-icon">
            <path d="M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM20 20l-4-4" className="stroke" />
          </svg>
          <input
            id={searchId}
            className="field-input"
            type="search"
            name="q"
            value={typed}
            onChange={(event) => onType(event.target.value)}
            placeholder={t('searchPlaceholder')}
            maxLength={QUERY_CHARS_MAX}
            autoComplete="off"
            enterKeyHint="search"
          />
        </div>
      </div>
      <FilterSelects {...props} />
      {!isHydrated && (
        <button type="submit" className="button button-primary filter-submit">
          {t('apply')}
        </button>
      )}
    </form>
  );
}

function FilterSelects({ matches, stages, filters, onChange }: FilterFormProps): ReactNode {
  const t = useText('matches');
  const { nameOf, format } = useLocale();
  const stageName = useStageName();
  const groupName = useGroupName();
  const count = activeFilters(filters).length;
  const [wasOpen] = useState(count > 0);
  const byName = (a: string, b: string): number => nameOf(a).localeCompare(nameOf(b));
  const distinct = (values: readonly string[]): string[] => [...new Set(values)];
  const teams = distinct(matches.flatMap(({ homeTeam, awayTeam }) => [homeTeam, awayTeam]))
    .filter((team) => team !== TO_BE_ANNOUNCED)
    .sort(byName);
  const groups = distinct(matches.flatMap(({ group }) => (group === null ? [] : [group]))).sort();
  const days = distinct(matches.map(stadiumDay)).sort();
  const choices: Readonly<Record<FilterName, readonly (readonly [value: string, label: string])[]>> = {
    team: teams.map((team) => [team, nameOf(team)]),
    group: groups.map((group) => [group, groupName(group)]),
    round: stages.rounds.map((round) => [String(round), stageName(stages.ofRound(round))]),
    location: distinct(matches.map(({ location }) => location))
      .sort(byName)
      .map((location) => [location, nameOf(location)]),
    date: days.map((day) => [day, format.dayShort(day, 'UTC')]),
    status: [
      ['available', t('statusAvailable')],
      ['temporarily_unavailable', t('statusTemporarily')],
      ['sold_out', t('statusSoldOut')],
    ],
  };
  const labels: Readonly<Record<FilterName, string>> = {
    team: t('team'),
    group: t('group'),
    round: t('round'),
    location: t('stadium'),
    date: t('date'),
    status: t('status'),
  };
  const names = Object.keys(labels) as FilterName[];
  return (
    <div className="filters">
      <details className="filters-box" open={wasOpen}>
        <summary className="filters-summary">
          {t('filters')}
          {count > 0 && <span className="filters-count">{t('filtersActive', { count })}</span>}
        </summary>
        <div className="filters-fields">
          {names.map((name) => (
            <Select
              key={name}
              name={name}
              label={labels[name]}
              value={filters[name]}
              onChange={(event) => onChange({ ...filters, [name]: event.target.value }, false)}
            >
              <option value="">{t('any')}</option>
              {choices[name].map(([value, label]) => (
                <option key={value} value={value} suppressHydrationWarning>
                  {label}
                </option>
              ))}
            </Select>
          ))}
        </div>
      </details>
      {count > 0 && (
        <Link
          className="button button-quiet"
          to={{ search: searchOf({ ...NO_FILTERS, view: filters.view }) }}
        >
          {t('clear')}
        </Link>
      )}
    </div>
  );
}

/** Who did what to what, newest first. */
import { useState, type ReactNode } from 'react';
import { Link, useSearchParams } from 'react-router';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { Field } from '../../ui/field';
import { usePages } from '../data';
import { useFigures } from '../figures';
import { ActorName } from '../ui/actor-name';
import { DataTable, type Column } from '../ui/data-table';
import { PageTitle } from '../ui/page-title';
import { Pager } from '../ui/pager';
import { Section } from '../ui/section';
import type { AuditEntry, AuditPage as Entries } from './types';

const PER_PAGE = 50;
const FILTER_CHARS_MAX = 200;

interface Filters {
  readonly actor: string;
  readonly subject: string;
}

function filtersOf(search: URLSearchParams): Filters {
  const text = (name: string): string => (search.get(name) ?? '').trim().slice(0, FILTER_CHARS_MAX);
  return { actor: text('actor'), subject: text('subject') };
}

const searchOf = (filters: Filters): [string, string][] =>
  Object.entries(filters).filter((entry): entry is [string, string] => entry[1] !== '');

export default function AuditPage(): ReactNode {
  const t = useOperatorText('audit');
  const [search, setSearch] = useSearchParams();
  const filters = filtersOf(search);
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <FilterForm
        key={JSON.stringify(filters)}
        filters={filters}
        onChange={(next) => setSearch(searchOf(next))}
      />
      <List filters={filters} />
    </div>
  );
}

/** Typed first, and asked for by pressing: half an id is nobody's. */
function FilterForm(props: {
  readonly filters: Filters;
  readonly onChange: (filters: Filters) => void;
}): ReactNode {
  const { filters, onChange } = props;
  const t = useOperatorText('audit');
  const [actor, setActor] = useState(filters.actor);
  const [subject, setSubject] = useState(filters.subject);
  const isFiltered = filters.actor !== '' || filters.subject !== '';
  return (
    <form
      role="search"
      aria-label={t('filters')}
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        onChange({ actor: actor.trim(), subject: subject.trim() });
      }}
    >
      <div className="operator-filters operator-filters-wide">
        <Field
          label={t('actor')}
          hint={t('actorHint')}
          dir="ltr"
          maxLength={FILTER_CHARS_MAX}
          autoComplete="off"
          spellCheck={false}
          value={actor}
          onChange={(event) => setActor(event.target.value)}
        />
        <Field
          label={t('subject')}
          hint={t('subjectHint')}
          dir="ltr"
          maxLength={FILTER_CHARS_MAX}
          autoComplete="off"
          spellCheck={false}
          value={subject}
          onChange={(event) => setSubject(event.target.value)}
        />
      </div>
      <div className="row">
        <Button type="submit" look="secondary">
          {t('apply')}
        </Button>
        {isFiltered && (
          <Button look="quiet" onClick={() => onChange({ actor: '', subject: '' })}>
            {t('clear')}
          </Button>
        )}
      </div>
    </form>
  );
}

function List({ filters }: { readonly filters: Filters }): ReactNode {
  const t = useOperatorText('audit');
  const figures = useFigures();
  const query = { limit: PER_PAGE, ...Object.fromEntries(searchOf(filters)) };
  const read = usePages<Entries>({ path: '/audit', query });
  const columns: Column<AuditEntry>[] = [
    { key: 'at', header: t('at'), cell: ({ at }) => figures.stamp(at), sort: ({ at }) => at, isName: true },
    {
      key: 'actor',
      header: t('actor'),
      cell: ({ actor }) => <ActorName actor={actor} />,
      sort: ({ actor }) => actor,
    },
    {
      key: 'action',
      header: t('action'),
      cell: ({ action }) => <bdi className="mono">{action}</bdi>,
      sort: ({ action }) => action,
    },
    {
      key: 'subject',
      header: t('subject'),
      cell: ({ subject }) => (
        <Link to={`/operator/audit?subject=${encodeURIComponent(subject)}`}>
          <bdi className="mono breakable">{subject}</bdi>
        </Link>
      ),
      sort: ({ subject }) => subject,
    },
    {
      key: 'details',
      header: t('details'),
      cell: ({ details = {} }) => <Details details={details} />,
      csv: ({ details }) => (details ? JSON.stringify(details) : ''),
    },
    {
      key: 'address',
      header: t('address'),
      cell: ({ address }) => <bdi className="mono">{address ?? '–'}</bdi>,
      sort: ({ address }) => address ?? '',
    },
  ];
  return (
    <Section title={t('entries')} read={read}>
      <DataTable
        caption={t('entries')}
        isCaptionHidden
        isDense
        columns={columns}
        rows={read.data?.entries ?? []}
        rowKey={({ id }) => id}
        empty={t('none')}
        csv="audit"
      />
      <Pager place={read.place} caption={t('entries')} />
    </Section>
  );
}

function Details({ details }: { readonly details: NonNullable<AuditEntry['details']> }): ReactNode {
  const entries = Object.entries(details);
  if (entries.length === 0) return '–';
  return (
    <dl className="operator-details">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt className="soft">{name}</dt>
          <dd dir="auto">{String(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

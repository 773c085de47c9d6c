/** All tickets as their actors have them now: what is ours, what others took, and who works on it. */
import { useState, type ReactNode } from 'react';
import { useSearchParams } from 'react-router';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { Select } from '../../ui/field';
import { useRead } from '../data';
import { useFigures } from '../figures';
import { useMatchName } from '../sales/names';
import { Check } from '../ui/check';
import { PageTitle } from '../ui/page-title';
import { Section } from '../ui/section';
import { Tile, Tiles } from '../ui/tiles';
import { Sign, Verdict } from '../ui/verdict';
import { BarFills, BarLegend } from './bar';
import { TicketTable } from './table';
import type { LiveTickets, LiveTicketState } from './types';
import { filtersOf, NOBODY, searchOf, shownOf, sumsOf, type LiveFilters } from './view';
import './live.css';

const POLL_MS = 2_000;

export default function LivePage(): ReactNode {
  const t = useOperatorText('live');
  const [isPaused, setPaused] = useState(false);
  const [search, setSearch] = useSearchParams();
  const filters = filtersOf(search);
  const read = useRead<LiveTickets>({ path: '/operations/tickets' }, isPaused ? {} : { everyMs: POLL_MS });
  const tickets = read.data?.tickets ?? [];
  const shown = shownOf(tickets, filters);
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <BarFills />
      <Section
        title={t('sums')}
        about={t(isPaused ? 'aboutPaused' : 'about', { seconds: POLL_MS / 1_000 })}
        read={read}
        asOf={read.data?.at}
        actions={
          <Button
            look="quiet"
            className="operator-small"
            aria-pressed={isPaused}
            onClick={() => setPaused(!isPaused)}
          >
            {t('pause')}
          </Button>
        }
      >
        <SumTiles tickets={tickets} />
      </Section>
      {read.data && (
        <Section title={t('tickets')}>
          <FilterFields
            filters={filters}
            tickets={tickets}
            onChange={(next) => setSearch(searchOf(next), { replace: true })}
          />
          <div className="live-above">
            <p role="status" className="soft">
              {t('shown', { shown: shown.length, all: tickets.length })}
            </p>
            <BarLegend />
          </div>
          <TicketTable tickets={shown} />
        </Section>
      )}
    </div>
  );
}

function SumTiles({ tickets }: { readonly tickets: readonly LiveTicketState[] }): ReactNode {
  const t = useOperatorText('live');
  const figures = useFigures();
  const sums = sumsOf(tickets);
  const part = (of: number): string | undefined =>
    sums.capacity === 0 ? undefined : figures.percent(of / sums.capacity);
  return (
    <Tiles>
      <Tile name={t('capacity')}>{figures.number(sums.capacity)}</Tile>
      <Tile name={t('ours')} note={part(sums.ours)}>
        {figures.number(sums.ours)}
      </Tile>
      <Tile name={t('elsewhere')} note={part(sums.elsewhere)}>
        {figures.number(sums.elsewhere)}
      </Tile>
      <Tile name={t('free')} note={part(sums.free)}>
        {figures.number(sums.free)}
      </Tile>
      <Tile
        name={t('oversubscribed')}
        note={
          <Verdict kind={sums.oversubscribed > 0 ? 'look' : 'fine'}>
            {t('oversubscribedTickets', { count: sums.oversubscribedTickets })}
          </Verdict>
        }
      >
        {figures.number(sums.oversubscribed)}
      </Tile>
      <Tile name={t('neglected')} note={sums.neglected > 0 ? <Verdict kind="look" /> : undefined}>
        {figures.number(sums.neglected)}
      </Tile>
      <Tile name={t('waiting')}>{figures.number(sums.waiting)}</Tile>
      <Tile name={t('outbox')}>{figures.number(sums.outbox)}</Tile>
    </Tiles>
  );
}

function FilterFields(props: {
  readonly filters: LiveFilters;
  readonly tickets: readonly LiveTicketState[];
  readonly onChange: (filters: LiveFilters) => void;
}): ReactNode {
  const { filters, tickets, onChange } = props;
  const t = useOperatorText('live');
  const matchName = useMatchName();
  const matches = [...new Set(tickets.map(({ matchNumber }) => matchNumber))].sort((a, b) => a - b);
  const owners = [...new Set(tickets.map(({ owner }) => owner ?? NOBODY))].sort();
  // What is chosen stays in its list while nothing has it.
  if (filters.owner !== '' && !owners.includes(filters.owner)) owners.push(filters.owner);
  return (
    <div className="operator-filters" role="group" aria-label={t('filters')}>
      <Select
        label={t('match')}
        value={filters.match}
        onChange={(event) => onChange({ ...filters, match: event.target.value })}
      >
        <option value="">{t('every')}</option>
        {matches.map((matchNumber) => (
          <option key={matchNumber} value={String(matchNumber)}>
            {matchName(matchNumber)}
          </option>
        ))}
      </Select>
      <Select
        label={t('owner')}
        value={filters.owner}
        onChange={(event) => onChange({ ...filters, owner: event.target.value })}
      >
        <option value="">{t('every')}</option>
        {owners.map((owner) => (
          <option key={owner} value={owner}>
            {owner === NOBODY ? t('nobody') : owner}
          </option>
        ))}
      </Select>
      <Check
        isChecked={filters.isOversubscribed}
        onChange={(isOversubscribed) => onChange({ ...filters, isOversubscribed })}
      >
        <Sign kind="look" /> {t('onlyOversubscribed')}
      </Check>
    </div>
  );
}

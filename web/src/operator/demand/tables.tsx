/** The forecast of each ticket, and who took more than was left. */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { Badge } from '../../ui/panels';
import { useFigures } from '../figures';
import { DataTable, type Column } from '../ui/data-table';
import { Id } from '../ui/facts';
import { useTicketColumns } from '../ui/ticket-columns';
import { Verdict } from '../ui/verdict';
import { ForecastBar } from './bar';
import type { Demand, Oversubscriber, TicketDemand } from './types';
import { sortOf } from './view';
import { useForecastWords } from './words';

const COUNTS = [
  'available',
  'held',
  'soldLastDay',
  'soldLastWeek',
] as const satisfies readonly (keyof TicketDemand)[];

export function ForecastTable(props: {
  readonly tickets: readonly TicketDemand[];
  readonly at: string;
}): ReactNode {
  const { tickets, at } = props;
  const t = useOperatorText('demand');
  const figures = useFigures();
  const ticketColumns = useTicketColumns(t('match'), t('category'));
  const wordsOf = useForecastWords(at);
  const count = (key: (typeof COUNTS)[number]): Column<TicketDemand> => ({
    key,
    header: t(key),
    cell: (ticket) => figures.number(ticket[key]),
    sort: (ticket) => ticket[key],
    isNumber: true,
  });
  const columns: Column<TicketDemand>[] = [
    ...ticketColumns,
    {
      key: 'forecast',
      header: t('forecast'),
      cell: (ticket) => <Words ticket={ticket} words={wordsOf(ticket)} />,
      sort: sortOf,
      csv: wordsOf,
    },
    {
      key: 'bar',
      header: t('picture'),
      cell: (ticket) => <ForecastBar ticket={ticket} at={at} words={wordsOf(ticket)} />,
      csv: null,
    },
    {
      key: 'chance',
      header: t('chance'),
      cell: ({ chance }) => (chance === undefined ? '' : figures.percent(Math.round(100 * chance) / 100)),
      sort: ({ chance = -1 }) => chance,
      csv: ({ chance }) => chance,
      isNumber: true,
    },
    ...COUNTS.map(count),
  ];
  return (
    <DataTable
      caption={t('forecasts')}
      isCaptionHidden
      isDense
      columns={columns}
      rows={tickets}
      rowKey={({ matchNumber, category }) => `${matchNumber}:${category}`}
      empty={t('none')}
    />
  );
}

const TONES = {
  temporarily_unavailable: 'warn',
  too_little_history: 'plain',
  paused: 'warn',
  sold_out: 'plain',
  closed: 'plain',
  cancelled: 'bad',
} as const;

function Words({ ticket, words }: { readonly ticket: TicketDemand; readonly words: string }): ReactNode {
  const t = useOperatorText('demand');
  const { outlook, oversubscribed } = ticket;
  return (
    <span className="demand-words">
      {outlook === 'forecast' ? words : <Badge tone={TONES[outlook]}>{words}</Badge>}
      {oversubscribed > 0 && (
        <>
          {' '}
          <Verdict kind="look">{t('tooMany', { count: oversubscribed })}</Verdict>
        </>
      )}
    </span>
  );
}

export function DeficitTable({ tickets }: { readonly tickets: readonly TicketDemand[] }): ReactNode {
  const t = useOperatorText('demand');
  const figures = useFigures();
  const ticketColumns = useTicketColumns(t('match'), t('category'));
  const columns: Column<TicketDemand>[] = [
    ...ticketColumns,
    {
      key: 'deficit',
      header: t('deficit'),
      cell: ({ oversubscribed }) => figures.number(oversubscribed),
      sort: ({ oversubscribed }) => oversubscribed,
      isNumber: true,
    },
    {
      key: 'holders',
      header: t('holders'),
      cell: ({ holders }) => <Holders holders={holders} />,
      csv: ({ holders }) =>
        holders.map(({ clientId, held, sold }) => `${clientId} ${held}/${sold}`).join('; '),
    },
  ];
  return (
    <DataTable
      caption={t('deficits')}
      isCaptionHidden
      columns={columns}
      rows={tickets.filter(({ oversubscribed }) => oversubscribed > 0)}
      rowKey={({ matchNumber, category }) => `${matchNumber}:${category}`}
      empty={t('noDeficit')}
      csv="oversubscribed"
    />
  );
}

function Holders({ holders }: Pick<TicketDemand, 'holders'>): ReactNode {
  const t = useOperatorText('demand');
  return (
    <ul className="demand-holders">
      {holders.map(({ clientId, isOwn, held, sold }) => (
        <li key={clientId}>
          <Id>{clientId}</Id> {isOwn && <span className="soft">({t('own')})</span>} {t('has', { held, sold })}
        </li>
      ))}
    </ul>
  );
}

export function OversubscriberTable({ rows }: { readonly rows: Demand['oversubscribers'] }): ReactNode {
  const t = useOperatorText('demand');
  const figures = useFigures();
  type Row = Oversubscriber & { readonly tickets: number };
  const count = (key: 'hours' | 'tickets' | 'ticketsMost'): Column<Row> => ({
    key,
    header: t(key),
    cell: (row) => figures.number(row[key]),
    sort: (row) => row[key],
    isNumber: true,
  });
  const columns: Column<Row>[] = [
    {
      key: 'peer',
      header: t('peer'),
      cell: ({ clientId }) => <Id>{clientId}</Id>,
      sort: ({ clientId }) => clientId,
      isName: true,
    },
    count('hours'),
    count('tickets'),
    count('ticketsMost'),
  ];
  return (
    <DataTable
      caption={t('oversubscribers')}
      isCaptionHidden
      columns={columns}
      rows={rows}
      rowKey={({ clientId }) => clientId}
      empty={t('noOversubscribers')}
      csv="oversubscribers"
    />
  );
}

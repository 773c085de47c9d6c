/** The counters of each ticket. */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { Badge } from '../../ui/panels';
import { useFigures } from '../figures';
import { DataTable, type Column } from '../ui/data-table';
import { useTicketColumns } from '../ui/ticket-columns';
import { Verdict } from '../ui/verdict';
import { CapacityBar } from './bar';
import type { LiveTicketState } from './types';
import { isNeglected } from './view';

const COUNTS = [
  'capacity',
  'available',
  'pending',
  'heldHere',
  'soldHere',
  'heldElsewhere',
  'soldElsewhere',
  'oversubscribed',
] as const satisfies readonly (keyof LiveTicketState)[];
const WORK = ['waiting', 'active', 'outbox'] as const satisfies readonly (keyof LiveTicketState)[];

export function TicketTable({ tickets }: { readonly tickets: readonly LiveTicketState[] }): ReactNode {
  const t = useOperatorText('live');
  const figures = useFigures();
  const ticketColumns = useTicketColumns(t('match'), t('category'));
  const count = (key: (typeof COUNTS)[number] | (typeof WORK)[number]): Column<LiveTicketState> => ({
    key,
    header: t(key),
    cell: (ticket) => figures.number(ticket[key]),
    sort: (ticket) => ticket[key],
    isNumber: true,
  });
  const columns: Column<LiveTicketState>[] = [
    ...ticketColumns,
    { key: 'bar', header: t('division'), cell: (ticket) => <CapacityBar ticket={ticket} />, csv: null },
    {
      key: 'state',
      header: t('state'),
      cell: (ticket) => <States ticket={ticket} />,
      sort: (ticket) => statesOf(ticket).join(),
    },
    ...COUNTS.map(count),
    {
      key: 'owner',
      header: t('owner'),
      cell: (ticket) => <Owner ticket={ticket} />,
      isShort: true,
      sort: ({ owner }) => owner ?? '',
    },
    ...WORK.map(count),
  ];
  return (
    <DataTable
      caption={t('tickets')}
      isCaptionHidden
      isDense
      columns={columns}
      rows={tickets}
      rowKey={({ matchNumber, category }) => `${matchNumber}:${category}`}
      sortedBy={{ key: 'match', direction: 'ascending' }}
      empty={t('none')}
      csv="tickets"
      rowClass={({ oversubscribed }) => (oversubscribed > 0 ? 'live-oversubscribed' : undefined)}
    />
  );
}

type State = 'oversubscribed' | 'cancelled' | 'paused' | 'closed';

function statesOf({ oversubscribed, cancelled, paused, closed }: LiveTicketState): readonly State[] {
  return [
    ...(oversubscribed > 0 ? (['oversubscribed'] as const) : []),
    ...(cancelled ? (['cancelled'] as const) : []),
    ...(paused ? (['paused'] as const) : []),
    // Of a cancelled match there is no more to say.
    ...(closed && !cancelled ? (['closed'] as const) : []),
  ];
}

const TONES = { cancelled: 'bad', paused: 'warn', closed: 'plain' } as const;

function States({ ticket }: { readonly ticket: LiveTicketState }): ReactNode {
  const t = useOperatorText('live');
  const states = statesOf(ticket);
  if (states.length === 0) return <span className="soft">{t('states.open')}</span>;
  return (
    <span className="live-states">
      {states.map((state) =>
        state === 'oversubscribed' ? (
          <Verdict key={state} kind="look">
            {t('tooMany', { count: ticket.oversubscribed })}
          </Verdict>
        ) : (
          <Badge key={state} tone={TONES[state]}>
            {t(`states.${state}`)}
          </Badge>
        ),
      )}
    </span>
  );
}

function Owner({ ticket }: { readonly ticket: LiveTicketState }): ReactNode {
  const t = useOperatorText('live');
  if (ticket.owner !== null) return <bdi>{ticket.owner}</bdi>;
  return isNeglected(ticket) ? (
    <Verdict kind="look">{t('nobody')}</Verdict>
  ) : (
    <span className="soft">{t('nobody')}</span>
  );
}

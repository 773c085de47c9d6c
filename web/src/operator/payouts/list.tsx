import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useOperatorText } from '../../i18n/operator';
import { Badge, type BadgeTone } from '../../ui/panels';
import { usePages } from '../data';
import { useFigures } from '../figures';
import { DataTable, type Column } from '../ui/data-table';
import { Id } from '../ui/facts';
import { Minor } from '../ui/money';
import { PageTitle } from '../ui/page-title';
import { Pager } from '../ui/pager';
import { Section } from '../ui/section';
import { Verdict } from '../ui/verdict';
import {
  payouts,
  PENDING_BALANCE,
  statusOf,
  verdictOf,
  type Payout,
  type PayoutPage,
  type PayoutStatus,
} from './data';

export function PayoutList(): ReactNode {
  const t = useOperatorText('payouts');
  const read = usePages<PayoutPage>(payouts);
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <p>
        <Link to={`/operator/payouts/${PENDING_BALANCE}`}>{t('toPending')}</Link>
      </p>
      <Section title={t('listTitle')} about={t('listAbout')} read={read}>
        <List payouts={read.data?.payouts ?? []} />
        <Pager place={read.place} caption={t('listTitle')} />
      </Section>
    </div>
  );
}

const TONES: Readonly<Record<PayoutStatus, BadgeTone>> = {
  paid: 'good',
  pending: 'wait',
  in_transit: 'wait',
  canceled: 'plain',
  failed: 'bad',
  other: 'plain',
};

export function StatusBadge({ status }: { readonly status: string }): ReactNode {
  const t = useOperatorText('payouts');
  const known = statusOf(status);
  return <Badge tone={TONES[known]}>{known === 'other' ? status : t(`statuses.${known}`)}</Badge>;
}

function List({ payouts: rows }: { readonly payouts: readonly Payout[] }): ReactNode {
  const t = useOperatorText('payouts');
  const { stamp, day } = useFigures();
  const columns: Column<Payout>[] = [
    {
      key: 'id',
      header: t('payout'),
      isName: true,
      sort: ({ id }) => id,
      cell: ({ id }) => (
        <Link to={`/operator/payouts/${encodeURIComponent(id)}`}>
          <Id>{id}</Id>
        </Link>
      ),
    },
    {
      key: 'createdAt',
      header: t('created'),
      sort: ({ createdAt }) => createdAt,
      cell: ({ createdAt }) => <span className="nowrap">{stamp(createdAt)}</span>,
    },
    {
      key: 'arrivalDate',
      header: t('arrives'),
      sort: ({ arrivalDate }) => arrivalDate,
      cell: ({ arrivalDate }) => day(arrivalDate, 'UTC'),
    },
    {
      key: 'status',
      header: t('status'),
      sort: ({ status }) => status,
      cell: ({ status, automatic }) => (
        <>
          <StatusBadge status={status} />
          {!automatic && <span className="soft small block">{t('manual')}</span>}
        </>
      ),
    },
    {
      key: 'compared',
      header: t('compared'),
      csv: ({ comparison }) => comparison?.mismatches,
      cell: (payout) => <Compared payout={payout} />,
    },
    {
      key: 'amount',
      header: t('amount'),
      isNumber: true,
      sort: ({ amountMinor }) => amountMinor,
      cell: ({ amountMinor, currency }) => <Minor amountMinor={amountMinor} currency={currency} />,
    },
  ];
  return (
    <DataTable
      caption={t('listTitle')}
      isCaptionHidden
      columns={columns}
      rows={rows}
      rowKey={({ id }) => id}
      empty={t('none')}
      csv="payouts"
    />
  );
}

/** As the last comparison found it; a payout's own page compares anew. */
function Compared({ payout }: { readonly payout: Payout }): ReactNode {
  const t = useOperatorText('payouts');
  const { stamp } = useFigures();
  const kind = verdictOf(payout);
  const { comparison } = payout;
  return (
    <>
      <Verdict kind={kind}>
        {kind === 'look'
          ? t('mismatches', { count: payout.comparison?.mismatches ?? 0 })
          : kind === 'fine'
            ? t('agrees')
            : comparison
              ? t('comparedPartly')
              : t('notCompared')}
      </Verdict>
      {comparison && <span className="soft small block">{stamp(comparison.at)}</span>}
    </>
  );
}

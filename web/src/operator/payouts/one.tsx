import { useState, type ReactNode } from 'react';
import { Link, useParams } from 'react-router';
import { asProblem, type ApiProblem } from '../../api';
import { useOperatorText } from '../../i18n/operator';
import { save } from '../../tickets/download';
import { Notice } from '../../ui/panels';
import { useRead } from '../data';
import { useFigures } from '../figures';
import { DataTable, type Column } from '../ui/data-table';
import { Fact, Facts, Id } from '../ui/facts';
import { Minor } from '../ui/money';
import { PageTitle } from '../ui/page-title';
import { Refusal } from '../ui/refusal';
import { Section } from '../ui/section';
import { ServerWords } from '../ui/server-words';
import { Tile, Tiles } from '../ui/tiles';
import { Verdict } from '../ui/verdict';
import {
  isInOrder,
  isMismatch,
  lineTypeOf,
  missingReasonOf,
  payoutCsv,
  payoutOf,
  shownLines,
  PENDING_BALANCE,
  unexplained,
  type MissingPayment,
  type PayoutDetail,
  type PayoutLine,
} from './data';
import { StatusBadge } from './list';

export function OnePayout(): ReactNode {
  const { id = '' } = useParams();
  const t = useOperatorText('payouts');
  const isPending = id === PENDING_BALANCE;
  const read = useRead<PayoutDetail>(payoutOf(id));
  const { data } = read;
  return (
    <div className="stack">
      <p>
        <Link to="/operator/payouts" className="back">
          {t('back')}
        </Link>
      </p>
      <PageTitle title={isPending ? t('pendingTitle') : t('payoutTitle')} />
      <Section title={t('summary')} {...(isPending && { about: t('pendingAbout') })} read={read}>
        {data && <Summary data={data} />}
      </Section>
      {data && data.missing.length > 0 && (
        <Section title={t('missingTitle')} about={t('missingAbout')}>
          <Missing missing={data.missing} currency={data.currency} />
        </Section>
      )}
      {data && (
        <Section title={t('linesTitle')} about={t('linesAbout')}>
          <Lines id={id} data={data} />
        </Section>
      )}
    </div>
  );
}

const TOTALS = [
  'chargesMinor',
  'refundsMinor',
  'disputesMinor',
  'feesMinor',
  'otherMinor',
  'netMinor',
] as const satisfies readonly (keyof PayoutDetail['totals'])[];

function Summary({ data }: { readonly data: PayoutDetail }): ReactNode {
  const t = useOperatorText('payouts');
  const { stamp, day } = useFigures();
  const { payout, totals, currency, isComplete, mismatches } = data;
  const isOff = unexplained(data) > 0;
  return (
    <>
      {isInOrder(data) ? (
        <Notice tone="good" title={t('inOrder')} />
      ) : (
        <Notice tone={mismatches > 0 ? 'bad' : 'warn'} title={t('mismatches', { count: mismatches })}>
          {isOff && <p>{t('sumDiffers')}</p>}
          {!isComplete && <p>{payout?.automatic === false ? t('byHand') : t('incomplete')}</p>}
        </Notice>
      )}
      {payout && (
        <Facts>
          <Fact name={t('payout')}>
            <Id>{payout.id}</Id>
          </Fact>
          <Fact name={t('status')}>
            <StatusBadge status={payout.status} />
          </Fact>
          <Fact name={t('amount')}>
            <Minor amountMinor={payout.amountMinor} currency={payout.currency} />
          </Fact>
          <Fact name={t('created')}>{stamp(payout.createdAt)}</Fact>
          <Fact name={t('arrives')}>{day(payout.arrivalDate, 'UTC')}</Fact>
        </Facts>
      )}
      <Tiles>
        {TOTALS.map((total) => (
          <Tile key={total} name={t(`totals.${total}`)}>
            <Minor amountMinor={totals[total]} currency={currency} />
          </Tile>
        ))}
      </Tiles>
    </>
  );
}

function ReservationLink({ id }: { readonly id: string }): ReactNode {
  return (
    <Link to={`/operator/reservations#${encodeURIComponent(id)}`}>
      <Id>{id}</Id>
    </Link>
  );
}

function Missing(props: {
  readonly missing: readonly MissingPayment[];
  readonly currency: string;
}): ReactNode {
  const { missing, currency } = props;
  const t = useOperatorText('payouts');
  const columns: Column<MissingPayment>[] = [
    {
      key: 'payment',
      header: t('payment'),
      isName: true,
      sort: ({ paymentId }) => paymentId,
      cell: ({ paymentId }) => <ReservationLink id={paymentId} />,
    },
    {
      key: 'reason',
      header: t('reason'),
      sort: ({ reason }) => reason,
      cell: ({ reason }) => {
        const known = missingReasonOf(reason);
        return known === null ? <ServerWords>{reason}</ServerWords> : t(`missingReasons.${known}`);
      },
    },
    {
      key: 'reservation',
      header: t('reservation'),
      sort: ({ reservationId }) => reservationId,
      cell: ({ reservationId }) => <ReservationLink id={reservationId} />,
    },
    {
      key: 'amount',
      header: t('charged'),
      isNumber: true,
      sort: ({ amountMinor }) => amountMinor,
      cell: ({ amountMinor }) => <Minor amountMinor={amountMinor} currency={currency} />,
    },
    {
      key: 'refunded',
      header: t('refunded'),
      isNumber: true,
      sort: ({ refundedMinor }) => refundedMinor,
      cell: ({ refundedMinor }) => <Minor amountMinor={refundedMinor} currency={currency} />,
    },
  ];
  return (
    <DataTable
      caption={t('missingTitle')}
      isCaptionHidden
      columns={columns}
      rows={missing}
      rowKey={({ paymentId, reason }) => `${paymentId} ${reason}`}
      csv="missing-payments"
    />
  );
}

function Lines({ id, data }: { readonly id: string; readonly data: PayoutDetail }): ReactNode {
  const t = useOperatorText('payouts');
  const { stamp } = useFigures();
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const { lines, currency } = data;
  const shown = shownLines(lines);
  const download = async (): Promise<void> => {
    setProblem(null);
    try {
      save(await payoutCsv(id), `payout-${id}.csv`);
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  const columns: Column<PayoutLine>[] = [
    {
      key: 'type',
      header: t('type'),
      isName: true,
      sort: ({ type }) => type,
      cell: ({ type, id: line }) => <span title={line}>{t(`types.${lineTypeOf(type)}`)}</span>,
    },
    {
      key: 'match',
      header: t('compared'),
      cell: (line) => <LineVerdict line={line} />,
    },
    {
      key: 'at',
      header: t('at'),
      sort: ({ at }) => at,
      cell: ({ at }) => <span className="nowrap">{stamp(at)}</span>,
    },
    money('amountMinor', t('amount'), currency),
    money('feeMinor', t('fee'), currency),
    money('netMinor', t('net'), currency),
    {
      key: 'reservation',
      header: t('reservation'),
      cell: ({ reservationId, paymentId }) =>
        reservationId !== undefined ? (
          <ReservationLink id={reservationId} />
        ) : (
          paymentId !== undefined && <Id>{paymentId}</Id>
        ),
    },
  ];
  return (
    <>
      <DataTable
        caption={t('linesTitle')}
        isCaptionHidden
        isDense
        columns={columns}
        rows={shown}
        rowKey={(line) => line.id}
        empty={t('noLines')}
        rowClass={(line) => (isMismatch(line) ? 'operator-flagged' : undefined)}
        csv={`payout-${id}`}
        onDownload={download}
      />
      {shown.length < lines.length && <p>{t('linesLeftOut', { count: lines.length - shown.length })}</p>}
      {problem && <Refusal problem={problem} />}
    </>
  );
}

function money(
  key: 'amountMinor' | 'feeMinor' | 'netMinor',
  header: string,
  currency: string,
): Column<PayoutLine> {
  return {
    key,
    header,
    isNumber: true,
    sort: (line) => line[key],
    cell: (line) => <Minor amountMinor={line[key]} currency={line.currency ?? currency} />,
  };
}

const VERDICTS = { ok: 'fine', other: 'unknown', unknown_payment: 'look', amount_differs: 'look' } as const;

function LineVerdict({ line: { match, detail } }: { readonly line: PayoutLine }): ReactNode {
  const t = useOperatorText('payouts');
  return (
    <>
      <Verdict kind={VERDICTS[match]}>{t(`matches.${match}`)}</Verdict>
      {detail !== undefined && <ServerWords>{detail}</ServerWords>}
    </>
  );
}

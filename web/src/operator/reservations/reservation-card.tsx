/** A reservation as operators see it: how it stands, what is true of its money, and what can be done. */
import type { ReactNode } from 'react';
import type { ReservationStatus } from '../../api/types';
import { useOperatorText } from '../../i18n/operator';
import { useLocale } from '../../i18n/locale';
import { Badge, Notice, type BadgeTone, type NoticeTone } from '../../ui/panels';
import { Money } from '../../ui/time';
import { useFigures } from '../figures';
import { Fact, Facts, Id } from '../ui/facts';
import { Minor } from '../ui/money';
import { ServerWords } from '../ui/server-words';
import { TicketName } from '../ui/ticket-name';
import {
  boughtQuantity,
  moneyTruths,
  type FoundReservation,
  type MoneyTruth,
  type OperatorPayment,
} from './data';
import { Deeds } from './deeds';

const TONES: Readonly<Record<ReservationStatus, BadgeTone>> = {
  PENDING: 'warn',
  PAYING: 'wait',
  RESERVED: 'good',
  CANCELLED: 'plain',
  EXPIRED: 'plain',
  REFUNDED: 'plain',
};

export function ReservationCard({ reservation }: { readonly reservation: FoundReservation }): ReactNode {
  const t = useOperatorText('reservations');
  const { status, matchNumber, category, payment } = reservation;
  const truths = moneyTruths(reservation);
  return (
    <article className="card stack reservation-card" aria-label={reservation.id}>
      <div className="reservation-card-head">
        <h3>
          <TicketName matchNumber={matchNumber} category={category} />
        </h3>
        <Badge tone={TONES[status]}>{t(`statuses.${status}`)}</Badge>
      </div>
      {truths.map((truth) => (
        <Truth key={truth.kind} truth={truth} currency={reservation.currency} />
      ))}
      <About reservation={reservation} />
      {payment && <Payment payment={payment} />}
      <Deeds reservation={reservation} />
    </article>
  );
}

function About({ reservation }: { readonly reservation: FoundReservation }): ReactNode {
  const t = useOperatorText('reservations');
  const { stamp } = useFigures();
  const { code } = useLocale();
  const { id, status, email, account, country, createdAt, updatedAt, expiresAt, reason } = reservation;
  const { quantity, refundedQuantity, unitPrice, currency } = reservation;
  const bought = boughtQuantity(reservation);
  const isHeld = status === 'PENDING' || status === 'PAYING';
  return (
    <Facts>
      <Fact name={t('email')}>
        <bdi>{email}</bdi>
      </Fact>
      <Fact name={t('tickets')}>
        {refundedQuantity === 0
          ? t('ticketCount', { count: quantity })
          : t('ticketsLeft', { left: bought - refundedQuantity, bought, back: refundedQuantity })}
      </Fact>
      <Fact name={t('price')}>
        <Money amount={unitPrice} currency={currency} />
        {bought > 1 && (
          <>
            {' · '}
            {t('inAll')} <Money amount={unitPrice * bought} currency={currency} />
          </>
        )}
      </Fact>
      <Fact name={t('created')}>{stamp(createdAt)}</Fact>
      <Fact name={t('updated')}>
        {stamp(updatedAt)}
        {reason !== undefined && ` (${t(`reasons.${reason}`)})`}
      </Fact>
      {isHeld && <Fact name={t('holdEnds')}>{stamp(expiresAt)}</Fact>}
      <Fact name={t('account')}>{account === undefined ? t('guest') : <Id>{account}</Id>}</Fact>
      {country !== undefined && <Fact name={t('country')}>{countryName(country, code)}</Fact>}
      <Fact name={t('id')}>
        <Id>{id}</Id>
      </Fact>
    </Facts>
  );
}

function countryName(country: string, code: string): string {
  try {
    return new Intl.DisplayNames(code, { type: 'region' }).of(country) ?? country;
  } catch {
    return country;
  }
}

function Payment({ payment }: { readonly payment: OperatorPayment }): ReactNode {
  const t = useOperatorText('reservations');
  const { stamp } = useFigures();
  const { id, status, amountMinor, refundedMinor, currency, receiptUrl, updatedAt } = payment;
  return (
    <div className="stack reservation-payment">
      <h4>{t('payment')}</h4>
      <Facts>
        <Fact name={t('charged')}>
          <Minor amountMinor={amountMinor} currency={currency} />
        </Fact>
        <Fact name={t('refunded')}>
          <Minor amountMinor={refundedMinor} currency={currency} />
        </Fact>
        <Fact name={t('providerStatus')}>
          <Id>{status}</Id>
        </Fact>
        <Fact name={t('seen')}>{stamp(updatedAt)}</Fact>
        <Fact name={t('paymentId')}>
          <Id>{id}</Id>
        </Fact>
        {receiptUrl !== undefined && (
          <Fact name={t('receipt')}>
            <a href={receiptUrl} rel="noreferrer noopener" target="_blank">
              {t('openReceipt')}
            </a>
          </Fact>
        )}
      </Facts>
    </div>
  );
}

const TRUTH_TONES: Readonly<Record<MoneyTruth['kind'], NoticeTone>> = {
  stuck: 'bad',
  dispute_open: 'bad',
  dispute_lost: 'bad',
  dispute_won: 'info',
  late_pending: 'warn',
  late_reserved: 'info',
  late_refunded: 'info',
  refund_owed: 'warn',
  unsettled: 'info',
};

function Truth({ truth, currency }: { readonly truth: MoneyTruth; readonly currency: string }): ReactNode {
  const t = useOperatorText('reservations');
  const { minor } = useFigures();
  const { kind } = truth;
  return (
    <Notice tone={TRUTH_TONES[kind]} title={t(`truths.${kind}.title`)}>
      <p>
        {kind === 'refund_owed'
          ? t(`truths.${kind}.body`, { amount: minor(truth.owedMinor, currency) })
          : t(`truths.${kind}.body`)}
      </p>
      {kind === 'stuck' && <ServerWords>{truth.reason}</ServerWords>}
    </Notice>
  );
}

/** Bought: the tickets, and what can be done with them. */
import type { ReactNode } from 'react';
import type { Reservation } from '../../api/types';
import type { PaymentState } from '../../checkout/types';
import { useLocale, useText } from '../../i18n/locale';
import { RefundTickets } from '../../tickets/refund';
import { TicketList } from '../../tickets/ticket-list';
import { useReservationTickets } from '../../tickets/data';
import { refundOfPayment } from '../../tickets/view';
import { ButtonLink } from '../../ui/button';
import { Notice } from '../../ui/panels';
import { useSession } from '../../ui/session';

export function Bought(props: {
  readonly reservation: Reservation;
  readonly payment: PaymentState | null;
  readonly onChanged: () => void;
}): ReactNode {
  const { reservation, payment, onChanged } = props;
  const t = useText('checkout');
  const refund = useText('refund');
  const { format } = useLocale();
  const session = useSession();
  const { data } = useReservationTickets(reservation.id);
  const back = refundOfPayment(reservation, payment);
  return (
    <>
      <Notice tone="good" title={t('boughtTitle', { count: reservation.quantity })}>
        <p>{t('boughtBody', { email: reservation.email })}</p>
        {payment?.late === 'reserved' && <p>{t('lateReserved')}</p>}
        {back && back.kind !== 'pending' && (
          <p suppressHydrationWarning>
            {refund('truthSent', { amount: format.money(back.amount, reservation.currency) })}
          </p>
        )}
      </Notice>
      <TicketList reservationId={reservation.id} />
      <div className="row">
        <ButtonLink to="/tickets" look="secondary">
          {t('toTickets')}
        </ButtonLink>
        {payment?.receiptUrl !== undefined && (
          <a className="button button-quiet" href={payment.receiptUrl} target="_blank" rel="noreferrer">
            {t('receipt')}
          </a>
        )}
        <RefundTickets reservation={reservation} tickets={data} onChanged={onChanged} />
      </div>
      {session.kind === 'guest' && <p className="soft small">{t('guestNote')}</p>}
    </>
  );
}

/** A reservation in a list: what it is, how it stands, and what can be done with it. */
import { useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import type { Reservation, ReservationStatus } from '../api/types';
import { useText } from '../i18n/locale';
import { Button, ButtonLink } from '../ui/button';
import { Countdown } from '../ui/countdown-view';
import { MatchNoticeBadge } from '../ui/match-notice';
import { Badge, Card, type BadgeTone } from '../ui/panels';
import { Money } from '../ui/time';
import { useReservationTickets } from './data';
import { MatchLine, useMatchOf } from './match-line';
import { RefundTickets } from './refund';
import { TicketList } from './ticket-list';
import type { Group } from './view';

const TONES: Readonly<Record<ReservationStatus, BadgeTone>> = {
  PENDING: 'warn',
  PAYING: 'wait',
  RESERVED: 'good',
  CANCELLED: 'plain',
  EXPIRED: 'plain',
  REFUNDED: 'plain',
};

export function ReservationRow(props: {
  readonly reservation: Reservation;
  readonly group: Group;
}): ReactNode {
  const { reservation, group } = props;
  const { id, status, matchNumber, category, quantity, unitPrice, currency, expiresAt } = reservation;
  const t = useText('tickets');
  const summary = useText('summary');
  const { match, when, where } = useMatchOf(matchNumber);
  const isDeclined = group === 'waiting' && status === 'CANCELLED';
  return (
    <Card className="stack reservation">
      <div className="reservation-head">
        <h3>
          <Link to={`/reservations/${id}`}>
            <MatchLine matchNumber={matchNumber} />
          </Link>
        </h3>
        {match && <MatchNoticeBadge match={match} />}
        <Badge tone={isDeclined ? 'bad' : TONES[status]}>
          {isDeclined ? t('declined') : t(`statuses.${status}`)}
        </Badge>
      </div>
      <p className="soft">
        {[when, where, summary('categoryValue', { category }), summary('tickets', { count: quantity })]
          .filter((part) => part !== null)
          .join(' · ')}
        {' · '}
        <Money amount={unitPrice * quantity} currency={currency} />
      </p>
      {group === 'waiting' && (
        <div className="row">
          {status !== 'PAYING' && <Countdown endsAt={Date.parse(expiresAt)} />}
          <ButtonLink to={`/reservations/${id}`}>
            {status === 'PENDING' ? t('pay') : status === 'PAYING' ? t('follow') : t('payAgain')}
          </ButtonLink>
        </div>
      )}
      {status === 'RESERVED' && <Bought reservation={reservation} />}
    </Card>
  );
}

function Bought({ reservation }: { readonly reservation: Reservation }): ReactNode {
  const t = useText('tickets');
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <div>
        <Button look="secondary" aria-expanded={isOpen} onClick={() => setOpen((before) => !before)}>
          {isOpen ? t('hide') : t('show', { count: reservation.quantity })}
        </Button>
      </div>
      {isOpen && <Opened reservation={reservation} />}
    </>
  );
}

function Opened({ reservation }: { readonly reservation: Reservation }): ReactNode {
  const { data } = useReservationTickets(reservation.id);
  return (
    <>
      <TicketList reservationId={reservation.id} />
      <div>
        <RefundTickets reservation={reservation} tickets={data} />
      </div>
    </>
  );
}

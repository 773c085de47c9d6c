/** My tickets: what waits for payment, what is to come, and what is over; of the account and of this device. */
import { lazy, Suspense, useState, type ReactNode } from 'react';
import { Head } from '../../app/head';
import { useHydrated } from '../../app/environment';
import { serverClock } from '../../api';
import type { Reservation } from '../../api/types';
import { useText } from '../../i18n/locale';
import { useMatches } from '../../live/matches';
import { useMyTickets, useReservations, type Reservations } from '../../tickets/data';
import { ReservationRow } from '../../tickets/reservation-row';
import { TicketCard } from '../../tickets/ticket-list';
import { AnswerOffer } from '../../tickets/transfer';
import { GROUPS, grouped, type Group } from '../../tickets/view';
import { Button, ButtonLink } from '../../ui/button';
import { ErrorBoundary } from '../../ui/error-boundary';
import { Card, EmptyState, ErrorPanel, Notice } from '../../ui/panels';
import { useSession } from '../../ui/session';
import { Spinner } from '../../ui/spinner';
import { waitingMarks } from '../../waiting-list/marks';
import '../../tickets/tickets.css';

export default function TicketsPage(): ReactNode {
  const t = useText('pages');
  return (
    <div className="stack tickets-page">
      <Head title={t('tickets')} noIndex />
      <h1>{t('tickets')}</h1>
      {useHydrated() ? <Mine /> : <Spinner />}
    </div>
  );
}

function Mine(): ReactNode {
  const session = useSession();
  const reservations = useReservations();
  const t = useText('tickets');
  return (
    <>
      {session.kind === 'guest' && (
        <Notice tone="info" title={t('guestTitle')}>
          <p>{t('guestBody')}</p>
          <div className="row">
            <ButtonLink to="/login?next=%2Ftickets" look="secondary">
              {t('logIn')}
            </ButtonLink>
            <ButtonLink to="/lookup" look="quiet">
              {t('lookUp')}
            </ButtonLink>
          </div>
        </Notice>
      )}
      <Waiting what="offers" />
      <FromOthers />
      <Groups reservations={reservations} />
      <Waiting what="lists" />
    </>
  );
}

const Offers = lazy(() => import('../../waiting-list/offers'));
const WaitingLists = lazy(() => import('../../waiting-list/list'));

/** Loaded for whoever may wait for something: an account, or a guest who joined a list here. */
function Waiting({ what }: { readonly what: 'offers' | 'lists' }): ReactNode {
  const session = useSession();
  if (session.kind !== 'account' && waitingMarks.ids().length === 0) return null;
  return (
    <ErrorBoundary fallback={null}>
      <Suspense fallback={null}>{what === 'offers' ? <Offers /> : <WaitingLists />}</Suspense>
    </ErrorBoundary>
  );
}

/** Offers that wait for an answer, and tickets that were accepted. */
function FromOthers(): ReactNode {
  const t = useText('tickets');
  const { data, problem, retry } = useMyTickets();
  if (problem && problem.code !== 'not_found') return <ErrorPanel problem={problem} retry={retry} />;
  if (!data) return null;
  return (
    <>
      {data.offers.length > 0 && (
        <section className="stack">
          <h2>{t('offers')}</h2>
          {data.offers.map((ticket) => (
            <Card key={ticket.id} className="stack">
              <p>{ticket.holder === undefined ? t('offerBody') : t('offerFrom', { email: ticket.holder })}</p>
              <TicketCard ticket={ticket} />
              <AnswerOffer ticket={ticket} />
            </Card>
          ))}
        </section>
      )}
      {data.tickets.length > 0 && (
        <section className="stack">
          <h2>{t('received')}</h2>
          <ul className="tickets">
            {data.tickets.map((ticket) => (
              <li key={ticket.id}>
                <TicketCard ticket={ticket} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Groups({ reservations }: { readonly reservations: Reservations }): ReactNode {
  const { data, problem, retry, more, isLoadingMore } = reservations;
  const t = useText('tickets');
  const { matches } = useMatches();
  const [now] = useState(() => serverClock.now());
  if (problem && !data) return <ErrorPanel problem={problem} retry={retry} />;
  if (!data) return <Spinner />;
  if (data.length === 0) {
    return (
      <EmptyState title={t('emptyTitle')} body={t('emptyBody')}>
        <ButtonLink to="/">{t('toMatches')}</ButtonLink>
      </EmptyState>
    );
  }
  const kickOffOf = (matchNumber: number): number | undefined => {
    const match = matches?.find((one) => one.matchNumber === matchNumber);
    return match && Date.parse(match.dateUtc);
  };
  const groups = grouped(data, kickOffOf, now);
  return (
    <>
      {problem && <ErrorPanel problem={problem} retry={retry} />}
      {GROUPS.filter((group) => groups[group].length > 0).map((group) => (
        <GroupSection key={group} group={group} reservations={groups[group]} />
      ))}
      {more && (
        <p>
          <Button look="secondary" isBusy={isLoadingMore} onClick={more}>
            {t('more')}
          </Button>
        </p>
      )}
    </>
  );
}

function GroupSection(props: {
  readonly group: Group;
  readonly reservations: readonly Reservation[];
}): ReactNode {
  const { group, reservations } = props;
  const t = useText('tickets');
  return (
    <section className="stack">
      <h2>{t(`groups.${group}`)}</h2>
      <ul className="reservations">
        {reservations.map((reservation) => (
          <li key={reservation.id}>
            <ReservationRow reservation={reservation} group={group} />
          </li>
        ))}
      </ul>
    </section>
  );
}

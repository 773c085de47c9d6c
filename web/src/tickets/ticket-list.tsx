/** The tickets of a reservation, one card per admission. */
import { useState, type ReactNode } from 'react';
import { api, asProblem, type ApiProblem } from '../api';
import { timeZoneOf } from '../data/stadiums';
import { useLocale, useText } from '../i18n/locale';
import { Button } from '../ui/button';
import { Badge, ErrorPanel, type BadgeTone } from '../ui/panels';
import { useSession } from '../ui/session';
import { Spinner } from '../ui/spinner';
import { tokensFor, useReservationTickets } from './data';
import { save } from './download';
import { MatchLine, useMatchOf } from './match-line';
import { QrCode } from './qr';
import { OfferTicket, WithdrawOffer } from './transfer';
import type { Ticket, TicketStatus } from './types';
import { ticketView } from './view';
import './tickets.css';

export function TicketList({ reservationId }: { readonly reservationId: string }): ReactNode {
  const t = useText('ticket');
  const { data, problem, retry } = useReservationTickets(reservationId);
  if (problem && !data) {
    return (
      <ErrorPanel problem={problem} retry={retry}>
        <p>{t('safe')}</p>
      </ErrorPanel>
    );
  }
  if (!data) return <Spinner />;
  const isAnyToPrint = data.some(({ code, status }) => code !== undefined && status !== 'used');
  return (
    <section className="stack" aria-label={t('listLabel')}>
      <ul className="tickets">
        {data.map((ticket) => (
          <li key={ticket.id}>
            <TicketCard ticket={ticket} />
          </li>
        ))}
      </ul>
      {isAnyToPrint && (
        <Download path={`/reservations/${reservationId}/tickets.pdf`} reservationId={reservationId} all />
      )}
    </section>
  );
}

const TONES: Readonly<Record<TicketStatus, BadgeTone>> = {
  valid: 'good',
  offered: 'wait',
  refunding: 'wait',
  used: 'plain',
  transferred: 'plain',
  void: 'bad',
};

export function TicketCard({ ticket }: { readonly ticket: Ticket }): ReactNode {
  const t = useText('ticket');
  const session = useSession();
  const { match, when, where } = useMatchOf(ticket.matchNumber);
  const { number, category, status, code, offeredTo, holder, usedAt } = ticket;
  const { format } = useLocale();
  const view = ticketView(ticket, session.kind === 'account');
  return (
    <article className={`ticket ticket-${status}`} aria-label={t('number', { number })}>
      <div className="ticket-code">
        {view.showsCode && code !== undefined ? (
          <QrCode text={code} label={t('codeLabel', { number })} />
        ) : (
          <span className="ticket-no-code" aria-hidden="true">
            —
          </span>
        )}
      </div>
      <div className="ticket-facts">
        <p className="row">
          <strong>{t('number', { number })}</strong>
          <Badge tone={TONES[status]}>{t(`statuses.${status}`)}</Badge>
        </p>
        <p>
          <MatchLine matchNumber={ticket.matchNumber} />
        </p>
        <p className="soft">
          {t('category', { category })}
          {when !== null && ` · ${when}`}
          {where !== null && ` · ${where}`}
        </p>
        {status === 'offered' && offeredTo !== undefined && <p>{t('offeredTo', { email: offeredTo })}</p>}
        {status === 'transferred' && (
          <p>{holder === undefined ? t('transferred') : t('transferredTo', { email: holder })}</p>
        )}
        {status === 'used' && usedAt !== undefined && (
          <p suppressHydrationWarning>
            {t('usedAt', { when: format.moment(usedAt, match && timeZoneOf(match.location)) })}
          </p>
        )}
        {status === 'void' && <p>{t('voidBody')}</p>}
        {view.canDownload && (
          <div className="row ticket-actions">
            <Download path={`/tickets/${ticket.id}/ticket.pdf`} reservationId={ticket.reservationId} />
            {view.canTransfer && <OfferTicket ticket={ticket} />}
            {view.canWithdraw && <WithdrawOffer ticket={ticket} />}
          </div>
        )}
        {view.needsAccount && <p className="soft small">{t('transferNeedsAccount')}</p>}
      </div>
    </article>
  );
}

export function Download(props: {
  readonly path: string;
  readonly reservationId: string;
  readonly all?: boolean;
}): ReactNode {
  const { path, reservationId, all = false } = props;
  const t = useText('ticket');
  const { code } = useLocale();
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const download = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const file = await api.file({ path, query: { lang: code }, tokens: tokensFor(reservationId) });
      save(file, `ticktak-${path.split('/').at(-2) ?? 'tickets'}.pdf`);
    } catch (error) {
      setProblem(asProblem(error));
    }
    setBusy(false);
  };
  return (
    <>
      <Button look={all ? 'primary' : 'secondary'} isBusy={isBusy} onClick={() => void download()}>
        {all ? t('downloadAll') : t('download')}
      </Button>
      {problem && <ErrorPanel problem={problem} />}
    </>
  );
}

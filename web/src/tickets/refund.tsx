/** Giving bought tickets back: how many, what comes back, and afterwards what is true of the money. */
import { useState, type ReactNode } from 'react';
import { api, asProblem, intents, type ApiProblem } from '../api';
import type { Reservation } from '../api/types';
import { useLocale, useText } from '../i18n/locale';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Select } from '../ui/field';
import { ErrorPanel, Notice } from '../ui/panels';
import { tokensFor, useTicketsChanged } from './data';
import type { Refunded, Ticket } from './types';
import { refundAmount, refundObstacle, refundTruth } from './view';

export function RefundTickets(props: {
  readonly reservation: Reservation;
  readonly tickets: readonly Ticket[] | null;
  /** After it was asked for, whatever the answer. */
  readonly onChanged?: () => void;
}): ReactNode {
  const { reservation, tickets, onChanged } = props;
  const t = useText('refund');
  const [isOpen, setOpen] = useState(false);
  const obstacle = refundObstacle(reservation, tickets);
  if (obstacle === 'not_bought') return null;
  if (obstacle !== null) return <p className="soft small">{t(obstacle)}</p>;
  const close = (): void => {
    setOpen(false);
    onChanged?.();
  };
  return (
    <>
      <Button look="quiet" onClick={() => setOpen(true)}>
        {t('ask')}
      </Button>
      <Dialog title={t('title')} isOpen={isOpen} onClose={close}>
        {(shut) => <RefundForm reservation={reservation} close={shut} />}
      </Dialog>
    </>
  );
}

function RefundForm({
  reservation,
  close,
}: {
  readonly reservation: Reservation;
  readonly close: () => void;
}): ReactNode {
  const t = useText('refund');
  const common = useText('common');
  const { format } = useLocale();
  // As it was when the question was asked: an answer changes the reservation behind it.
  const [asked] = useState(reservation);
  const [quantity, setQuantity] = useState(asked.quantity);
  const { isBusy, problem, answer, send } = useRefund(asked);
  if (answer) return <Answered answer={answer} currency={asked.currency} close={close} />;
  const amount = format.money(refundAmount(asked, quantity), asked.currency);
  return (
    <div className="stack">
      {asked.quantity > 1 && (
        <Select
          label={t('howMany')}
          value={quantity}
          onChange={(event) => setQuantity(Number(event.target.value))}
        >
          {Array.from({ length: asked.quantity }, (_, index) => asked.quantity - index).map((count) => (
            <option key={count} value={count}>
              {t('tickets', { count })}
            </option>
          ))}
        </Select>
      )}
      <p suppressHydrationWarning>{t('body', { amount })}</p>
      <p className="soft">{t('bodyMore')}</p>
      {problem && <Refused problem={problem} />}
      <div className="row">
        <Button look="danger" isBusy={isBusy} onClick={() => void send(quantity)}>
          {t('yes', { amount })}
        </Button>
        <Button look="secondary" onClick={close}>
          {common('cancel')}
        </Button>
      </div>
    </div>
  );
}

function useRefund({ id, quantity: all }: Reservation): {
  readonly isBusy: boolean;
  readonly problem: ApiProblem | null;
  readonly answer: Refunded | null;
  readonly send: (quantity: number) => Promise<void>;
} {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [answer, setAnswer] = useState<Refunded | null>(null);
  const changed = useTicketsChanged();
  const name = `refund:${id}`;
  return {
    isBusy,
    problem,
    answer,
    send: async (quantity) => {
      setBusy(true);
      setProblem(null);
      const body = quantity === all ? {} : { quantity };
      try {
        const path = `/reservations/${id}/refund`;
        const key = intents.keyOf(name, body);
        setAnswer(await api.send<Refunded>({ method: 'POST', path, body, key, tokens: tokensFor(id) }));
        intents.end(name);
      } catch (error) {
        const refused = asProblem(error);
        if (!refused.isOutcomeUnknown) intents.end(name);
        setProblem(refused);
      }
      setBusy(false);
      changed(id);
    },
  };
}

function Refused({ problem }: { readonly problem: ApiProblem }): ReactNode {
  const t = useText('refund');
  if (problem.code !== 'invalid_state') {
    return <ErrorPanel problem={problem}>{problem.isOutcomeUnknown && <p>{t('unknown')}</p>}</ErrorPanel>;
  }
  return (
    <Notice tone="bad" title={t('refusedTitle')} isUrgent>
      <p>{t('refusedBody')}</p>
    </Notice>
  );
}

function Answered(props: {
  readonly answer: Refunded;
  readonly currency: string;
  readonly close: () => void;
}): ReactNode {
  const { answer, currency, close } = props;
  const t = useText('refund');
  const common = useText('common');
  const { format } = useLocale();
  const truth = refundTruth(answer, currency);
  const amount = truth.kind === 'pending' ? '' : format.money(truth.amount, currency);
  return (
    <div className="stack">
      <Notice tone={truth.kind === 'sent' ? 'good' : 'warn'} title={t('doneTitle')} isUrgent>
        {truth.kind === 'sent' && <p>{t('truthSent', { amount })}</p>}
        {truth.kind === 'partly' && <p>{t('truthPartly', { amount })}</p>}
        {truth.kind === 'pending' && <p>{t('truthPending')}</p>}
        <p>{t('void')}</p>
      </Notice>
      <div className="row">
        <Button onClick={close} autoFocus>
          {common('close')}
        </Button>
      </div>
    </div>
  );
}

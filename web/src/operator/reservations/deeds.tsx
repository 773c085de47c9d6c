/** What can be done for the buyer of a reservation: giving money back, and sending the tickets again. */
import { useState, type ReactNode } from 'react';
import { asProblem, type ApiProblem } from '../../api';
import { minorOf } from '../../checkout/types';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { Select } from '../../ui/field';
import { Notice } from '../../ui/panels';
import { useReadAnew } from '../data';
import { useFigures } from '../figures';
import { ConfirmDialog } from '../ui/confirm-dialog';
import { Refusal } from '../ui/refusal';
import { ServerWords } from '../ui/server-words';
import {
  openRefunds,
  refundableQuantity,
  resendTickets,
  RESERVATIONS,
  sendRefund,
  type FoundReservation,
  type OperatorPayment,
  type RefundDone,
  type RefundOrder,
} from './data';

export function Deeds({ reservation }: { readonly reservation: FoundReservation }): ReactNode {
  const { payment, status } = reservation;
  return (
    <div className="row">
      {payment && <Refund reservation={reservation} payment={payment} />}
      {status === 'RESERVED' && <Resend reservationId={reservation.id} />}
    </div>
  );
}

interface RefundState {
  readonly done: RefundDone | null;
  readonly problem: ApiProblem | null;
  /** Sent, and nobody knows what became of it. */
  readonly open: RefundOrder | null;
  readonly isBusy: boolean;
  readonly send: (order: RefundOrder) => Promise<void>;
}

/** Refusals of a new order are thrown, for the dialog; whatever else becomes of one is in the state. */
function useRefund(paymentId: string): RefundState {
  const readAnew = useReadAnew();
  const [done, setDone] = useState<RefundDone | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [open, setOpen] = useState<RefundOrder | null>(() => openRefunds.open(paymentId)?.body ?? null);
  const send = async (order: RefundOrder): Promise<void> => {
    const request = openRefunds.begin(paymentId, order);
    setBusy(true);
    setProblem(null);
    setDone(null);
    try {
      setDone(await sendRefund(paymentId, request));
      openRefunds.end(paymentId);
      setOpen(null);
    } catch (error) {
      const refused = asProblem(error);
      if (!refused.isOutcomeUnknown) {
        openRefunds.end(paymentId);
        setOpen(null);
        throw refused;
      }
      setOpen(request.body);
      setProblem(refused);
    } finally {
      setBusy(false);
      void readAnew(RESERVATIONS);
    }
  };
  return { done, problem, open, isBusy, send };
}

function Refund(props: {
  readonly reservation: FoundReservation;
  readonly payment: OperatorPayment;
}): ReactNode {
  const { reservation, payment } = props;
  const t = useOperatorText('reservations');
  const refund = useRefund(payment.id);
  const [isAsked, setAsked] = useState(false);
  const most = refundableQuantity(reservation);
  return (
    <>
      <div role="status" className="reservation-told">
        {refund.done && <Done done={refund.done} currency={payment.currency} />}
        {refund.open && <Open refund={refund} order={refund.open} />}
      </div>
      {!refund.open && most > 0 && (
        <Button look="danger" onClick={() => setAsked(true)}>
          {t('refund')}
        </Button>
      )}
      {isAsked && (
        <RefundDialog
          reservation={reservation}
          most={most}
          onClose={() => setAsked(false)}
          onSend={refund.send}
        />
      )}
    </>
  );
}

function RefundDialog(props: {
  readonly reservation: FoundReservation;
  readonly most: number;
  readonly onClose: () => void;
  readonly onSend: (order: RefundOrder) => Promise<void>;
}): ReactNode {
  const { reservation, onClose, onSend } = props;
  const { unitPrice, currency, email } = reservation;
  const t = useOperatorText('reservations');
  const { minor } = useFigures();
  // As it was when the question was asked: an answer changes the reservation behind it.
  const [most] = useState(props.most);
  const [quantity, setQuantity] = useState(most);
  const amount = minor(minorOf(unitPrice, currency) * quantity, currency);
  return (
    <ConfirmDialog
      title={t('refundTitle')}
      action={t('refundYes', { amount })}
      note="required"
      isOpen
      onClose={onClose}
      onConfirm={(note) => onSend({ ...(quantity < most && { quantity }), note })}
    >
      {most > 1 && (
        <Select
          label={t('howMany')}
          value={quantity}
          onChange={(event) => setQuantity(Number(event.target.value))}
        >
          {Array.from({ length: most }, (_, index) => most - index).map((count) => (
            <option key={count} value={count}>
              {count === most ? t('allTickets', { count }) : t('ticketCount', { count })}
            </option>
          ))}
        </Select>
      )}
      <p>{t('refundBody', { count: quantity, amount, email })}</p>
    </ConfirmDialog>
  );
}

/** The order as it was sent; nothing else is sent for this payment before its outcome is known. */
function Open({ refund, order }: { readonly refund: RefundState; readonly order: RefundOrder }): ReactNode {
  const t = useOperatorText('reservations');
  const [refused, setRefused] = useState<ApiProblem | null>(null);
  const again = (): void => {
    setRefused(null);
    refund.send(order).catch((error: unknown) => setRefused(asProblem(error)));
  };
  return (
    <>
      <Notice tone="warn" title={t('unknownTitle')} isUrgent>
        <p>
          {order.quantity === undefined
            ? t('unknownAll', { note: order.note })
            : t('unknownSome', { count: order.quantity, note: order.note })}
        </p>
        <p>{t('unknownBody')}</p>
        <p>
          <Button look="secondary" isBusy={refund.isBusy} onClick={again}>
            {t('askAgain')}
          </Button>
        </p>
      </Notice>
      {refused && <Refusal problem={refused} />}
    </>
  );
}

function Done({ done, currency }: { readonly done: RefundDone; readonly currency: string }): ReactNode {
  const t = useOperatorText('reservations');
  const { minor } = useFigures();
  const { quantity, refundedMinor, pending, stuck } = done;
  const amount = minor(refundedMinor, currency);
  const tone = stuck !== undefined ? 'bad' : pending ? 'warn' : 'good';
  return (
    <Notice tone={tone} title={t('refundDone')}>
      <p>{t('stillCovers', { count: quantity })}</p>
      <p>{t(stuck !== undefined ? 'moneyStuck' : pending ? 'moneyPending' : 'moneySent', { amount })}</p>
      {stuck !== undefined && <ServerWords>{stuck}</ServerWords>}
    </Notice>
  );
}

function Resend({ reservationId }: { readonly reservationId: string }): ReactNode {
  const t = useOperatorText('reservations');
  const [state, setState] = useState<'idle' | 'busy' | 'queued'>('idle');
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const send = async (): Promise<void> => {
    setState('busy');
    setProblem(null);
    try {
      await resendTickets(reservationId);
      setState('queued');
    } catch (error) {
      setProblem(asProblem(error));
      setState('idle');
    }
  };
  return (
    <>
      <Button look="secondary" isBusy={state === 'busy'} onClick={() => void send()}>
        {t('resend')}
      </Button>
      <p role="status">{state === 'queued' ? t('resent') : ''}</p>
      {problem && <Refusal problem={problem} />}
    </>
  );
}

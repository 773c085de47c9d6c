/** What was refused, why, whether anything was charged, and what to do next. */
import { useEffect, useState, type ReactNode } from 'react';
import { api, asProblem, serverClock } from '../../api';
import { declineKeyOf } from '../../checkout/declines';
import type { Refused, Shown } from '../../checkout/machine';
import { useText } from '../../i18n/locale';
import { problemTextOfCode } from '../../ui/problem-text';
import { Button } from '../../ui/button';
import { Notice } from '../../ui/panels';

export function RefusedNotice({ checkout }: { readonly checkout: Shown }): ReactNode {
  const { refused, kind, reservation } = checkout;
  const t = useText('checkout');
  if (!refused) return null;
  if (refused.code === 'payment_declined') {
    return (
      <Notice tone="bad" title={t('declinedTitle')} isUrgent>
        <p>{t(`declines.${declineKeyOf(refused.reason)}`)}</p>
        <p>{t(kind === 'held' ? 'declinedHeld' : kind === 'retry' ? 'declinedRetry' : 'declinedOver')}</p>
      </Notice>
    );
  }
  if (refused.code === 'email_unconfirmed') return <Unconfirmed email={reservation.email} />;
  return <Other refused={refused} isRetry={kind === 'retry'} />;
}

function Other({ refused, isRetry }: { readonly refused: Refused; readonly isRetry: boolean }): ReactNode {
  const t = useText('checkout');
  const problems = useText('problems');
  const { code, limit, owned, during, notBefore } = refused;
  const key = problemTextOfCode(code);
  const isGone = code === 'sold_out' || code === 'temporarily_unavailable';
  return (
    <Notice tone={isGone ? 'warn' : 'bad'} title={problems(`${key}.title`)} isUrgent>
      {code === 'purchase_limit' && limit !== undefined && owned !== undefined ? (
        <p>{t('cardLimit', { limit, owned })}</p>
      ) : (
        <p>{problems(`${key}.body`)}</p>
      )}
      {during === 'cancel' && code === 'invalid_state' && <p>{t('cancelTooLate')}</p>}
      {isGone && isRetry && <p>{t('goneRetry')}</p>}
      {during === 'pay' && <NothingCharged refused={refused} />}
      {notBefore !== undefined && <Wait until={notBefore} />}
    </Notice>
  );
}

/** Said of refusals that say so; a hold that ended may have been charged, and its screen tells. */
function NothingCharged({ refused: { code } }: { readonly refused: Refused }): ReactNode {
  const t = useText('checkout');
  return code === 'hold_expired' || code === 'invalid_state' ? null : <p>{t('nothingCharged')}</p>;
}

function Wait({ until }: { readonly until: number }): ReactNode {
  const t = useText('problems');
  const left = useSecondsUntil(until);
  return left === 0 ? null : <p>{t('waitSeconds', { seconds: left })}</p>;
}

/** Whole seconds until a moment by the server's clock. */
export function useSecondsUntil(until: number): number {
  const [now, setNow] = useState(() => serverClock.now());
  const left = Math.max(0, Math.ceil((until - now) / 1_000));
  useEffect(() => {
    if (left === 0) return undefined;
    const timer = setTimeout(() => setNow(serverClock.now()), 500);
    return () => clearTimeout(timer);
  }, [left, now]);
  return left;
}

type Sending = 'idle' | 'busy' | 'sent' | 'failed';

/** The mail is sent from here, and the purchase goes on here: nothing is lost by confirming. */
function Unconfirmed({ email }: { readonly email: string }): ReactNode {
  const t = useText('checkout');
  const [sending, setSending] = useState<Sending>('idle');
  const send = async (): Promise<void> => {
    setSending('busy');
    try {
      await api.send({ method: 'POST', path: '/email-confirmations', body: { email }, auth: 'none' });
      setSending('sent');
    } catch (error) {
      asProblem(error);
      setSending('failed');
    }
  };
  return (
    <Notice tone="warn" title={t('unconfirmedTitle')} isUrgent>
      <p>{t('unconfirmedBody', { email })}</p>
      {sending === 'sent' ? (
        <p role="status">{t('unconfirmedSent', { email })}</p>
      ) : (
        <p>
          <Button look="secondary" isBusy={sending === 'busy'} onClick={() => void send()}>
            {t('unconfirmedSend')}
          </Button>
        </p>
      )}
      {sending === 'failed' && <p role="alert">{t('unconfirmedFailed')}</p>}
      <p>{t('nothingCharged')}</p>
    </Notice>
  );
}

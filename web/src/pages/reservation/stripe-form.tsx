/** Stripe's own fields in our form; the card goes from them to Stripe, and only its id comes here. */
import { useEffect, useRef, useState, type SyntheticEvent, type ReactNode } from 'react';
import { cardFields, type CardFields } from '../../checkout/stripe';
import { minorOf } from '../../checkout/types';
import { useLocale, useText } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { Notice } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import type { FormProps } from './pay-form';

type Loading = 'loading' | 'ready' | 'failed';

export function StripeForm(props: FormProps & { readonly publishableKey: string }): ReactNode {
  const { checkout, submitLabel, obstacle, onPay, publishableKey } = props;
  const { unitPrice, quantity, currency } = checkout.reservation;
  const t = useText('card');
  const common = useText('common');
  const { code } = useLocale();
  const place = useRef<HTMLDivElement>(null);
  const fields = useRef<CardFields | null>(null);
  const [loading, setLoading] = useState<Loading>('loading');
  const [attempt, setAttempt] = useState(0);
  const [message, setMessage] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const amountMinor = minorOf(unitPrice * quantity, currency);
  useEffect(() => {
    let isWanted = true;
    const style = getComputedStyle(document.documentElement);
    cardFields({
      publishableKey,
      amountMinor,
      currency,
      language: code,
      isDark: style.colorScheme === 'dark',
      accent: style.getPropertyValue('--accent').trim(),
    }).then(
      (made) => {
        if (!isWanted || !place.current) return;
        fields.current = made;
        made.mount(place.current);
        setLoading('ready');
      },
      () => {
        if (isWanted) setLoading('failed');
      },
    );
    return () => {
      isWanted = false;
      fields.current?.unmount();
      fields.current = null;
    };
  }, [publishableKey, amountMinor, currency, code, attempt]);
  const submit = async (event: SyntheticEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    if (!fields.current || obstacle !== null) return;
    setBusy(true);
    setMessage(null);
    try {
      const made = await fields.current.makeMethod();
      if (made.kind === 'made') onPay(made.id);
      else setMessage(made.message === '' ? t('stripeRefused') : made.message);
    } catch {
      setMessage(t('stripeAway'));
    }
    setBusy(false);
  };
  return (
    <form className="stack" noValidate onSubmit={(event) => void submit(event)}>
      <h2>{t('title')}</h2>
      {loading === 'loading' && <Spinner label={t('stripeLoading')} />}
      {loading === 'failed' && (
        <Notice tone="bad" title={t('stripeAwayTitle')} isUrgent>
          <p>{t('stripeAway')}</p>
          <p>
            <Button
              look="secondary"
              onClick={() => {
                setLoading('loading');
                setAttempt((before) => before + 1);
              }}
            >
              {common('retry')}
            </Button>
          </p>
        </Notice>
      )}
      <div ref={place} />
      {message !== null && (
        <Notice tone="bad" isUrgent>
          <p>{message}</p>
        </Notice>
      )}
      <Button
        type="submit"
        className="wide"
        isBusy={isBusy}
        disabled={loading !== 'ready' || obstacle !== null}
      >
        {submitLabel}
      </Button>
      {obstacle !== null && <p className="soft">{obstacle}</p>}
      <p className="soft small">{t('onceOnly')}</p>
    </form>
  );
}

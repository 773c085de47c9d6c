/** How to pay: the sandbox's form, or Stripe's own fields, whichever the shop takes payments with. */
import type { ReactNode } from 'react';
import type { Shown } from '../../checkout/machine';
import type { PaymentConfig, PaymentMethod } from '../../checkout/types';
import { usePaymentConfig } from '../../checkout/use-checkout';
import { useLocale, useText } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { useOnline } from '../../ui/online';
import { Card, ErrorPanel, Notice } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import { useSecondsUntil } from './refused-notice';
import { SandboxForm } from './sandbox-form';
import { StripeForm } from './stripe-form';

export interface FormProps {
  readonly checkout: Extract<Shown, { kind: 'held' | 'retry' }>;
  readonly submitLabel: string;
  /** Why it cannot be sent now; null when it can. */
  readonly obstacle: string | null;
  readonly onPay: (method: PaymentMethod) => void;
}

export function PayForm(props: {
  readonly checkout: FormProps['checkout'];
  readonly onPay: FormProps['onPay'];
  /** Of a payment that was put off. */
  readonly putOff: PaymentMethod | null;
}): ReactNode {
  const { checkout, onPay, putOff } = props;
  const { reservation, refused, kind } = checkout;
  const t = useText('checkout');
  const problems = useText('problems');
  const { format } = useLocale();
  const { config, problem, retry } = usePaymentConfig();
  const isOnline = useOnline();
  const waitSeconds = useSecondsUntil(refused?.notBefore ?? 0);
  if (problem && !config) return <ErrorPanel problem={problem} retry={retry} />;
  if (!config) return <Spinner />;
  const amount = format.money(reservation.unitPrice * reservation.quantity, reservation.currency);
  const form: FormProps = {
    checkout,
    onPay,
    submitLabel: t(kind === 'retry' ? 'payAgain' : 'pay', { amount }),
    obstacle: isOnline
      ? waitSeconds > 0
        ? problems('waitSeconds', { seconds: waitSeconds })
        : null
      : t('offlineTitle'),
  };
  return (
    <>
      {refused && putOff !== null && (
        <Card className="stack">
          <p>{t('putOff')}</p>
          <Button className="wide" disabled={form.obstacle !== null} onClick={() => onPay(putOff)}>
            {t('sameCard', { amount })}
          </Button>
          {form.obstacle !== null && <p className="soft">{form.obstacle}</p>}
        </Card>
      )}
      <Fields form={form} config={config} />
    </>
  );
}

function Fields({ form, config }: { readonly form: FormProps; readonly config: PaymentConfig }): ReactNode {
  const t = useText('checkout');
  if (config.provider === 'sandbox') return <SandboxForm {...form} />;
  if (config.publishableKey === undefined) {
    return (
      <Notice tone="bad" title={t('noKeyTitle')}>
        <p>{t('noKeyBody')}</p>
      </Notice>
    );
  }
  return (
    <Card>
      <StripeForm {...form} publishableKey={config.publishableKey} />
    </Card>
  );
}

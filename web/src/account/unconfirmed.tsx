/** An address that must be confirmed first, and the mail for it. */
import { useState, type ReactNode } from 'react';
import { api, asProblem, type ApiProblem } from '../api';
import { useText } from '../i18n/locale';
import { Button } from '../ui/button';
import { ErrorPanel, Notice } from '../ui/panels';

export function Unconfirmed({ email }: { readonly email: string }): ReactNode {
  const t = useText('hold');
  const [state, setState] = useState<'idle' | 'working' | 'sent'>('idle');
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const send = async (): Promise<void> => {
    setState('working');
    setProblem(null);
    try {
      await api.send({ method: 'POST', path: '/email-confirmations', body: { email } });
      setState('sent');
    } catch (error) {
      setProblem(asProblem(error));
      setState('idle');
    }
  };
  return (
    <Notice tone="warn" title={t('unconfirmedTitle')} isUrgent>
      <p>{state === 'sent' ? t('confirmationSent', { email }) : t('unconfirmed', { email })}</p>
      {problem && <ErrorPanel problem={problem} />}
      {state !== 'sent' && (
        <p>
          <Button look="secondary" isBusy={state === 'working'} onClick={() => void send()}>
            {t('sendConfirmation')}
          </Button>
        </p>
      )}
    </Notice>
  );
}

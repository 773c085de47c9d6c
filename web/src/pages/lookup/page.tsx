/** Finding what was bought as a guest: a mail with links goes to the address, and to nobody else. */
import { useState, type ReactNode } from 'react';
import { EmailField } from '../../account/fields';
import { useForm } from '../../account/use-form';
import { isEmail } from '../../account/validation';
import { api } from '../../api';
import { Head } from '../../app/head';
import { useText } from '../../i18n/locale';
import { Button, ButtonLink } from '../../ui/button';
import { Card, ErrorPanel, Notice } from '../../ui/panels';

export default function LookupPage(): ReactNode {
  const t = useText('lookup');
  const pages = useText('pages');
  const [sentTo, setSentTo] = useState<string | null>(null);
  return (
    <div className="content-narrow stack">
      <Head title={pages('lookup')} noIndex />
      <h1>{pages('lookup')}</h1>
      {sentTo === null ? (
        <>
          <p>{t('body')}</p>
          <LookupForm onSent={setSentTo} />
          <p className="soft">{t('device')}</p>
          <div>
            <ButtonLink to="/tickets" look="quiet">
              {t('toTickets')}
            </ButtonLink>
          </div>
        </>
      ) : (
        <>
          <Notice tone="good" title={t('sentTitle')} isUrgent>
            <p>{t('sentBody', { email: sentTo })}</p>
          </Notice>
          <p className="soft">{t('notArrived')}</p>
          <div>
            <Button look="secondary" onClick={() => setSentTo(null)}>
              {t('again')}
            </Button>
          </div>
        </>
      )}
    </div>
  );
}

function LookupForm({ onSent }: { readonly onSent: (email: string) => void }): ReactNode {
  const t = useText('lookup');
  const form = useForm<'email'>();
  const [email, setEmail] = useState('');
  const send = async (): Promise<void> => {
    const body = { email: email.trim() };
    await api.send({ method: 'POST', path: '/reservations/lookup', body, auth: 'none' });
    onSent(body.email);
  };
  return (
    <Card>
      <form
        className="stack"
        noValidate
        onSubmit={(event) => form.submit(event, isEmail(email.trim()) ? [] : ['email'], send)}
      >
        {form.problem && <ErrorPanel problem={form.problem} />}
        <EmailField
          value={email}
          isWrong={form.wrong.has('email')}
          hint={t('emailHint')}
          onChange={(value) => {
            setEmail(value);
            form.touched('email');
          }}
        />
        <Button type="submit" className="wide" isBusy={form.isBusy}>
          {t('submit')}
        </Button>
      </form>
    </Card>
  );
}

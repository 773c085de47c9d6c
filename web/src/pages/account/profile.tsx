/** Name and address. */
import { useState, type ReactNode } from 'react';
import { useForm } from '../../account/use-form';
import { isName, NAME_CHARS_MAX } from '../../account/validation';
import { api, session } from '../../api';
import type { Account } from '../../api/types';
import { useText } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { Field } from '../../ui/field';
import { Badge, Card, ErrorPanel } from '../../ui/panels';
import { useToast } from '../../ui/toast';

export function Profile({ account }: { readonly account: Account }): ReactNode {
  const t = useText('account');
  return (
    <Card className="stack">
      <h2>{t('profile')}</h2>
      <NameForm account={account} />
      <Address account={account} />
    </Card>
  );
}

function NameForm({ account }: { readonly account: Account }): ReactNode {
  const t = useText('account');
  const validation = useText('validation');
  const say = useToast();
  const form = useForm<'name'>();
  const [name, setName] = useState(account.name);
  const send = async (): Promise<void> => {
    const body = { name: name.trim() };
    session.changed(await api.send<Account>({ method: 'PATCH', path: '/users/me', body }));
    say(t('nameSaved'));
  };
  return (
    <form
      className="stack"
      noValidate
      onSubmit={(event) => form.submit(event, isName(name) ? [] : ['name'], send)}
    >
      <Field
        name="name"
        label={t('name')}
        error={form.wrong.has('name') ? validation('name') : undefined}
        autoComplete="name"
        maxLength={NAME_CHARS_MAX}
        value={name}
        onChange={(event) => {
          setName(event.target.value);
          form.touched('name');
        }}
      />
      {form.problem && <ErrorPanel problem={form.problem} />}
      <div>
        <Button type="submit" look="secondary" isBusy={form.isBusy} disabled={name.trim() === account.name}>
          {t('saveName')}
        </Button>
      </div>
    </form>
  );
}

function Address({ account: { email, emailConfirmed } }: { readonly account: Account }): ReactNode {
  const t = useText('account');
  const form = useForm<never>();
  const [isSent, setSent] = useState(false);
  const send = async (): Promise<void> => {
    await api.send({ method: 'POST', path: '/email-confirmations', body: { email } });
    setSent(true);
  };
  return (
    <div className="stack">
      <p className="row">
        <span>
          {t('email')}: <bdi className="breakable">{email}</bdi>
        </span>
        <Badge tone={emailConfirmed ? 'good' : 'warn'}>
          {t(emailConfirmed ? 'confirmed' : 'unconfirmed')}
        </Badge>
      </p>
      {!emailConfirmed && (
        <form className="stack" onSubmit={(event) => form.submit(event, [], send)}>
          <p className="soft">{t('unconfirmedBody')}</p>
          {form.problem && <ErrorPanel problem={form.problem} />}
          {isSent ? (
            <p role="status">{t('confirmationSent', { email })}</p>
          ) : (
            <div>
              <Button type="submit" look="secondary" isBusy={form.isBusy}>
                {t('sendConfirmation')}
              </Button>
            </div>
          )}
        </form>
      )}
    </div>
  );
}

/** What is kept of me: taken along, or erased. */
import { useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { forgetPerson } from '../../account/log-in';
import { PasswordField } from '../../account/password-field';
import { useForm } from '../../account/use-form';
import { isTypedRight } from '../../account/validation';
import { api, session, type ApiProblem } from '../../api';
import type { Account } from '../../api/types';
import { useText } from '../../i18n/locale';
import { save } from '../../tickets/download';
import { Button } from '../../ui/button';
import { Dialog } from '../../ui/dialog';
import { Field } from '../../ui/field';
import { Card, ErrorPanel, Notice } from '../../ui/panels';
import { useToast } from '../../ui/toast';
import { SecretRefused } from './secret-refused';

export function Data({ account }: { readonly account: Account }): ReactNode {
  const t = useText('myData');
  const form = useForm<never>();
  const [isOpen, setOpen] = useState(false);
  const download = async (): Promise<void> => {
    save(await api.file({ path: '/users/me/export' }), 'ticktak-my-data.json');
  };
  return (
    <Card className="stack">
      <h2>{t('title')}</h2>
      <p className="soft">{t('exportBody')}</p>
      {form.problem && <ErrorPanel problem={form.problem} />}
      <form onSubmit={(event) => form.submit(event, [], download)}>
        <Button type="submit" look="secondary" isBusy={form.isBusy}>
          {t('export')}
        </Button>
      </form>
      <h3>{t('eraseTitle')}</h3>
      <p className="soft">{t('eraseBody')}</p>
      <div>
        <Button look="danger" onClick={() => setOpen(true)}>
          {t('erase')}
        </Button>
      </div>
      <Dialog title={t('eraseTitle')} isOpen={isOpen} onClose={() => setOpen(false)} isAlert>
        {(close) => <EraseForm account={account} close={close} />}
      </Dialog>
    </Card>
  );
}

function EraseForm({ account, close }: { readonly account: Account; readonly close: () => void }): ReactNode {
  const t = useText('myData');
  const common = useText('common');
  const client = useQueryClient();
  const navigate = useNavigate();
  const say = useToast();
  const form = useForm<'typed' | 'password'>();
  const [typed, setTyped] = useState('');
  const [password, setPassword] = useState('');
  const send = async (): Promise<void> => {
    await api.send({ method: 'POST', path: '/users/me/deletion', body: { password }, auth: 'once' });
    close();
    session.loggedOut();
    forgetPerson(client);
    say(t('erased'));
    await navigate('/');
  };
  return (
    <form
      className="stack"
      noValidate
      onSubmit={(event) =>
        form.submit(
          event,
          [
            ...(isTypedRight(typed, account.email) ? [] : ['typed' as const]),
            ...(password === '' ? ['password' as const] : []),
          ],
          send,
        )
      }
    >
      <p>{t('eraseWarning')}</p>
      <Field
        name="typed"
        label={t('typeLabel')}
        hint={<bdi className="breakable">{account.email}</bdi>}
        error={form.wrong.has('typed') ? t('typeWrong') : undefined}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        dir="ltr"
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          form.touched('typed');
        }}
      />
      <PasswordField
        name="password"
        label="oldPasswordLabel"
        value={password}
        isWrong={form.wrong.has('password')}
        onChange={(value) => {
          setPassword(value);
          form.touched('password');
        }}
      />
      {form.problem && <EraseRefused problem={form.problem} />}
      <div className="row">
        <Button type="submit" look="danger" isBusy={form.isBusy}>
          {t('eraseYes')}
        </Button>
        <Button look="secondary" onClick={close}>
          {common('cancel')}
        </Button>
      </div>
    </form>
  );
}

function EraseRefused({ problem }: { readonly problem: ApiProblem }): ReactNode {
  const t = useText('myData');
  if (problem.code !== 'conflict') return <SecretRefused problem={problem} />;
  return (
    <Notice tone="bad" title={t('operatorTitle')} isUrgent>
      <p>{t('operatorBody')}</p>
    </Notice>
  );
}

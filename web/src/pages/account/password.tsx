/** Another password. It ends every log-in but the one it is changed in. */
import { useState, type ReactNode } from 'react';
import { PasswordField } from '../../account/password-field';
import { useForm } from '../../account/use-form';
import { passwordFault } from '../../account/validation';
import { api, session } from '../../api';
import type { Account, LogIn } from '../../api/types';
import { useText } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { Card } from '../../ui/panels';
import { useToast } from '../../ui/toast';
import { SecretRefused } from './secret-refused';

export function Password({ account }: { readonly account: Account }): ReactNode {
  const t = useText('account');
  const say = useToast();
  const form = useForm<'password' | 'newPassword'>();
  const [password, setPassword] = useState('');
  const [newPassword, setNewPassword] = useState('');
  const fault = passwordFault(newPassword);
  const send = async (): Promise<void> => {
    const body = { password, newPassword, cookie: true };
    session.logged(await api.send<LogIn>({ method: 'POST', path: '/users/me/password', body, auth: 'once' }));
    setPassword('');
    setNewPassword('');
    say(t('passwordChanged'));
  };
  return (
    <Card className="stack">
      <h2>{t('password')}</h2>
      <p className="soft">{t('passwordBody')}</p>
      <form
        className="stack"
        noValidate
        onSubmit={(event) =>
          form.submit(
            event,
            [
              ...(password === '' ? ['password' as const] : []),
              ...(fault === null ? [] : ['newPassword' as const]),
            ],
            send,
          )
        }
      >
        {/* Password managers file the new one under this address. */}
        <input type="hidden" name="username" autoComplete="username" value={account.email} readOnly />
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
        <PasswordField
          name="newPassword"
          label="newPasswordLabel"
          value={newPassword}
          isNew
          own={[account.name, account.email]}
          isWrong={form.wrong.has('newPassword')}
          onChange={(value) => {
            setNewPassword(value);
            form.touched('newPassword');
          }}
        />
        {form.problem && <SecretRefused problem={form.problem} />}
        <div>
          <Button type="submit" look="secondary" isBusy={form.isBusy}>
            {t('changePassword')}
          </Button>
        </div>
      </form>
    </Card>
  );
}

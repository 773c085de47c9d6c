/** Create an account. */
import { useState, type ReactNode } from 'react';
import { Link, useSearchParams } from 'react-router';
import { EmailField } from '../../account/fields';
import { logIn } from '../../account/log-in';
import { PasswordField } from '../../account/password-field';
import { useForm } from '../../account/use-form';
import { isEmail, isName, NAME_CHARS_MAX, ownPath, passwordFault } from '../../account/validation';
import { api, type ApiProblem } from '../../api';
import { Head } from '../../app/head';
import { useText } from '../../i18n/locale';
import { Button, ButtonLink } from '../../ui/button';
import { Field } from '../../ui/field';
import { Card, ErrorPanel, Notice } from '../../ui/panels';
import './account.css';

type Fields = 'name' | 'email' | 'password';

export default function RegisterPage(): ReactNode {
  const t = useText('register');
  const pages = useText('pages');
  const [parameters] = useSearchParams();
  const next = ownPath(parameters.get('next'));
  const [done, setDone] = useState<string | null>(null);
  return (
    <div className="content-narrow stack">
      <Head title={pages('register')} noIndex />
      {done === null ? (
        <>
          <h1>{pages('register')}</h1>
          <p className="soft">{t('intro')}</p>
          <RegisterForm onDone={setDone} />
          <p>
            {t('have')} <Link to={`/login?next=${encodeURIComponent(next)}`}>{pages('login')}</Link>
          </p>
        </>
      ) : (
        <Done email={done} next={next} />
      )}
    </div>
  );
}

function Done({ email, next }: { readonly email: string; readonly next: string }): ReactNode {
  const t = useText('register');
  return (
    <>
      <h1 ref={(heading) => heading?.focus()} tabIndex={-1}>
        {t('doneTitle')}
      </h1>
      <p>{t('doneBody', { email })}</p>
      <div className="row">
        <ButtonLink to={next}>{t('goOn')}</ButtonLink>
        <ButtonLink to="/account" look="secondary">
          {t('toAccount')}
        </ButtonLink>
      </div>
    </>
  );
}

function RegisterForm({ onDone }: { readonly onDone: (email: string) => void }): ReactNode {
  const t = useText('register');
  const validation = useText('validation');
  const form = useForm<Fields>();
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [hasAccount, setHasAccount] = useState(false);
  const fault = passwordFault(password);
  const faults: Fields[] = [
    ...(isName(name) ? [] : ['name' as const]),
    ...(isEmail(email.trim()) ? [] : ['email' as const]),
    ...(fault === null ? [] : ['password' as const]),
  ];
  const send = async (): Promise<void> => {
    const account = { email: email.trim(), password };
    // Made before, and only the log-in failed: that is what is repeated.
    if (!hasAccount) {
      await api.send({
        method: 'POST',
        path: '/users',
        body: { ...account, name: name.trim() },
        auth: 'none',
      });
      setHasAccount(true);
    }
    await logIn(account);
    onDone(account.email);
  };
  return (
    <Card>
      <form className="stack" noValidate onSubmit={(event) => form.submit(event, faults, send)}>
        {form.problem && <Refused problem={form.problem} hasAccount={hasAccount} />}
        <Field
          name="name"
          label={t('name')}
          hint={t('nameHint')}
          error={form.wrong.has('name') ? validation('name') : undefined}
          autoComplete="name"
          maxLength={NAME_CHARS_MAX}
          required
          value={name}
          onChange={(event) => {
            setName(event.target.value);
            form.touched('name');
          }}
        />
        <EmailField
          value={email}
          isWrong={form.wrong.has('email')}
          hint={t('emailHint')}
          onChange={(value) => {
            setEmail(value);
            form.touched('email');
          }}
        />
        <PasswordField
          name="password"
          label="passwordLabel"
          value={password}
          isNew
          own={[name, email]}
          isWrong={form.wrong.has('password')}
          onChange={(value) => {
            setPassword(value);
            form.touched('password');
          }}
        />
        <Button type="submit" className="wide" isBusy={form.isBusy}>
          {t('submit')}
        </Button>
      </form>
    </Card>
  );
}

function Refused({
  problem,
  hasAccount,
}: {
  readonly problem: ApiProblem;
  readonly hasAccount: boolean;
}): ReactNode {
  const t = useText('register');
  const validation = useText('validation');
  if (hasAccount) {
    return (
      <Notice tone="warn" title={t('madeTitle')} isUrgent>
        <p>{t('madeBody')}</p>
      </Notice>
    );
  }
  if (problem.code === 'conflict') {
    return (
      <Notice tone="bad" title={t('takenTitle')} isUrgent>
        <p>{t('takenBody')}</p>
        <p className="row">
          <Link to="/login">{t('takenLogIn')}</Link>
          <Link to="/reset-password">{t('takenReset')}</Link>
        </p>
      </Notice>
    );
  }
  if (problem.errors.some(({ path }) => path === 'password')) {
    return (
      <Notice tone="bad" title={validation('passwordRefusedTitle')} isUrgent>
        <p>{validation('passwordRefused')}</p>
      </Notice>
    );
  }
  return <ErrorPanel problem={problem} />;
}

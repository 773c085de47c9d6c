/** A new password: asking for the mail, and what its link opens. */
import { useState, type ReactNode } from 'react';
import { EmailField } from '../../account/fields';
import { dropToken, takeToken } from '../../account/fragment';
import { PasswordField } from '../../account/password-field';
import { useForm } from '../../account/use-form';
import { isEmail, passwordFault } from '../../account/validation';
import { api, session, type ApiProblem } from '../../api';
import { Head } from '../../app/head';
import { useHydrated } from '../../app/environment';
import { useText } from '../../i18n/locale';
import { Button, ButtonLink } from '../../ui/button';
import { Card, ErrorPanel, Notice } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import './account.css';

export default function ResetPasswordPage(): ReactNode {
  const t = useText('pages');
  return (
    <div className="content-narrow stack">
      <Head title={t('resetPassword')} noIndex />
      <h1>{t('resetPassword')}</h1>
      {useHydrated() ? <Reset /> : <Spinner />}
    </div>
  );
}

function Reset(): ReactNode {
  const [token, setToken] = useState(() => takeToken('reset'));
  return token === null ? (
    <AskForm />
  ) : (
    <SetForm
      token={token}
      onUseless={() => {
        dropToken('reset');
        setToken(null);
      }}
    />
  );
}

function AskForm(): ReactNode {
  const t = useText('reset');
  const form = useForm<'email'>();
  const [email, setEmail] = useState('');
  const [sentTo, setSentTo] = useState<string | null>(null);
  const send = async (): Promise<void> => {
    const body = { email: email.trim() };
    await api.send({ method: 'POST', path: '/password-resets', body, auth: 'none' });
    setSentTo(body.email);
  };
  if (sentTo !== null) {
    return (
      <Notice tone="good" title={t('sentTitle')} isUrgent>
        <p>{t('sentBody', { email: sentTo })}</p>
      </Notice>
    );
  }
  return (
    <Card>
      <form
        className="stack"
        noValidate
        onSubmit={(event) => form.submit(event, isEmail(email.trim()) ? [] : ['email'], send)}
      >
        <p>{t('askBody')}</p>
        {form.problem && <ErrorPanel problem={form.problem} />}
        <EmailField
          value={email}
          isWrong={form.wrong.has('email')}
          onChange={(value) => {
            setEmail(value);
            form.touched('email');
          }}
        />
        <Button type="submit" className="wide" isBusy={form.isBusy}>
          {t('ask')}
        </Button>
      </form>
    </Card>
  );
}

function SetForm({
  token,
  onUseless,
}: {
  readonly token: string;
  readonly onUseless: () => void;
}): ReactNode {
  const t = useText('reset');
  const form = useForm<'password'>();
  const [password, setPassword] = useState('');
  const [isDone, setDone] = useState(false);
  const fault = passwordFault(password);
  const send = async (): Promise<void> => {
    await api.send({
      method: 'POST',
      path: '/password-resets/confirm',
      body: { token, password },
      auth: 'none',
    });
    dropToken('reset');
    // Every log-in of the account has ended with it, this browser's too if it was one.
    session.loggedOut();
    setDone(true);
  };
  if (isDone) {
    return (
      <>
        <Notice tone="good" title={t('doneTitle')} isUrgent>
          <p>{t('doneBody')}</p>
        </Notice>
        <div className="row">
          <ButtonLink to="/login">{t('logIn')}</ButtonLink>
        </div>
      </>
    );
  }
  return (
    <Card>
      <form
        className="stack"
        noValidate
        onSubmit={(event) => form.submit(event, fault === null ? [] : ['password'], send)}
      >
        <p>{t('setBody')}</p>
        {form.problem && <Refused problem={form.problem} onUseless={onUseless} />}
        <PasswordField
          name="password"
          label="newPasswordLabel"
          value={password}
          isNew
          isWrong={form.wrong.has('password')}
          onChange={(value) => {
            setPassword(value);
            form.touched('password');
          }}
        />
        <Button type="submit" className="wide" isBusy={form.isBusy}>
          {t('set')}
        </Button>
      </form>
    </Card>
  );
}

function Refused({
  problem,
  onUseless,
}: {
  readonly problem: ApiProblem;
  readonly onUseless: () => void;
}): ReactNode {
  const t = useText('reset');
  const validation = useText('validation');
  if (problem.errors.some(({ path }) => path === 'token')) {
    return (
      <Notice tone="bad" title={t('uselessTitle')} isUrgent>
        <p>{t('uselessBody')}</p>
        <p>
          <Button look="secondary" onClick={onUseless}>
            {t('askAgain')}
          </Button>
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

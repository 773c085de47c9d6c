/** Log in; with the second factor in a second step. */
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { useQueryClient } from '@tanstack/react-query';
import { CodeField, EmailField } from '../../account/fields';
import { forgetPerson, logIn } from '../../account/log-in';
import { PasswordField } from '../../account/password-field';
import { useForm } from '../../account/use-form';
import { codeOf, isCode, isEmail, isRecoveryCode, ownPath, recoveryCodeOf } from '../../account/validation';
import type { ApiProblem } from '../../api';
import { Head } from '../../app/head';
import { useText } from '../../i18n/locale';
import { Button, ButtonLink } from '../../ui/button';
import { Card, ErrorPanel, Notice } from '../../ui/panels';
import { useSession } from '../../ui/session';
import './account.css';

export default function LoginPage(): ReactNode {
  const t = useText('login');
  const pages = useText('pages');
  const session = useSession();
  const [parameters] = useSearchParams();
  const next = ownPath(parameters.get('next'));
  // Who came here logged in is told so; whoever logs in here goes on at once.
  const [isWorking, setWorking] = useState(false);
  return (
    <div className="content-narrow stack">
      <Head title={pages('login')} noIndex />
      {session.kind === 'account' && !isWorking ? (
        <>
          <h1>{pages('login')}</h1>
          <p>{t('already', { email: session.account.email })}</p>
          <div className="row">
            <ButtonLink to={next}>{t('goOn')}</ButtonLink>
            <ButtonLink to="/account" look="secondary">
              {t('toAccount')}
            </ButtonLink>
          </div>
        </>
      ) : (
        <LoginForm next={next} onBegin={() => setWorking(true)} />
      )}
    </div>
  );
}

type Fields = 'email' | 'password' | 'code';
type Step = 'password' | 'code' | 'recovery';

function LoginForm({ next, onBegin }: { readonly next: string; readonly onBegin: () => void }): ReactNode {
  const t = useText('login');
  const pages = useText('pages');
  const client = useQueryClient();
  const navigate = useNavigate();
  const form = useForm<Fields>();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [step, setStep] = useState<Step>('password');
  const heading = useFocusOn(step);
  const send = async (): Promise<void> => {
    onBegin();
    const proof =
      step === 'code'
        ? { totp: codeOf(code) }
        : step === 'recovery'
          ? { recoveryCode: recoveryCodeOf(code) }
          : {};
    try {
      await logIn({ email: email.trim(), password, ...proof });
    } catch (error) {
      if (step === 'password' && isCodeWanted(error)) {
        setStep('code');
        return;
      }
      throw error;
    }
    forgetPerson(client);
    await navigate(next, { replace: true });
  };
  const faults = (): Fields[] => {
    if (step === 'code') return isCode(code) ? [] : ['code'];
    if (step === 'recovery') return isRecoveryCode(code) ? [] : ['code'];
    return [
      ...(isEmail(email.trim()) ? [] : ['email' as const]),
      ...(password === '' ? ['password' as const] : []),
    ];
  };
  const goTo = (other: Step): void => {
    setStep(other);
    setCode('');
    form.clear();
  };
  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        {step === 'password' ? pages('login') : t('codeTitle')}
      </h1>
      <Card>
        <form className="stack" noValidate onSubmit={(event) => form.submit(event, faults(), send)}>
          {form.problem && <Refused problem={form.problem} />}
          {step === 'password' ? (
            <>
              <EmailField
                value={email}
                isWrong={form.wrong.has('email')}
                onChange={(value) => {
                  setEmail(value);
                  form.touched('email');
                }}
              />
              <PasswordField
                name="password"
                label="passwordLabel"
                value={password}
                isWrong={form.wrong.has('password')}
                onChange={(value) => {
                  setPassword(value);
                  form.touched('password');
                }}
              />
            </>
          ) : (
            <>
              <p>{t(step === 'code' ? 'codeBody' : 'recoveryBody')}</p>
              <CodeField
                isRecovery={step === 'recovery'}
                value={code}
                isWrong={form.wrong.has('code')}
                onChange={(value) => {
                  setCode(value);
                  form.touched('code');
                }}
              />
            </>
          )}
          <Button type="submit" className="wide" isBusy={form.isBusy}>
            {t('submit')}
          </Button>
          {step !== 'password' && (
            <div className="row">
              <Button look="quiet" onClick={() => goTo(step === 'code' ? 'recovery' : 'code')}>
                {t(step === 'code' ? 'useRecovery' : 'useCode')}
              </Button>
              <Button look="quiet" onClick={() => goTo('password')}>
                {t('startOver')}
              </Button>
            </div>
          )}
        </form>
      </Card>
      <nav className="row" aria-label={t('otherWays')}>
        <Link to={`/register?next=${encodeURIComponent(next)}`}>{t('register')}</Link>
        <Link to="/reset-password">{t('forgot')}</Link>
        <Link to="/lookup">{t('guest')}</Link>
      </nav>
    </>
  );
}

function isCodeWanted(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'code' in error && error.code === 'second_factor_required'
  );
}

/** The heading of a new step takes the focus. */
function useFocusOn(step: unknown): React.RefObject<HTMLHeadingElement | null> {
  const heading = useRef<HTMLHeadingElement>(null);
  const before = useRef(step);
  useEffect(() => {
    if (before.current !== step) heading.current?.focus();
    before.current = step;
  }, [step]);
  return heading;
}

/** Which of address and password is wrong is not told, by the server either. */
function Refused({ problem }: { readonly problem: ApiProblem }): ReactNode {
  const t = useText('login');
  if (problem.code === 'unauthorized') {
    return (
      <Notice tone="bad" title={t('wrongTitle')} isUrgent>
        <p>{t('wrongBody')}</p>
      </Notice>
    );
  }
  if (problem.code === 'second_factor_required') {
    return (
      <Notice tone="bad" title={t('codeWrongTitle')} isUrgent>
        <p>{t('codeWrongBody')}</p>
      </Notice>
    );
  }
  return <ErrorPanel problem={problem} />;
}

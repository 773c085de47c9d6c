/**
 * The link of the mail that confirms an address. It is confirmed by a press of a button: mail programs open links by
 * themselves to look at them. Where the address belongs to an account, that account must be logged in here.
 */
import { useState, type ReactNode } from 'react';
import { dropToken, takeToken } from '../../account/fragment';
import { api, asProblem, session, type ApiProblem } from '../../api';
import type { Account } from '../../api/types';
import { Head } from '../../app/head';
import { useHydrated } from '../../app/environment';
import { useText } from '../../i18n/locale';
import { Button, ButtonLink } from '../../ui/button';
import { Card, ErrorPanel, Notice } from '../../ui/panels';
import { useSession } from '../../ui/session';
import { Spinner } from '../../ui/spinner';

export default function ConfirmEmailPage(): ReactNode {
  const t = useText('pages');
  return (
    <div className="content-narrow stack">
      <Head title={t('confirmEmail')} noIndex />
      <h1>{t('confirmEmail')}</h1>
      {useHydrated() ? <Confirm /> : <Spinner />}
    </div>
  );
}

type State =
  | { readonly kind: 'asking' | 'busy' }
  | { readonly kind: 'done'; readonly email: string }
  | { readonly kind: 'refused'; readonly problem: ApiProblem };

function Confirm(): ReactNode {
  const t = useText('confirm');
  const [token] = useState(() => takeToken('confirm'));
  const [state, setState] = useState<State>({ kind: 'asking' });
  const confirm = async (): Promise<void> => {
    setState({ kind: 'busy' });
    try {
      const body = { token };
      const { email } = await api.send<{ email: string }>({
        method: 'POST',
        path: '/email-confirmations/confirm',
        body,
      });
      dropToken('confirm');
      setState({ kind: 'done', email });
      await refreshAccount();
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code === 'validation_failed') dropToken('confirm');
      setState({ kind: 'refused', problem });
    }
  };
  if (state.kind === 'done') return <Done email={state.email} />;
  if (token === null) return <NoToken />;
  return (
    <>
      {state.kind === 'refused' && <Refused problem={state.problem} />}
      {(state.kind !== 'refused' || state.problem.code !== 'validation_failed') && (
        <Card className="stack">
          <p>{t('body')}</p>
          <div className="row">
            <Button isBusy={state.kind === 'busy'} onClick={() => void confirm()}>
              {t('submit')}
            </Button>
          </div>
        </Card>
      )}
    </>
  );
}

/** So that the account's page says it at once. */
async function refreshAccount(): Promise<void> {
  if (session.state.kind !== 'account') return;
  await api.send<Account>({ path: '/users/me' }).then(
    (account) => session.changed(account),
    () => undefined,
  );
}

function Done({ email }: { readonly email: string }): ReactNode {
  const t = useText('confirm');
  return (
    <>
      <Notice tone="good" title={t('doneTitle')} isUrgent>
        <p>{t('doneBody', { email })}</p>
      </Notice>
      <div className="row">
        <ButtonLink to="/tickets">{t('toTickets')}</ButtonLink>
        <ButtonLink to="/" look="secondary">
          {t('toMatches')}
        </ButtonLink>
      </div>
    </>
  );
}

function NoToken(): ReactNode {
  const t = useText('confirm');
  return (
    <>
      <Notice tone="warn" title={t('noTokenTitle')}>
        <p>{t('noTokenBody')}</p>
      </Notice>
      <div className="row">
        <ButtonLink to="/account">{t('toAccount')}</ButtonLink>
      </div>
    </>
  );
}

function Refused({ problem }: { readonly problem: ApiProblem }): ReactNode {
  const t = useText('confirm');
  const who = useSession();
  const { code } = problem;
  if (code === 'unauthorized' || code === 'forbidden') {
    const isOther = who.kind === 'account';
    return (
      <Notice tone="warn" title={t(isOther ? 'otherTitle' : 'logInTitle')} isUrgent>
        <p>{isOther ? t('otherBody', { email: who.account.email }) : t('logInBody')}</p>
        <p>
          <ButtonLink to={isOther ? '/account' : '/login?next=%2Fconfirm-email'} look="secondary">
            {t(isOther ? 'toAccount' : 'logIn')}
          </ButtonLink>
        </p>
      </Notice>
    );
  }
  if (code === 'validation_failed') {
    return (
      <>
        <Notice tone="bad" title={t('uselessTitle')} isUrgent>
          <p>{t('uselessBody')}</p>
        </Notice>
        <div className="row">
          <ButtonLink to="/account">{t('toAccount')}</ButtonLink>
        </div>
      </>
    );
  }
  return <ErrorPanel problem={problem} />;
}

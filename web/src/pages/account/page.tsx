/** My account: who I am, how it is protected, what is kept of me. */
import { lazy, Suspense, useEffect, type ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { api, session, type ApiProblem } from '../../api';
import type { Account } from '../../api/types';
import { Head } from '../../app/head';
import { useText } from '../../i18n/locale';
import { ButtonLink } from '../../ui/button';
import { ErrorBoundary } from '../../ui/error-boundary';
import { useSession } from '../../ui/session';
import { Spinner } from '../../ui/spinner';
import { Data } from './data';
import { LogOut } from './log-out';
import { Password } from './password';
import { Profile } from './profile';
import { SecondFactor } from './second-factor';
import './account.css';

const Setting = lazy(() => import('../../visit/setting'));

export default function AccountPage(): ReactNode {
  const t = useText('pages');
  const who = useSession();
  return (
    <div className="stack">
      <Head title={t('account')} noIndex />
      <h1>{t('account')}</h1>
      {who.kind === 'unknown' && <Spinner />}
      {who.kind === 'guest' && <Guest />}
      {who.kind === 'account' && <Own account={who.account} />}
    </div>
  );
}

function Guest(): ReactNode {
  const t = useText('account');
  return (
    <>
      <p>{t('guestBody')}</p>
      <div className="row">
        <ButtonLink to="/login?next=%2Faccount">{t('logIn')}</ButtonLink>
        <ButtonLink to="/register?next=%2Faccount" look="secondary">
          {t('register')}
        </ButtonLink>
      </div>
    </>
  );
}

function Own({ account }: { readonly account: Account }): ReactNode {
  useFreshAccount();
  return (
    <div className="account-sections">
      <Profile account={account} />
      <Password account={account} />
      <SecondFactor account={account} />
      <LogOut />
      <ErrorBoundary fallback={null}>
        <Suspense fallback={null}>
          <Setting />
        </Suspense>
      </ErrorBoundary>
      <Data account={account} />
    </div>
  );
}

/** It may have been confirmed or changed on another device. */
function useFreshAccount(): void {
  const { data } = useQuery<Account, ApiProblem>({
    queryKey: ['me'],
    queryFn: ({ signal }) => api.send<Account>({ path: '/users/me', signal }),
    refetchOnWindowFocus: true,
  });
  useEffect(() => {
    if (data) session.changed(data);
  }, [data]);
}

/**
 * The door of the operators' pages. Nothing of them is loaded for anybody else; what they show is guarded by the API,
 * this only says so in words.
 */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { Navigate, useLocation } from 'react-router';
import { Head } from '../../app/head';
import { lazyPage } from '../../app/lazy-page';
import { operatorTexts } from '../../i18n/operator';
import { useLocale, useText } from '../../i18n/locale';
import { preloadPage } from '../../operator/pages';
import { ButtonLink } from '../../ui/button';
import { EmptyState } from '../../ui/panels';
import { isOperator, useSession } from '../../ui/session';
import { Spinner } from '../../ui/spinner';

const operatorApp = lazyPage(() => import('../../operator/app'));

export default function OperatorPage(): ReactNode {
  const nav = useText('nav');
  const { pathname, search } = useLocation();
  const who = useSession();
  const isOurs = isOperator(who);
  useForgetting(who.kind !== 'unknown' && !isOurs);
  const isLoaded = useLoading(isOurs);
  return (
    <>
      <Head title={nav('operations')} noIndex />
      {(who.kind === 'unknown' || (isOurs && !isLoaded)) && <Spinner />}
      {who.kind === 'guest' && (
        <Navigate to={`/login?next=${encodeURIComponent(pathname + search)}`} replace />
      )}
      {who.kind === 'account' && !isOurs && <Denied />}
      {isOurs && isLoaded && <operatorApp.Page />}
    </>
  );
}

function Denied(): ReactNode {
  const t = useText('operations');
  return (
    <EmptyState isPage title={t('deniedTitle')} body={t('deniedBody')}>
      <ButtonLink to="/">{t('deniedAction')}</ButtonLink>
    </EmptyState>
  );
}

/** Whether all that the first page needs is there. It is loaded at the same time, and shown in one step. */
function useLoading(isWanted: boolean): boolean {
  const { code } = useLocale();
  const { pathname } = useLocation();
  const [isLoaded, setLoaded] = useState(false);
  // Other pages are loaded when they are visited.
  const [first] = useState(pathname);
  useEffect(() => {
    if (!isWanted) return;
    const parts = [operatorApp.preload(), operatorTexts.load(code), preloadPage(first)];
    // What could not be loaded is tried again where it is needed, and says so there.
    void Promise.allSettled(parts).then(() => setLoaded(true));
  }, [isWanted, code, first]);
  return isLoaded;
}

/** After a log-out, in another tab too, nothing of the pages stays in memory. */
function useForgetting(isOver: boolean): void {
  const client = useQueryClient();
  useEffect(() => {
    if (isOver) client.removeQueries({ queryKey: ['operator'] });
  }, [client, isOver]);
}

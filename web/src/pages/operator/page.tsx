/**
 * The door of the operators' pages. Nothing of them is loaded for anybody else; what they show is guarded by the API,
 * this only says so in words. Where an operator was logged in last, they are loaded while the server is asked who it is.
 */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { Navigate, useLocation } from 'react-router';
import { Head } from '../../app/head';
import { serverClock, session } from '../../api';
import { lazyPage, type Visit } from '../../app/lazy-page';
import type { LanguageCode } from '../../i18n/languages';
import { operatorTexts } from '../../i18n/operator';
import { useLocale, useText } from '../../i18n/locale';
import { askEarly, forgetReads } from '../../operator/data';
import { operatorPageAt } from '../../operator/pages';
import { ButtonLink } from '../../ui/button';
import { EmptyState } from '../../ui/panels';
import { isOperator, useSession } from '../../ui/session';
import { Spinner } from '../../ui/spinner';

const operatorApp = lazyPage(() => import('../../operator/app'));

/**
 * An operator who comes again does not wait for one thing after the other. It is a guess, made by this browser: the
 * API still answers operators only.
 */
export function early({ language, path, search }: Visit): void {
  if (!session.wasOperator) return;
  void loadParts(language, path);
  const question = operatorPageAt(path)?.first?.(new URLSearchParams(search), serverClock.now());
  if (question) askEarly(question);
}

/** All that the page at a path needs. What could not be loaded is tried again where it is needed, and says so there. */
async function loadParts(code: LanguageCode, path: string): Promise<void> {
  const page = operatorPageAt(path)?.page.preload() ?? Promise.resolve();
  await Promise.allSettled([operatorApp.preload(), operatorTexts.load(code), page]);
}

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
    void loadParts(code, first).then(() => setLoaded(true));
  }, [isWanted, code, first]);
  return isLoaded;
}

/** After a log-out, in another tab too, nothing of the pages stays in memory. */
function useForgetting(isOver: boolean): void {
  const client = useQueryClient();
  useEffect(() => {
    if (isOver) forgetReads(client);
  }, [client, isOver]);
}

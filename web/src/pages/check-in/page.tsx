/**
 * The door of the stewards' page. Nothing of it is loaded for anybody else; what it asks is guarded by the API, this
 * only says so in words. Without a network nobody knows who it is: then what this device keeps decides.
 */
import { Suspense, useEffect, useState, type ReactNode } from 'react';
import { useLocation } from 'react-router';
import { Head } from '../../app/head';
import { lazyPage } from '../../app/lazy-page';
import { checkInTexts } from '../../i18n/check-in';
import { useLocale, useText } from '../../i18n/locale';
import { ButtonLink } from '../../ui/button';
import { EmptyState } from '../../ui/panels';
import { isSteward, useSession } from '../../ui/session';
import { Spinner } from '../../ui/spinner';
import { useOwnDocument } from './own-document';

const { Page: CheckInApp } = lazyPage(() => import('./app'));

export default function CheckInPage(): ReactNode {
  const nav = useText('nav');
  const who = useSession();
  const isUnknown = useUnknown(who.kind === 'unknown');
  useOwnDocument();
  const isOurs = isSteward(who) || (who.kind === 'unknown' && isUnknown);
  return (
    <>
      <Head title={nav('checkIn')} noIndex />
      {who.kind === 'unknown' && !isUnknown && <Spinner />}
      {who.kind === 'guest' && <Guest />}
      {who.kind === 'account' && !isOurs && <Denied />}
      {isOurs && <Texts />}
    </>
  );
}

function Texts(): ReactNode {
  const { code } = useLocale();
  // Along with the page, not after it.
  void checkInTexts.load(code);
  return (
    <Suspense fallback={<Spinner />}>
      <checkInTexts.Provider>
        <CheckInApp />
      </checkInTexts.Provider>
    </Suspense>
  );
}

function Guest(): ReactNode {
  const t = useText('checkIn');
  const { pathname } = useLocation();
  return (
    <EmptyState isPage title={t('guestTitle')} body={t('guestBody')}>
      <ButtonLink to={`/login?next=${encodeURIComponent(pathname)}`} reloadDocument>
        {t('logIn')}
      </ButtonLink>
    </EmptyState>
  );
}

function Denied(): ReactNode {
  const t = useText('checkIn');
  return (
    <EmptyState isPage title={t('deniedTitle')} body={t('deniedBody')}>
      <ButtonLink to="/" reloadDocument>
        {t('deniedAction')}
      </ButtonLink>
    </EmptyState>
  );
}

/** How long the server may take to say who it is before the page goes on without. */
const WHO_MS_MAX = 3_000;

/** Somebody is logged in here, and who it is cannot be found out for the moment. */
function useUnknown(isUnknown: boolean): boolean {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    if (!isUnknown) return undefined;
    const timer = setTimeout(() => setLate(true), navigator.onLine ? WHO_MS_MAX : 0);
    return () => clearTimeout(timer);
  }, [isUnknown]);
  return isLate;
}

/**
 * One reservation, from hold to tickets.
 *
 * A guest's link carries its token in the fragment, and the bank sends the browser back with parameters of its own:
 * both are taken out of the address before anything is asked, so that no history or shared link holds them.
 */
import { useEffect, useState, type ReactNode } from 'react';
import { useLocation, useNavigate, useParams } from 'react-router';
import { reservationTokens } from '../../api';
import { Head } from '../../app/head';
import { useHydrated } from '../../app/environment';
import { languageBeforeBank } from '../../checkout/use-checkout';
import { languageOf, localized } from '../../i18n/languages';
import { useText } from '../../i18n/locale';
import { Spinner } from '../../ui/spinner';
import { CheckoutPage } from './checkout';
import './reservation.css';

const TOKEN_CHARS_MAX = 500;
/** Stripe adds it, and so does the sandbox. */
const FROM_BANK = 'payment_intent';

/**
 * Keeps the token of the address, and leaves the address without anything that is nobody's business. True when the
 * page is left: banks send everybody back to the page in the shop's first language.
 */
function takeFromAddress(id: string): boolean {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token !== null && token !== '' && token.length <= TOKEN_CHARS_MAX) reservationTokens.set(id, token);
  const { code, path } = languageOf(location.pathname);
  const language = languageBeforeBank();
  if (new URLSearchParams(location.search).has(FROM_BANK) && language !== null && language !== code) {
    location.replace(localized(language, path));
    return true;
  }
  if (location.hash !== '' || location.search !== '') {
    history.replaceState(history.state, '', location.pathname);
  }
  return false;
}

export default function ReservationPage(): ReactNode {
  const { id = '' } = useParams();
  const t = useText('pages');
  return (
    <>
      <Head title={t('reservation')} noIndex />
      {useHydrated() ? <Opened key={id} id={id} /> : <Waiting />}
    </>
  );
}

function Opened({ id }: { readonly id: string }): ReactNode {
  // Once, and before the first request.
  const [isLeft] = useState(() => takeFromAddress(id));
  // The router has read the address before: no link of the page may carry on what was in it.
  const { pathname, search, hash } = useLocation();
  const navigate = useNavigate();
  useEffect(() => {
    if (!isLeft && (search !== '' || hash !== '')) void navigate(pathname, { replace: true });
  }, [isLeft, navigate, pathname, search, hash]);
  return isLeft ? <Waiting /> : <CheckoutPage id={id} />;
}

/** What the server renders: it knows nothing of a reservation, which is one person's. */
function Waiting(): ReactNode {
  const t = useText('pages');
  return (
    <>
      <h1>{t('reservation')}</h1>
      <Spinner />
    </>
  );
}

/** What is around every page: header with navigation, language and theme, and the footer. */
import { lazy, Suspense, useState, type ReactNode } from 'react';
import { Link, NavLink, useLocation } from 'react-router';
import { useHydrated } from '../app/environment';
import { routeOf } from '../app/routes';
import { LANGUAGES, LANGUAGE_CODES, localized } from '../i18n/languages';
import { useLocale, useText } from '../i18n/locale';
import { useConsent } from '../visit/record';
import { ErrorBoundary } from './error-boundary';
import { isOperator, isSteward, useSession } from './session';

/** The app's first element; the server cuts the document there. */
export const APP_CLASS = 'app';

export function Layout({ children }: { readonly children: ReactNode }): ReactNode {
  const common = useText('common');
  const { pathname } = useLocation();
  const isBare = routeOf(pathname).isBare === true;
  return (
    <div className={APP_CLASS}>
      <a className="skip" href="#content">
        {common('skip')}
      </a>
      <Header isBare={isBare} />
      <noscript>
        <p className="no-script">{common('noScript')}</p>
      </noscript>
      <main id="content" className="content" tabIndex={-1}>
        {children}
      </main>
      {!isBare && <Question />}
      {!isBare && <Footer />}
    </div>
  );
}

const Ask = lazy(() => import('../visit/ask'));
/** Where something is recorded. */
const RECORDED = /^\/(?:matches\/[^/]+)?$/;

/** Whether a visit may be recorded: asked where that would be, until it is answered. */
function Question(): ReactNode {
  const { pathname } = useLocation();
  const isHydrated = useHydrated();
  const answer = useConsent();
  if (!isHydrated || answer !== 'unasked' || !RECORDED.test(pathname)) return null;
  return (
    <ErrorBoundary fallback={null}>
      <Suspense fallback={null}>
        <Ask />
      </Suspense>
    </ErrorBoundary>
  );
}

function Header({ isBare }: { readonly isBare: boolean }): ReactNode {
  const common = useText('common');
  return (
    <header className="header">
      <div className="header-inner">
        <Link className="brand" to="/" reloadDocument={isBare}>
          <BrandMark />
          {common('brand')}
        </Link>
        {!isBare && <Navigation />}
        <div className="header-tools">
          <LanguageSwitch />
          <ThemeSwitch />
        </div>
      </div>
    </header>
  );
}

function Navigation(): ReactNode {
  const t = useText('nav');
  const who = useSession();
  return (
    <nav className="nav" aria-label={t('label')}>
      <NavLink to="/" end>
        {t('matches')}
      </NavLink>
      <NavLink to="/tickets">{t('tickets')}</NavLink>
      <NavLink to="/help">{t('help')}</NavLink>
      {who.kind === 'account' ? (
        <NavLink to="/account">{t('account')}</NavLink>
      ) : (
        <NavLink to="/login">{t('login')}</NavLink>
      )}
      {isSteward(who) && (
        <NavLink to="/check-in" reloadDocument>
          {t('checkIn')}
        </NavLink>
      )}
      {isOperator(who) && <NavLink to="/operator">{t('operations')}</NavLink>}
    </nav>
  );
}

function BrandMark(): ReactNode {
  return (
    <svg className="brand-mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" className="brand-mark-back" />
      <path
        d="M7 11h18v3.2a1.8 1.8 0 0 0 0 3.6V21H7v-3.2a1.8 1.8 0 0 0 0-3.6z"
        className="brand-mark-front"
      />
      <path d="m13 16 2.2 2.2 4-4.4" className="brand-mark-tick" />
    </svg>
  );
}

/** Plain links: the other language is another document, with its own direction and texts. */
function LanguageSwitch(): ReactNode {
  const { code } = useLocale();
  const { pathname, search } = useLocation();
  const t = useText('nav');
  return (
    <nav className="languages" aria-label={t('language')}>
      {LANGUAGE_CODES.filter((other) => other !== code).map((other) => (
        <a
          key={other}
          href={localized(other, pathname) + search}
          hrefLang={other}
          lang={other}
          className="tool"
        >
          {LANGUAGES[other].name}
        </a>
      ))}
    </nav>
  );
}

const THEME_SECONDS = 365 * 24 * 60 * 60;

/** A cookie, so that the server sends the page in the right colours: no flash of the wrong ones. */
function ThemeSwitch(): ReactNode {
  const t = useText('nav');
  const isHydrated = useHydrated();
  const [isDark, setDark] = useState<boolean | null>(null);
  if (!isHydrated) return <span className="tool tool-icon" aria-hidden="true" />;
  const shown = isDark ?? shownTheme() === 'dark';
  const change = (): void => {
    const theme = shown ? 'light' : 'dark';
    document.documentElement.dataset['theme'] = theme;
    document.cookie = `theme=${theme}; Path=/; Max-Age=${THEME_SECONDS}; SameSite=Lax`;
    setDark(!shown);
  };
  const label = shown ? t('toLight') : t('toDark');
  return (
    <button type="button" className="tool tool-icon" onClick={change} aria-label={label} title={label}>
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
        {shown ? (
          <path
            d="M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M4.9 4.9l1.8 1.8M17.3 17.3l1.8 1.8M4.9 19.1l1.8-1.8M17.3 6.7l1.8-1.8"
            className="stroke"
          />
        ) : (
          <path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z" className="stroke" />
        )}
      </svg>
    </button>
  );
}

function shownTheme(): 'light' | 'dark' {
  const chosen = document.documentElement.dataset['theme'];
  if (chosen === 'dark' || chosen === 'light') return chosen;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

function Footer(): ReactNode {
  const t = useText('footer');
  return (
    <footer className="footer">
      <div className="footer-inner">
        <p>{t('note')}</p>
        <nav aria-label={t('label')}>
          <Link to="/lookup">{t('lookup')}</Link>
          <Link to="/help">{t('help')}</Link>
        </nav>
      </div>
    </footer>
  );
}

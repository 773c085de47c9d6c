/**
 * The operators' pages and the navigation around them.
 *
 * Guarantees: loaded for operators only (pages/operator); each page is loaded when it is visited; an operator whom the
 * API does not let in without a second factor is told so in place of a page of refusals.
 */
import { useQueryClient, type Query } from '@tanstack/react-query';
import { Suspense, useEffect, useState, type ReactNode } from 'react';
import { NavLink, Route, Routes, useLocation } from 'react-router';
import { ApiProblem } from '../api';
import { Head } from '../app/head';
import { operatorTexts, useOperatorText } from '../i18n/operator';
import { ButtonLink } from '../ui/button';
import { ErrorBoundary } from '../ui/error-boundary';
import { EmptyState } from '../ui/panels';
import { Spinner } from '../ui/spinner';
import { OPERATOR_PAGES, type OperatorPage } from './pages';
import { BOARD_PATH } from './paths';
import './operator.css';

export default function OperatorApp(): ReactNode {
  return (
    <Suspense fallback={<Spinner />}>
      <operatorTexts.Provider>
        <Shell />
      </operatorTexts.Provider>
    </Suspense>
  );
}

function Shell(): ReactNode {
  const isFactorMissing = useFactorMissing();
  const { pathname } = useLocation();
  return (
    <div className="operator">
      <Navigation key={pathname} />
      <div className="operator-page">
        {isFactorMissing ? (
          <FactorMissing />
        ) : (
          <ErrorBoundary key={pathname}>
            <Suspense fallback={<Spinner />}>
              <Pages />
            </Suspense>
          </ErrorBoundary>
        )}
      </div>
    </div>
  );
}

function Pages(): ReactNode {
  return (
    <Routes>
      {OPERATOR_PAGES.map(({ path, hasMore, page: { Page } }) => (
        <Route key={path} path={hasMore ? `${path}/*` : path} element={<Page />} />
      ))}
      <Route path="*" element={<Nowhere />} />
    </Routes>
  );
}

const GROUPS = ['selling', 'running', 'access'] as const satisfies readonly OperatorPage['group'][];

/** A column beside the page; on narrow screens a menu above it. Made anew for each page, so the menu closes. */
function Navigation(): ReactNode {
  const t = useOperatorText('shell');
  const [isOpen, setOpen] = useState(false);
  return (
    <nav className="operator-nav" aria-label={t('nav')}>
      <button
        type="button"
        className="button button-secondary operator-menu"
        aria-expanded={isOpen}
        aria-controls="operator-links"
        onClick={() => setOpen(!isOpen)}
      >
        <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
          <path d="M4 7h16M4 12h16M4 17h16" className="stroke" />
        </svg>
        {t('menu')}
      </button>
      <div id="operator-links" className="operator-links" data-open={isOpen || undefined}>
        {GROUPS.map((group) => (
          <div key={group} className="operator-group">
            <p className="operator-group-name" id={`operator-${group}`}>
              {t(`groups.${group}`)}
            </p>
            <ul aria-labelledby={`operator-${group}`}>
              {OPERATOR_PAGES.filter((page) => page.group === group).map(({ path, textKey }) => (
                <li key={path}>
                  <NavLink to={path === '' ? '/operator' : `/operator/${path}`} end={path === ''}>
                    {t(`pages.${textKey}`)}
                  </NavLink>
                </li>
              ))}
              {group === 'running' && (
                <li>
                  <a href={BOARD_PATH}>{t('board')}</a>
                </li>
              )}
            </ul>
          </div>
        ))}
      </div>
    </nav>
  );
}

function Nowhere(): ReactNode {
  const t = useOperatorText('shell');
  return (
    <EmptyState isPage title={t('nowhereTitle')} body={t('nowhereBody')}>
      <ButtonLink to="/operator">{t('pages.sales')}</ButtonLink>
    </EmptyState>
  );
}

/** Whether the API refused anything of these pages for want of a second factor. */
function useFactorMissing(): boolean {
  const client = useQueryClient();
  const [isMissing, setMissing] = useState(false);
  useEffect(() => {
    const look = (error: unknown): void => {
      if (error instanceof ApiProblem && error.code === 'second_factor_required') setMissing(true);
    };
    const queries = client.getQueryCache();
    const lookAt = (query: Query): void => {
      const [first] = query.queryKey;
      if (first === 'operator') look(query.state.error);
    };
    queries.findAll().forEach(lookAt);
    return queries.subscribe(({ query }) => lookAt(query as Query));
  }, [client]);
  return isMissing;
}

function FactorMissing(): ReactNode {
  const t = useOperatorText('shell');
  return (
    <EmptyState isPage title={t('factorTitle')} body={t('factorBody')}>
      <Head title={t('factorTitle')} noIndex />
      <ButtonLink to="/account">{t('factorAction')}</ButtonLink>
    </EmptyState>
  );
}

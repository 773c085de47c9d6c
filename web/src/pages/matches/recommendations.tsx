import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { useLocation } from 'react-router';
import type { MatchView } from '../../api/types';
import { useText } from '../../i18n/locale';
import { ErrorBoundary } from '../../ui/error-boundary';
import { activeFilters, filtersOf } from './filters';

const Recommended = lazy(() => import('../../visit/recommended'));

/**
 * Loaded and asked for only when it is scrolled to; without an answer the page does without. Not while somebody looks
 * for something: what was not looked for must not seem to be found.
 */
export function Recommendations({ matches }: { readonly matches: readonly MatchView[] }): ReactNode {
  const t = useText('matches');
  const { search } = useLocation();
  const place = useRef<HTMLElement>(null);
  const [isNear, setNear] = useState(false);
  const filters = filtersOf(new URLSearchParams(search));
  const isLookedFor = filters.q !== '' || activeFilters(filters).length > 0;
  useEffect(() => {
    if (!place.current) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setNear(true);
      },
      { rootMargin: '300px' },
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  return (
    <aside ref={place} className="recommended" aria-label={t('recommended')} hidden={isLookedFor}>
      {isNear && (
        <ErrorBoundary fallback={null}>
          <Suspense fallback={null}>
            <Recommended matches={matches} />
          </Suspense>
        </ErrorBoundary>
      )}
    </aside>
  );
}

/** The app around its pages; the same on the server and in the browser but for the router given to it. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Suspense, useEffect, useLayoutEffect, useRef, type ReactNode } from 'react';
import { Route, Routes, useLocation } from 'react-router';
import { ApiProblem } from '../api';
import type { MatchView } from '../api/types';
import { LocaleProvider, type LoadedLanguage } from '../i18n/locale';
import { MATCHES_KEY } from '../live/matches';
import { ErrorBoundary } from '../ui/error-boundary';
import { Layout } from '../ui/layout';
import { Spinner } from '../ui/spinner';
import { ToastProvider } from '../ui/toast';
import { EnvironmentContext, type Environment } from './environment';
import { replayEarlyInput } from './early-input';
import { NOT_FOUND, ROUTES } from './routes';

/** The API client repeats by itself what is worth it; screens offer the rest. */
export function newQueryClient(matches: readonly MatchView[] | null | undefined): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        retry: (failures, error) =>
          failures < 2 && error instanceof ApiProblem && error.code === 'overloaded',
        retryDelay: (_failures, error) =>
          error instanceof ApiProblem ? (error.retryAfterMs ?? 2_000) : 2_000,
        refetchOnWindowFocus: false,
      },
      mutations: { retry: false },
    },
  });
  if (matches) client.setQueryData(MATCHES_KEY, matches);
  return client;
}

export interface AppProps {
  readonly language: LoadedLanguage;
  readonly environment: Environment;
  readonly client: QueryClient;
  /** Wraps the pages in the router of where it runs. */
  readonly router: (children: ReactNode) => ReactNode;
}

export function App({ language, environment, client, router }: AppProps): ReactNode {
  return (
    <EnvironmentContext value={environment}>
      <LocaleProvider language={language}>
        <QueryClientProvider client={client}>
          {router(
            <ErrorBoundary>
              <ToastProvider>
                <Layout>
                  <ScrollAndFocus />
                  <ErrorBoundary>
                    <Suspense fallback={<Spinner />}>
                      <Pages />
                    </Suspense>
                  </ErrorBoundary>
                </Layout>
              </ToastProvider>
            </ErrorBoundary>,
          )}
        </QueryClientProvider>
      </LocaleProvider>
    </EnvironmentContext>
  );
}

function Pages(): ReactNode {
  useLayoutEffect(() => replayEarlyInput(document), []);
  return (
    <Routes>
      {[...ROUTES, NOT_FOUND].map(({ path, page: { Page } }) => (
        <Route key={path} path={path} element={<Page />} />
      ))}
    </Routes>
  );
}

/** A new page begins at its top, and screen readers hear of it: its heading takes the focus. */
function ScrollAndFocus(): ReactNode {
  const { pathname } = useLocation();
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return undefined;
    before.current = pathname;
    window.scrollTo(0, 0);
    // The page may still be on its way.
    const frame = requestAnimationFrame(() => {
      const heading = document.querySelector<HTMLElement>('main h1');
      heading?.setAttribute('tabindex', '-1');
      heading?.focus({ preventScroll: true });
    });
    return () => cancelAnimationFrame(frame);
  }, [pathname]);
  return null;
}

/** Every page of the app and its path. Paths are the same in every language; `prefixOf` says what stands before. */
import { matchPath } from 'react-router';
import { lazyPage, type LazyPage } from './lazy-page';

export interface AppRoute {
  readonly path: string;
  readonly page: LazyPage;
  /** The module of the page, as the client's manifest names it: the server asks browsers to load it early. */
  readonly module: string;
  /** Whether search engines should list it. */
  readonly isPublic: boolean;
  /** It shows nothing of the shop: the server puts no matches into its document. */
  readonly isApart?: true;
  /** Nothing of the shop is around it: no navigation, no footer, and ways out of it are loads of another page. */
  readonly isBare?: true;
}

const route = (
  path: string,
  module: string,
  load: Parameters<typeof lazyPage>[0],
  isPublic = false,
): AppRoute => ({ path, module: `src/pages/${module}`, page: lazyPage(load), isPublic });

export const ROUTES: readonly AppRoute[] = [
  route('/', 'matches/page.tsx', () => import('../pages/matches/page'), true),
  route('/matches/:matchNumber', 'match/page.tsx', () => import('../pages/match/page'), true),
  route('/reservations/:id', 'reservation/page.tsx', () => import('../pages/reservation/page')),
  route('/tickets', 'tickets/page.tsx', () => import('../pages/tickets/page')),
  route('/account', 'account/page.tsx', () => import('../pages/account/page')),
  route('/login', 'account/login.tsx', () => import('../pages/account/login')),
  route('/register', 'account/register.tsx', () => import('../pages/account/register')),
  route('/confirm-email', 'account/confirm-email.tsx', () => import('../pages/account/confirm-email')),
  route('/reset-password', 'account/reset-password.tsx', () => import('../pages/account/reset-password')),
  {
    ...route('/operator/*', 'operator/page.tsx', () => import('../pages/operator/page')),
    isApart: true,
  },
  {
    ...route('/check-in', 'check-in/page.tsx', () => import('../pages/check-in/page')),
    isApart: true,
    isBare: true,
  },
  route('/waiting-room', 'waiting-room/page.tsx', () => import('../pages/waiting-room/page')),
  route('/lookup', 'lookup/page.tsx', () => import('../pages/lookup/page')),
  route('/help', 'help/page.tsx', () => import('../pages/help/page'), true),
];

export const NOT_FOUND: AppRoute = route('*', 'not-found.tsx', () => import('../pages/not-found'));

/** `path` without the language. */
export function routeOf(path: string): AppRoute {
  return ROUTES.find((one) => matchPath(one.path, path) !== null) ?? NOT_FOUND;
}

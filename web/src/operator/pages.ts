/** The operators' pages. A page is a line here and a part of the texts; its file is loaded when it is visited. */
import { lazyPage, type LazyPage } from '../app/lazy-page';
import type { OperatorMessages } from '../i18n/operator';
import type { Question } from './data';
import { questionOf, viewOf } from './sales/range';

export interface OperatorPage {
  /** Below `/operator`; empty for the first one. */
  readonly path: string;
  /** Its name in the navigation. */
  readonly textKey: keyof OperatorMessages['shell']['pages'];
  readonly group: keyof OperatorMessages['shell']['groups'];
  readonly page: LazyPage;
  /** What the page asks first, where it is worth asking before the page is there. `now`: milliseconds since 1970. */
  readonly first?: (search: URLSearchParams, now: number) => Question;
  /** Pages below it: `/*` after its path. */
  readonly hasMore?: true;
}

type Load = Parameters<typeof lazyPage>[0];
type Names = Pick<OperatorPage, 'path' | 'textKey' | 'group'>;
const page = ({ load, ...names }: Names & { readonly load: Load }): OperatorPage => ({
  ...names,
  page: lazyPage(load),
});

export const OPERATOR_PAGES: readonly OperatorPage[] = [
  {
    ...page({ path: '', textKey: 'sales', group: 'selling', load: () => import('./sales/page') }),
    first: (search, now) => questionOf(viewOf(search), now),
  },
  page({ path: 'live', textKey: 'live', group: 'selling', load: () => import('./live/page') }),
  page({ path: 'demand', textKey: 'demand', group: 'selling', load: () => import('./demand/page') }),
  {
    ...page({ path: 'matches', textKey: 'matches', group: 'selling', load: () => import('./matches/page') }),
    hasMore: true,
  },
  page({ path: 'waiting-room', textKey: 'room', group: 'selling', load: () => import('./room/page') }),
  page({
    path: 'reservations',
    textKey: 'reservations',
    group: 'selling',
    load: () => import('./reservations/page'),
  }),
  {
    ...page({ path: 'payouts', textKey: 'payouts', group: 'selling', load: () => import('./payouts/page') }),
    hasMore: true,
  },
  page({ path: 'system', textKey: 'system', group: 'running', load: () => import('./system/page') }),
  page({
    path: 'dead-letters',
    textKey: 'deadLetters',
    group: 'running',
    load: () => import('./dead-letters/page'),
  }),
  page({ path: 'market', textKey: 'market', group: 'running', load: () => import('./market/page') }),
  page({ path: 'blocks', textKey: 'blocks', group: 'access', load: () => import('./blocks/page') }),
  page({ path: 'audit', textKey: 'audit', group: 'access', load: () => import('./audit/page') }),
  page({ path: 'staff', textKey: 'staff', group: 'access', load: () => import('./staff/page') }),
];

/** The page at a path, which is without the language. */
export function operatorPageAt(path: string): OperatorPage | null {
  const [, , first = ''] = path.split('/');
  return OPERATOR_PAGES.find((one) => one.path === first) ?? null;
}

/** The operators' pages. A page is a line here and a part of the texts; its file is loaded when it is visited. */
import { lazyPage, type LazyPage } from '../app/lazy-page';
import type { OperatorMessages } from '../i18n/operator';

export interface OperatorPage {
  /** Below `/operator`; empty for the first one. */
  readonly path: string;
  /** Its name in the navigation. */
  readonly textKey: keyof OperatorMessages['shell']['pages'];
  readonly group: keyof OperatorMessages['shell']['groups'];
  readonly page: LazyPage;
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
  page({ path: '', textKey: 'sales', group: 'selling', load: () => import('./sales/page') }),
  page({ path: 'live', textKey: 'live', group: 'selling', load: () => import('./live/page') }),
  page({ path: 'demand', textKey: 'demand', group: 'selling', load: () => import('./demand/page') }),
  {
    ...page({ path: 'matches', textKey: 'matches', group: 'selling', load: () => import('./matches/page') }),
    hasMore: true,
  },
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

/** Loads the page of a path, so that it is there along with what is around it. `path`: without the language. */
export async function preloadPage(path: string): Promise<void> {
  const [, , first = ''] = path.split('/');
  await OPERATOR_PAGES.find((one) => one.path === first)?.page.preload();
}

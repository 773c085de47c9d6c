/** Which service answers which path of the API, and of the operators' board. */

/** Services that the client port forwards to. */
export const UPSTREAMS = ['shop', 'reservations', 'user', 'payments', 'security'] as const;
export type Upstream = (typeof UPSTREAMS)[number];

/** First segments under `/api/v1/`, each with its service: `/api/v1/matches/1` begins with `matches`. */
const BY_SEGMENT: ReadonlyMap<string, Upstream> = new Map([
  ['matches', 'shop'],
  ['availability', 'shop'],
  ['recommendations', 'shop'],
  ['views', 'shop'],
  ['sales-messages', 'shop'],
  ['reservations', 'reservations'],
  ['tickets', 'reservations'],
  ['check-ins', 'reservations'],
  ['waiting-room', 'reservations'],
  ['waiting-list', 'reservations'],
  ['users', 'user'],
  ['sessions', 'user'],
  ['email-confirmations', 'user'],
  ['password-resets', 'user'],
  ['payments', 'payments'],
  ['operations', 'payments'],
  ['checks', 'security'],
  ['challenges', 'security'],
  ['blocks', 'security'],
  ['audit', 'security'],
]);

/** Whole paths that are elsewhere. */
const BY_PATH: ReadonlyMap<string, Upstream> = new Map([
  ['/api/reservation', 'reservations'],
  ['/.well-known/jwks.json', 'user'],
]);

/** The board asks for a log-in of operators itself; its cookies are for this path only, under whatever port. */
const BOARD: { readonly path: string; readonly upstream: Upstream } = { path: '/admin', upstream: 'shop' };
const isBoard = (path: string): boolean => path === BOARD.path || path.startsWith(`${BOARD.path}/`);

const SEGMENT = /^\/api\/v1\/([^/]+)/;

/** True when the path is the API's, whether anything answers there or not. */
export function isApi(path: string): boolean {
  return path === '/api' || path.startsWith('/api/') || BY_PATH.has(path);
}

/** True when the path belongs to a service and not to the web app. */
export const isForwarded = (path: string): boolean => isApi(path) || isBoard(path);

/** `path` without its query. Null when no service answers there. */
export function upstreamOf(path: string): Upstream | null {
  if (isBoard(path)) return BOARD.upstream;
  const segment = SEGMENT.exec(path)?.[1];
  return BY_PATH.get(path.replace(/\/$/, '')) ?? BY_SEGMENT.get(segment ?? '') ?? null;
}

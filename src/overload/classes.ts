/**
 * Which requests are refused first. One table for all services, because the client role refuses for services whose routes it
 * does not have. A test asks that it names every route of every service.
 */

/** The first one is refused first. */
export const SHED_ORDER = ['browse', 'hold', 'holder', 'pay'] as const;
export type ShedClass = (typeof SHED_ORDER)[number];
/** `always`: health, metrics, operators, stewards at the gates, and the services among each other. */
export type LoadClass = ShedClass | 'always';

export interface LoadClassOf {
  readonly loadClass: LoadClass;
  /** Its answer goes on for as long as the client stays: it is not counted among the requests under way. */
  readonly isStream: boolean;
}

/**
 * Method, path and class; `*` is any method, `{}` any one segment, `**` whatever follows. First match counts.
 * Refused with those who look is whatever is not named: what nobody knows cannot be what somebody pays with.
 */
const TABLE: readonly (readonly [methods: string, path: string, loadClass: LoadClass])[] = [
  ['*', '/health/**', 'always'],
  ['*', '/metrics', 'always'],
  ['*', '/admin/**', 'always'],
  ['*', '/admin', 'always'],
  ['*', '/api/v1/operations/**', 'always'],
  ['*', '/api/v1/blocks/**', 'always'],
  ['*', '/api/v1/blocks', 'always'],
  ['*', '/api/v1/audit', 'always'],
  ['*', '/api/v1/checks/**', 'always'],
  ['*', '/api/v1/checks', 'always'],
  ['POST', '/api/v1/challenges/verify', 'always'],
  ['*', '/api/v1/check-ins/**', 'always'],
  ['*', '/api/v1/check-ins', 'always'],
  ['GET', '/api/v1/tickets/keys', 'always'],
  ['POST', '/api/v1/tickets/check', 'always'],
  ['*', '/.well-known/jwks.json', 'always'],
  ['POST', '/api/v1/sales-messages', 'always'],

  // Money.
  ['POST', '/api/v1/reservations/{}/payment', 'pay'],
  ['POST', '/api/v1/payments/webhook', 'pay'],
  ['GET', '/api/v1/payments/config', 'pay'],
  // What is left is for operators.
  ['*', '/api/v1/payments/**', 'always'],
  ['*', '/api/v1/payments', 'always'],

  // Those who have something.
  ['GET', '/api/v1/reservations/terms', 'browse'],
  ['POST', '/api/v1/reservations/lookup', 'hold'],
  ['GET', '/api/v1/reservations', 'holder'],
  ['*', '/api/v1/reservations/{}', 'holder'],
  ['*', '/api/v1/reservations/{}/**', 'holder'],
  ['*', '/api/v1/tickets', 'holder'],
  ['*', '/api/v1/tickets/**', 'holder'],
  ['GET', '/api/v1/waiting-room/places/mine', 'holder'],
  ['GET', '/api/v1/waiting-list', 'holder'],
  ['*', '/api/v1/waiting-list/{}', 'holder'],
  // Without a new access token nobody with an account could pay.
  ['POST', '/api/v1/sessions/refresh', 'holder'],
  ['*', '/api/v1/users/me', 'holder'],
  ['*', '/api/v1/users/me/**', 'holder'],
  // Operators'.
  ['GET', '/api/v1/users', 'always'],
  ['PATCH', '/api/v1/users/{}', 'always'],

  // Those who want to.
  ['POST', '/api/v1/reservations', 'hold'],
  ['POST', '/api/reservation', 'hold'],
  ['POST', '/api/v1/challenges', 'hold'],
  ['POST', '/api/v1/waiting-room/places', 'hold'],
  ['POST', '/api/v1/waiting-list', 'hold'],
  ['*', '/api/v1/sessions', 'hold'],
  ['*', '/api/v1/sessions/**', 'hold'],
  ['POST', '/api/v1/users', 'hold'],
  ['*', '/api/v1/email-confirmations', 'hold'],
  ['*', '/api/v1/email-confirmations/**', 'hold'],
  ['*', '/api/v1/password-resets', 'hold'],
  ['*', '/api/v1/password-resets/**', 'hold'],

  // Those who look.
  ['GET', '/api/v1/matches', 'browse'],
  ['GET', '/api/v1/matches/{}', 'browse'],
  ['GET', '/api/v1/availability/stream', 'browse'],
  ['GET', '/api/v1/recommendations', 'browse'],
  ['POST', '/api/v1/views', 'browse'],
  ['GET', '/api/v1/waiting-room', 'browse'],
  ['GET', '/api/v1/openapi.json', 'browse'],
  ['GET', '/api/v1/docs', 'browse'],

  // The web app: what its pages are made of is the same for all and costs a file.
  ['GET', '/assets/**', 'holder'],
  ['GET', '/reservations/**', 'holder'],
  ['GET', '/reservations', 'holder'],
  ['GET', '/tickets', 'holder'],
  ['GET', '/check-in/**', 'always'],
  ['GET', '/check-in', 'always'],
  ['GET', '/operator/**', 'always'],
  ['GET', '/operator', 'always'],
];

const STREAM = '/api/v1/availability/stream';
const OTHERWISE: LoadClass = 'browse';
/** Pages in another language than the first begin with it. */
const LANGUAGE = /^\/[a-z]{2}(?=\/|$)/;

interface Node {
  readonly next: Map<string, Node>;
  any: Node | null;
  /** Of the path that ends here, and of any that goes on from here; with its place in the table. */
  readonly here: Map<string, number>;
  readonly below: Map<string, number>;
}

const newNode = (): Node => ({ next: new Map(), any: null, here: new Map(), below: new Map() });

function treeOf(table: typeof TABLE): Node {
  const root = newNode();
  table.forEach(([method, path], place) => {
    let node = root;
    for (const segment of path.split('/').slice(1)) {
      if (segment === '**') {
        put(node.below, method, place);
        return;
      }
      if (segment === '{}') node = node.any ??= newNode();
      else {
        const next = node.next.get(segment) ?? newNode();
        node.next.set(segment, next);
        node = next;
      }
    }
    put(node.here, method, place);
  });
  return root;
}

function put(places: Map<string, number>, method: string, place: number): void {
  if (!places.has(method)) places.set(method, place);
}

const ROOT = treeOf(TABLE);
const NONE = TABLE.length;

/** The first place of the table that fits; `NONE` when nothing does. */
function placeOf(node: Node, segments: readonly string[], from: number, method: string): number {
  const of = (places: ReadonlyMap<string, number>): number =>
    Math.min(places.get(method) ?? NONE, places.get('*') ?? NONE);
  if (from === segments.length) return of(node.here);
  const segment = segments[from] ?? '';
  const next = node.next.get(segment);
  return Math.min(
    of(node.below),
    next ? placeOf(next, segments, from + 1, method) : NONE,
    node.any ? placeOf(node.any, segments, from + 1, method) : NONE,
  );
}

/** Longer paths are nobody's: they cost no more to look at than this. */
const PATH_CHARS_MAX = 500;

/** An origin before the path: RFC 9112 section 3.2.2 lets every client send it. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i;

/** The path that routes are found by: of a request's target without origin, query and fragment. */
export function pathOf(target: string): string {
  const path = target.startsWith('/') ? target : target.replace(ORIGIN, '');
  const end = path.search(/[?#]/);
  return end < 0 ? path : path.slice(0, end);
}

/** `path` as `pathOf` has it. */
export function loadClassOf(method: string, path: string): LoadClassOf {
  // A question about what a path takes costs nothing, and comes before a payment.
  if (method === 'OPTIONS') return { loadClass: 'always', isStream: false };
  return { loadClass: namedClassOf(method, path) ?? OTHERWISE, isStream: isStreamAt(path) };
}

const SLASH_AT_END = /(?<=.)\/$/;

/** In whatever way it is written that routes are found by: what stays must not take the places of what goes. */
const isStreamAt = (path: string): boolean => path.replace(SLASH_AT_END, '').toLowerCase() === STREAM;

/** Null when the table does not name it. */
export function namedClassOf(method: string, path: string): LoadClass | null {
  if (path.length > PATH_CHARS_MAX) return null;
  const isPage = !path.startsWith('/api/');
  const plain = (isPage ? path.replace(LANGUAGE, '') : path).replace(SLASH_AT_END, '');
  const place = placeOf(ROOT, plain.split('/').slice(1), 0, method === 'HEAD' ? 'GET' : method);
  return TABLE[place]?.[2] ?? null;
}

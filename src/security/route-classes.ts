/** Which limits a request shares, from what a service says of it ("POST /api/v1/reservations"). */
import type { RouteClass } from './port.js';

/** Classes whose requests can be answered with a challenge. Reads and machines cannot solve one. */
export const CHALLENGED = ['hold', 'pay', 'login', 'account'] as const satisfies readonly RouteClass[];
export type ChallengedClass = (typeof CHALLENGED)[number];

export function isChallenged(routeClass: RouteClass): routeClass is ChallengedClass {
  return CHALLENGED.some((known) => known === routeClass);
}

/** First match counts. Paths are without query; a trailing slash is another way to write the same. */
const CLASSES: readonly (readonly [pattern: RegExp, routeClass: RouteClass])[] = [
  [/^POST \/api\/v1\/payments\/webhook$/, 'webhook'],
  [/^\w+ \/api\/v1\/(checks|sales-messages|challenges\/verify)(\/|$)/, 'service'],
  [/^\w+ \/(admin|api\/v1\/(blocks|audit))(\/|$)/, 'admin'],
  [/^POST \/api\/(reservation|v1\/(reservations|waiting-list|waiting-room\/places))$/, 'hold'],
  [/^POST \/api\/v1\/reservations\/lookup$/, 'account'],
  [/^\w+ \/api\/v1\/(check-ins(\/|$)|tickets\/check$)/, 'check-in'],
  [/^POST \/api\/v1\/reservations\/[^/]+\/payment$/, 'pay'],
  [/^POST \/api\/v1\/sessions(\/|$)/, 'login'],
  [/^(POST|PUT|PATCH|DELETE) \/api\/v1\/(users|sessions)(\/|$)/, 'account'],
  [/^(GET|HEAD|OPTIONS) \/(api|matches|health|metrics|assets)(\/|$)/, 'read'],
  [/^(GET|HEAD) \/$/, 'read'],
  [/^(POST|PUT|PATCH|DELETE) \/api\/v1\//, 'write'],
];

/** `unknown` when no route of ours reads like it. */
export function routeClassOf(route: string): RouteClass {
  const plain = route.split('?', 1)[0]?.replace(/(?<=.\/.*)\/$/, '') ?? '';
  return CLASSES.find(([pattern]) => pattern.test(plain))?.[1] ?? 'unknown';
}

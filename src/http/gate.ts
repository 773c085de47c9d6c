/**
 * What every request passes before anything is done for it: who asks, as far as an access token proves it, and
 * the security check's verdict. Guarantee: no body is read, no reservation looked at and no command made before
 * the verdict.
 */
import type { Request, Response } from 'express';
import type { Devices } from '../security/device.js';
import type { RouteClass, Security } from '../security/port.js';
import { isChallenged } from '../security/route-classes.js';
import { signalsOf, solutionOf, verdictProblem } from '../security/verdict.js';
import type { Principal } from '../users/principal.js';
import { bearerToken } from './identity.js';
import { Problem } from './problem.js';
import type { Gate } from './service.js';

export interface GateOptions {
  readonly tokens: { verify(token: string): Promise<Principal | null> };
  readonly security: Pick<Security, 'check' | 'tell'>;
  /** Gives browsers something to be told apart by. Absent: persons are not counted by device. */
  readonly devices?: Pick<Devices, 'give'>;
}

/** Of an access token; the tokens of reservations and services are others. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** Here an access token that has ended must not keep one from logging in anew, or from reading what all may. */
const WITHOUT_ACCOUNT: ReadonlySet<RouteClass> = new Set(['read', 'login', 'webhook', 'service', 'unknown']);
const PATH_CHARS_MAX = 2_000;

export function isAccessToken(bearer: string): boolean {
  return JWT.test(bearer);
}

export function createGate({ tokens, security, devices }: GateOptions): Gate {
  return async (request, response, routeClass) => {
    const bearer = bearerToken(request.get('Authorization'));
    const presented = bearer !== null && isAccessToken(bearer) ? bearer : null;
    const principal = presented === null ? null : await tokens.verify(presented);
    keepPrincipal(response, principal);
    const address = request.ip ?? '';
    const solution = solutionOf(request);
    const verdict = await security.check({
      address,
      routeClass,
      method: request.method,
      path: pathOf(request),
      signals: signalsOf(request),
      principal,
      ...(solution !== undefined && { solution }),
    });
    const refused = verdictProblem(verdict);
    if (refused) return refused;
    // Not at log-ins, whose doors answer a wrong password with nothing to keep.
    if (isChallenged(routeClass) && routeClass !== 'login') devices?.give(request, response);
    if (routeClass === 'unknown') security.tell({ kind: 'probe', address });
    return presented !== null && !principal && !WITHOUT_ACCOUNT.has(routeClass) ? tokenEnded() : null;
  };
}

/** Where `principalOf` finds it. */
export function keepPrincipal(response: Response, principal: Principal | null): void {
  response.locals['principal'] = principal;
}

function pathOf({ originalUrl }: Request): string {
  return (originalUrl.split('?', 1)[0] ?? '').slice(0, PATH_CHARS_MAX);
}

/** For routes that all may ask, where a token that opens nothing is to be said all the same. */
export const tokenEnded = (): Problem =>
  new Problem('unauthorized', {
    detail: 'The access token has ended or is none of ours: refresh it, or log in again.',
    headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
  });

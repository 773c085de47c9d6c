/**
 * What clients are answered about accounts: bodies, the refresh cookie, and refusals.
 *
 * Guarantees: nothing that came in secretly is in an answer; the cookie can be read by no script, is sent to
 * log-ins only, and counts only when the browser says that our own pages sent it.
 */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { Answer, RouteInput } from '../http/api.js';
import { notFound, overloaded, Problem, validationFailed } from '../http/problem.js';
import { notLoggedIn } from './operators.js';
import { ROLES } from './records.js';
import type { Account, LogIn, Refusal } from './users.js';

export interface CookieOptions {
  readonly clock: Clock;
  /** Whether browsers reach us by HTTPS only. */
  readonly secureCookies: boolean;
  /** The web app's address: its origin may use the cookie. */
  readonly publicUrl: string;
}

type Sent = Pick<RouteInput<unknown, unknown, unknown, unknown>, 'request'>;

export const accountSchema = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    roles: z.array(z.enum(ROLES)),
    emailConfirmed: z.boolean(),
    secondFactor: z.boolean(),
    createdAt: z.iso.datetime(),
    disabledAt: z.iso.datetime().optional(),
    deletedAt: z.iso.datetime().optional().meta({ description: 'Erased but for its id then.' }),
  })
  .meta({ id: 'Account' });

export const logInSchema = z
  .object({
    accessToken: z.string().meta({ description: 'Send it as `Authorization: Bearer`.' }),
    expiresAt: z.iso.datetime().meta({ description: 'End of the access token.' }),
    refreshToken: z.string().optional().meta({ description: 'Works once. Absent when it is in the cookie.' }),
    refreshExpiresAt: z.iso.datetime(),
    account: accountSchema,
  })
  .meta({ id: 'LogIn' });

export function accountJson(account: Account): z.output<typeof accountSchema> {
  const { createdAt, disabledAt, deletedAt, roles, ...rest } = account;
  return {
    ...rest,
    roles: [...roles],
    createdAt: new Date(createdAt).toISOString(),
    ...(disabledAt !== undefined && { disabledAt: new Date(disabledAt).toISOString() }),
    ...(deletedAt !== undefined && { deletedAt: new Date(deletedAt).toISOString() }),
  };
}

const COOKIE = 'ticktak_refresh';
/** It goes to log-ins only: no other request carries it. */
const COOKIE_PATH = '/api/v1/sessions';

function cookie({ secureCookies }: CookieOptions, value: string, maxAgeSeconds: number): string {
  const secure = secureCookies ? '; Secure' : '';
  return `${COOKIE}=${value}; Path=${COOKIE_PATH}; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure}`;
}

export const cleared = (options: CookieOptions): Record<string, string> => ({
  'Set-Cookie': cookie(options, '', 0),
});

export function cookieOf({ request }: Sent): string | null {
  const pairs = (request.get('Cookie') ?? '').split(';').map((pair) => pair.trim());
  const found = pairs.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
  return found === undefined || found === '' ? null : found;
}

/** Browsers add cookies by themselves, whoever made them send the request; they also say who it was. */
export function isOwnOrigin({ publicUrl }: CookieOptions, { request }: Sent): boolean {
  const site = request.get('Sec-Fetch-Site');
  if (site !== undefined) return site === 'same-origin';
  const origin = request.get('Origin') ?? '';
  if (!URL.canParse(origin)) return false;
  return new URL(origin).host === request.get('Host') || new URL(origin).origin === new URL(publicUrl).origin;
}

export const foreignSite = (): Problem =>
  new Problem('forbidden', { detail: 'The request comes from another site.' });

export function logInAnswer(
  options: CookieOptions,
  status: number,
  logIn: LogIn,
  inCookie: boolean,
  more: Readonly<Record<string, unknown>> = {},
): Answer {
  const { accessToken, expiresAt, refreshToken, refreshEndsAt, account } = logIn;
  const body = {
    accessToken,
    expiresAt: new Date(expiresAt).toISOString(),
    ...(!inCookie && { refreshToken }),
    refreshExpiresAt: new Date(refreshEndsAt).toISOString(),
    account: accountJson(account),
    ...more,
  };
  if (!inCookie) return { status, body };
  const maxAgeSeconds = Math.max(0, Math.floor((refreshEndsAt - options.clock.now()) / 1_000));
  return { status, body, headers: { 'Set-Cookie': cookie(options, refreshToken, maxAgeSeconds) } };
}

/** What a client is told; `field` is what it is told about when it must send something else. */
export function refusalProblem(refusal: Refusal, field: string): Problem {
  switch (refusal.kind) {
    case 'wrong_credentials':
      return new Problem('unauthorized', { detail: 'The e-mail address or the password is wrong.' });
    case 'wait':
      return new Problem('rate_limited', {
        retryAfterMs: refusal.retryAfterMs,
        detail: 'Too many failed attempts; wait, or set a new password by mail.',
      });
    case 'overloaded':
      return overloaded();
    case 'code_required':
      return new Problem('second_factor_required', { detail: 'Send `totp`, or a `recoveryCode`.' });
    case 'code_wrong':
      return new Problem('second_factor_required', { detail: 'The code is wrong or was used before.' });
    case 'password_refused':
      return validationFailed([{ path: field, message: `the password ${refusal.reason}` }]);
    case 'address_taken':
      return new Problem('conflict', {
        detail: 'This e-mail address has an account; log in or set a new password.',
      });
    case 'token_invalid':
      return validationFailed([
        { path: 'token', message: 'it was used, has expired, or never was; ask for another' },
      ]);
    case 'not_logged_in':
      return notLoggedIn();
    case 'no_second_factor':
      return new Problem('conflict', {
        detail: 'There is no second factor to work on; begin to set one up.',
      });
    case 'second_factor_kept':
      return new Problem('forbidden', { detail: 'Operators must keep their second factor.' });
    case 'last_operator':
      return new Problem('conflict', { detail: 'This is the last operator; make another one first.' });
    case 'is_operator':
      return new Problem('conflict', {
        detail: 'Operators cannot delete their account; give up the role first.',
      });
    case 'not_found':
      return notFound('This account');
  }
}
